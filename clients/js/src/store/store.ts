/**
 * Stores: where a client keeps what it holds of each document, so that another session can go on with it. One entry for each document
 * and session; what a state is made of is the session's business (session/saved.ts).
 */

/** In two parts that are read as one: what the hub had confirmed, and what waits for it, which alone an edit changes. */
export type StoredState = { readonly confirmed: Uint8Array; readonly outbox: Uint8Array };

/** `states`: its own one, or those that it has adopted and not saved as its own yet. */
export type StoredSession = { readonly session: string; readonly states: readonly StoredState[] };

/**
 * `waits`: the hub lacks some of it. `isSameConfirmed`: `confirmed` is what the session wrote last, and can stay as it is if it is
 * still there.
 */
export type WrittenState = StoredState & { readonly waits: boolean; readonly isSameConfirmed: boolean };

/** Each call takes effect as a whole or not at all, and after those made before it. They fail with a StoreError. */
export interface Store {
  /** Names it among all stores of this device: sessions of one store must know of each other. */
  readonly name: string;
  /** All that is kept of the document. */
  read(document: string): Promise<readonly StoredSession[]>;
  /** What was last written with `waits`, of all documents. Asked at each connect: it should not read what is kept. */
  waiting(): Promise<readonly { readonly document: string; readonly session: string }[]>;
  /** Moves what is still there of these sessions to `session`, and answers all that it has then, by the session that it was of. */
  adopt(document: string, session: string, from: readonly string[]): Promise<readonly StoredSession[]>;
  /** In place of all that the session has of the document. Resolved when it is on the disk. */
  write(document: string, session: string, state: WrittenState): Promise<void>;
}

/** No room; another version of the client has changed the store, or waits to; anything else. */
export type StoreErrorCode = 'STORE_FULL' | 'STORE_VERSION' | 'STORE_FAILED';

export class StoreError extends Error {
  constructor(readonly code: StoreErrorCode, text: string) {
    super(text);
  }
}

/** Of what a store failed with. */
export function asStoreError(error: unknown): StoreError {
  return error instanceof StoreError ? error
    : new StoreError('STORE_FAILED', error instanceof Error ? error.message : String(error));
}
