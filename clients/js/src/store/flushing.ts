/**
 * Edits in documents that nobody opens: of sessions that are over, and of our own once their document is closed. While there is a
 * connection their documents are opened, a few at a time, until the hub has them.
 */
import type { Store } from './store.js';

/** The app's own documents come first. */
const CHANCE_MS = 1000;
const AT_ONCE = 4;

/** What a client does for it. */
export type Flushing = {
  isOnline(): boolean;
  /** Opens the document, unless it is open, and closes it when the hub has all that waited in it, or does not want it. */
  flush(document: string): Promise<void>;
};

export type Flusher = {
  /** Looks for such documents, a little later. */
  soon(): void;
  end(): void;
};

/** `claim`: makes what these sessions have of the document the own one's; false if there is nothing, or another was faster. */
export function createFlusher(
  { store, session, dead, isOpen, claim, tell }: {
    store: Pick<Store, 'waiting'>;
    session: string;
    dead: (sessions: readonly string[]) => Promise<readonly string[]>;
    isOpen: (document: string) => boolean;
    claim: (document: string, from: readonly string[]) => Promise<boolean>;
    tell: (error: unknown) => void;
  },
  { isOnline, flush }: Flushing,
): Flusher {
  const queue = new Map<string, readonly string[]>();
  let flushing = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function flushOne(document: string, from: readonly string[]): Promise<void> {
    if (!isOnline() || isOpen(document)) return;
    if (from.includes(session) || await claim(document, from)) await flush(document);
  }

  function next(): void {
    for (const [document, from] of queue) {
      if (flushing === AT_ONCE) return;
      queue.delete(document);
      flushing += 1;
      void flushOne(document, from).catch(tell).then(() => {
        flushing -= 1;
        next();
      });
    }
  }

  async function look(): Promise<void> {
    const waiting = (await store.waiting()).filter(({ document }) => !isOpen(document));
    const others = [...new Set(waiting.map((one) => one.session))].filter((one) => one !== session);
    const over = new Set([session, ...(others.length > 0 ? await dead(others) : [])]);
    for (const one of waiting) {
      if (!over.has(one.session)) continue;
      queue.set(one.document, [...new Set([...(queue.get(one.document) ?? []), one.session])]);
    }
    next();
  }

  return {
    soon() {
      timer ??= setTimeout(() => {
        timer = undefined;
        if (isOnline()) look().catch(tell);
      }, CHANCE_MS);
      (timer as { unref?: () => void }).unref?.();
    },
    end() {
      clearTimeout(timer);
      queue.clear();
    },
  };
}
