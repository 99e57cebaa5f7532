/** Asks again and again, but only while the page is seen: a tab in the background costs the hub nothing. */
import { isVisible } from './page.js';

export type Poll = {
  /** At once, and from then on. */
  start(): void;
  stop(): void;
  /** What is asked has changed: not only after the wait. */
  now(): void;
};

export function createPoll(work: () => Promise<void>, everyMs: number): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wanted = false;
  let busy = false;
  /** Another turn was wished for during this one. */
  let again = false;

  async function turn(): Promise<void> {
    clearTimeout(timer);
    if (!wanted || !isVisible()) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    again = false;
    const startedMs = performance.now();
    try {
      await work();
    } finally {
      busy = false;
      clearTimeout(timer);
      const waitMs = again ? 0 : everyMs - (performance.now() - startedMs);
      if (wanted && isVisible()) timer = setTimeout(() => void turn(), Math.max(0, waitMs));
    }
  }

  document.addEventListener('visibilitychange', () => void turn());
  return {
    start() {
      wanted = true;
      void turn();
    },
    stop() {
      wanted = false;
      clearTimeout(timer);
    },
    now: () => void turn(),
  };
}
