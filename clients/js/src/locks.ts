/** Web Locks, which a browser ends with whoever held them, however that ended. */

export type Held = {
  readonly begun: Promise<void>;
  end(): void;
};

/** Waits for the lock, and then holds it. */
export function hold(locks: LockManager, name: string): Held {
  const waiting = new AbortController();
  let end = () => {};
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const begun = new Promise<void>((resolve, reject) => {
    locks.request(name, { signal: waiting.signal }, () => {
      resolve();
      return ended;
    }).catch(reject);
  });
  begun.catch(() => {}); // who does not wait for it has not lost anything
  return {
    begun,
    end() {
      waiting.abort();
      end();
    },
  };
}

/** Calls `act` when nobody holds the lock any more. Answers the undo. */
export function whenFree(locks: LockManager, name: string, act: () => void): () => void {
  const waiting = new AbortController();
  locks.request(name, { mode: 'shared', signal: waiting.signal }, () => act())
    .catch((error: unknown) => { if (!waiting.signal.aborted) throw error; });
  return () => waiting.abort();
}
