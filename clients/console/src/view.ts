/** What the page's parts have in common. */
import type { Client } from 'syncline';
import type { Hub, Stats } from './hub.js';
import type { History } from './rates.js';
import type { Route } from './router.js';

/** What each part is given. */
export type Console = {
  readonly client: Client;
  readonly hub: Hub;
  readonly history: History;
  /** Does what asks the hub for something; what goes wrong is told in the header, by the name of that, until it goes well. */
  readonly attempt: (what: string, work: () => Promise<void>) => Promise<void>;
  /** The name this page told the hub in HELLO, which tells its own connection from others. */
  readonly self: string;
};

export type View = {
  readonly element: HTMLElement;
  readonly title: string;
  /** It is seen from now on, or looks at something else. */
  show(route: Route): void;
  hide(): void;
  /** Each second, with what the hub has just said of itself. */
  tick?(stats: Stats, now: number): void;
};
