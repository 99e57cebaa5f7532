/** The header: the connection, the journal's position as it grows, and what is wrong with the hub. */
import type { ClientStatus } from 'syncline';
import { count, timeOf } from './format.js';
import type { Stats } from './hub.js';
import { byId, setClass, write } from './page.js';

const TEXTS: { readonly [status in ClientStatus]: string } = {
  connecting: 'Connecting', online: 'Live', offline: 'Offline', closed: 'Closed',
};

export function createHeader() {
  const pill = byId('status');
  const banner = byId('banner');
  let status: ClientStatus = 'connecting';
  let stats: Stats | null = null;
  let seenMs = 0;
  const problems = new Map<string, string>();

  function trouble(): string {
    const refused = problems.get('token');
    if (refused !== undefined) return refused;
    if (status !== 'online') {
      return stats === null
        ? 'The hub does not answer yet. The page goes on trying.'
        : `The hub does not answer. What you see is from ${timeOf(seenMs)}; the page goes on trying.`;
    }
    for (const problem of problems.values()) return problem; // the oldest
    if (stats?.read_only === true) return 'The hub cannot write to its disk: it takes no updates. Look for a full disk, then at its log.';
    if (stats?.draining === true) return 'The hub is shutting down.';
    return '';
  }

  function show(): void {
    write(pill, TEXTS[status]);
    pill.dataset['status'] = status;
    const text = trouble();
    write(banner, text);
    banner.hidden = text === '';
    setClass(document.body, 'stale', status !== 'online');
  }

  return {
    setStatus(next: ClientStatus): void {
      status = next;
      // A hub that comes back at once need not be spoken of.
      if (next === 'online') show();
      else setTimeout(show, stats === null ? 1500 : 0);
    },
    /** With what; '': nothing any more. */
    setProblem(what: string, text: string): void {
      if (text === (problems.get(what) ?? '')) return;
      if (text === '') problems.delete(what);
      else problems.set(what, text);
      show();
    },
    forgetProblems(): void {
      problems.clear();
      show();
    },
    tick(next: Stats): void {
      stats = next;
      seenMs = Date.now();
      write(byId('position'), count(next.position));
      write(byId('hub-name'), location.host);
      show();
    },
  };
}
