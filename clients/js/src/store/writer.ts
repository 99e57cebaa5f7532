/**
 * One document's writes. An edit's write begins in the edit's own task. While one is under way, what comes meanwhile waits for one more
 * that holds it all; what only the hub has told can wait longer, since the hub would tell it again.
 */
import type { SavedBytes } from '../session/saved.js';
import { asStoreError, type StoreError, type WrittenState } from './store.js';

/** What the hub tells is written at most so often. */
const CONFIRMED_MS = 500;

type Wait = { revision: number; resolve: () => void; reject: (error: Error) => void };

export type Writer = {
  /** `edited`: the change is not the hub's. */
  changed(edited: boolean): void;
  /** Resolved when all that has changed so far is stored. */
  stored(): Promise<void>;
  /** Writes the rest. */
  close(): void;
};

export type OwnWriter = Writer & {
  /** What waits to be written later is written now. */
  hurry(): void;
  /** Nothing is written while `act` changes the store, and then all that the session holds. If it fails, nothing ever is. */
  alone(act: () => Promise<void>): void;
};

export function createWriter(
  { write, save, waits, loaded, tell, done, closed }: {
    write: (state: WrittenState) => Promise<void>;
    save: () => SavedBytes;
    waits: () => boolean;
    loaded: Promise<void>;
    tell: (error: StoreError) => void;
    done: () => void;
    closed: (last: Promise<void>) => void;
  },
): OwnWriter {
  let revision = 0;
  let written = 0;
  let wanted = false;
  let busy = false;
  let isLoaded = false;
  /** What was written last: what is the same need not be written again. */
  let confirmed: Uint8Array | undefined;
  /** What is stored could not be loaded, and so must not be written over. */
  let lost: StoreError | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waiting: Wait[] = [];
  let acts: (() => Promise<void>)[] = [];
  let acting = Promise.resolve();

  function settle(error?: StoreError): void {
    const over = waiting.filter((wait) => error !== undefined || wait.revision <= written);
    waiting = waiting.filter((wait) => !over.includes(wait));
    for (const { resolve, reject } of over) {
      if (error === undefined) resolve();
      else reject(error);
    }
  }

  function lose(error: unknown): void {
    lost = asStoreError(error);
    settle(lost);
  }

  async function writeAll(): Promise<void> {
    const saved = revision;
    wanted = false;
    clearTimeout(timer);
    timer = undefined;
    try {
      const state = save();
      await write({ ...state, waits: waits(), isSameConfirmed: state.confirmed === confirmed });
      written = saved;
      confirmed = state.confirmed;
      done();
      settle();
    } catch (error) {
      const failure = asStoreError(error);
      tell(failure);
      settle(failure);
    }
  }

  async function act(one: () => Promise<void>): Promise<void> {
    try {
      confirmed = undefined;
      await one();
    } catch (error) {
      lose(error);
      tell(asStoreError(error));
    }
  }

  async function next(): Promise<void> {
    if (busy || !isLoaded || lost !== undefined) return;
    const one = acts.shift();
    if (one === undefined && !wanted) return;
    busy = true;
    await (one === undefined ? writeAll() : acting = act(one));
    busy = false;
    void next();
  }

  function want(): void {
    wanted = true;
    queueMicrotask(() => void next());
  }

  function stored(): Promise<void> {
    if (lost !== undefined) return Promise.reject(lost);
    if (written === revision) return Promise.resolve();
    want();
    return new Promise<void>((resolve, reject) => { waiting.push({ revision, resolve, reject }); });
  }

  loaded.then(() => {
    isLoaded = true;
    void next();
  }, lose);

  return {
    changed(edited) {
      revision += 1;
      if (edited) return want();
      timer ??= setTimeout(want, CONFIRMED_MS);
      (timer as { unref?: () => void }).unref?.();
    },
    stored,
    hurry() {
      if (timer !== undefined) want();
    },
    alone(one) {
      acts.push(one);
      void next();
    },
    close() {
      acts = [];
      closed(loaded.then(() => acting).then(stored).catch(() => {})); // the client has told it
    },
  };
}
