/**
 * Which sessions of a store are alive. A session holds a lock of its name for its life, which ends with its page however that ends.
 * Without Web Locks (a page that is not secure) it answers those who ask for it; one that does not within a short time counts as
 * dead. If it was only slow, both flush the same outboxes, which the hub takes once.
 *
 * With Web Locks a session looks every few seconds whether others are over. To wait for their locks would be sooner, and would keep
 * their pages out of the back-forward cache.
 */
import { hold } from '../locks.js';

const ANSWER_MS = 250;
const LOOK_MS = 3000;

export type Life = {
  /** From then on the others find this session alive. */
  readonly begun: Promise<void>;
  dead(sessions: readonly string[]): Promise<readonly string[]>;
  /** One session after the other, where there are Web Locks. */
  inTurn<Result>(act: () => Promise<Result>): Promise<Result>;
  end(): void;
};

function withLocks(locks: LockManager, prefix: string, session: string, look: () => void): Life {
  const life = hold(locks, prefix + session);
  const timer = setInterval(look, LOOK_MS);
  (timer as { unref?: () => void }).unref?.();
  return {
    begun: life.begun,
    async dead(sessions) {
      const { held = [] } = await locks.query();
      const names = new Set(held.map(({ name }) => name));
      return sessions.filter((one) => !names.has(prefix + one));
    },
    inTurn: async (act) => await locks.request(`turn ${prefix}`, act),
    end() {
      clearInterval(timer);
      life.end();
    },
  };
}

function withChannel(channel: BroadcastChannel, session: string): Life {
  const alive = new Set<string>();
  channel.onmessage = ({ data }: MessageEvent<{ ask?: readonly string[]; alive?: string }>) => {
    if (data.ask?.includes(session)) channel.postMessage({ alive: session });
    if (data.alive !== undefined) alive.add(data.alive);
  };
  return {
    begun: Promise.resolve(),
    async dead(sessions) {
      channel.postMessage({ ask: sessions });
      await new Promise((resolve) => { setTimeout(resolve, ANSWER_MS); });
      return sessions.filter((one) => !alive.has(one));
    },
    inTurn: (act) => act(),
    end: () => channel.close(),
  };
}

/** `store`: its name. `look`: called now and then, where it can be told who is over without asking them. */
export function liveIn(store: string, session: string, look: () => void): Life {
  const { navigator, BroadcastChannel: Channel } = globalThis as Partial<typeof globalThis>;
  const prefix = `syncline ${store} `;
  if (navigator?.locks !== undefined) return withLocks(navigator.locks, prefix, session, look);
  if (Channel === undefined) return { begun: Promise.resolve(), dead: async (sessions) => sessions, inTurn: (act) => act(), end() {} };
  const channel = new Channel(prefix);
  (channel as { unref?: () => void }).unref?.();
  return withChannel(channel, session);
}
