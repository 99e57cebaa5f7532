/**
 * Edits in documents that nobody opens: of sessions that are over, and of our own once their document is closed. While there is a
 * connection their documents are opened, a few at a time, until the hub has them.
 */
import type { Problem } from '../connection.js';
import type { Document } from '../document.js';
import type { Store } from './store.js';

/** The app's own documents come first. */
const CHANCE_MS = 1000;
const AT_ONCE = 4;

/** What a client does for it. */
export type Flushing = {
  isOnline(): boolean;
  /** A document that no app has open; undefined: one has, or the client is closed. */
  open(name: string): Document | undefined;
  /** No app has opened it meanwhile. */
  isOurs(name: string): boolean;
};

export type Flusher = {
  /** Looks for such documents, a little later. */
  soon(): void;
  end(): void;
};

/** `claim`: makes what these sessions have of the document the own one's; false if there is nothing, or another was faster. */
export function createFlusher(
  { store, session, dead, isOpen, claim, tell, report }: {
    store: Pick<Store, 'waiting'>;
    session: string;
    dead: (sessions: readonly string[]) => Promise<readonly string[]>;
    isOpen: (document: string) => boolean;
    claim: (document: string, from: readonly string[]) => Promise<boolean>;
    tell: (error: unknown) => void;
    report: (problem: Problem) => void;
  },
  { isOnline, open, isOurs }: Flushing,
): Flusher {
  const queue = new Map<string, readonly string[]>();
  let flushing = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Until the hub has what waits in it, unless the app opens it meanwhile. */
  async function flush(name: string): Promise<void> {
    const document = open(name);
    if (document === undefined) return;
    const pass = ({ code, text }: Problem): void => {
      if (isOurs(name)) report({ code, text: `${name}, which is not open: ${text}` });
    };
    document.on('rejected', pass);
    document.on('error', pass);
    try {
      await document.synced;
      await document.saved;
    } catch {
      return; // it was closed: by the app, with the client, or since the hub does not want it
    }
    if (isOurs(name)) document.close();
  }

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
