/**
 * Between the documents of a client and its store: what an opened document finds there, and what is written of it. An edit's write
 * begins in the edit's own task. While one is under way, what comes meanwhile waits for one more that holds it all; what only the
 * hub has told can wait longer, since the hub would tell it again.
 */
import { ProtocolError, toHex } from '../protocol/values.js';
import type { FieldDeclaration } from '../protocol/packets.js';
import { decodeSession, VersionError, type SavedSession } from '../session/saved.js';
import { resume, save, type Resumed } from '../session/saving.js';
import type { SessionState } from '../session/state.js';
import { liveIn } from './alive.js';
import { asStoreError, StoreError, type Store } from './store.js';

/** What the hub tells is written at most so often. */
const CONFIRMED_MS = 500;
/** A document connects without what is stored of it, if that takes longer, and adopts it when it comes. */
const PATIENCE_MS = 3000;

type Wait = { revision: number; resolve: () => void; reject: (error: Error) => void };

/** One document's writes. */
export type Writer = {
  /** `edited`: the change is not the hub's. */
  changed(edited: boolean): void;
  /** Resolved when all that has changed so far is stored. */
  stored(): Promise<void>;
  /** Writes the rest. */
  close(): void;
};

/** A document, whose session is resumed and saved. */
export type Kept = {
  readonly session: { readonly name: string; readonly state: SessionState };
  resumed(what: Resumed): void;
  /** Resolved when the session can have these; undefined: it can. */
  loadTypes(fields: readonly FieldDeclaration[]): Promise<void> | undefined;
};

export type Keeper = {
  /**
   * Resumes the session with what is stored of it, and calls `ready` right after: the document is to connect. If that takes long,
   * `ready` is called before, too.
   */
  keep(held: Kept, ready: () => void): Writer;
  /** Once the documents are closed: what they write last is finished. */
  close(): Promise<void>;
};

export function createKeeper(
  store: Store, replica: Uint8Array, report: (error: { code: string; text: string }) => void, closeStore: () => void,
): Keeper {
  const session = toHex(replica);
  const life = liveIn(store.name, session);
  life.begun.catch((error: unknown) => tell(asStoreError(error)));
  /** By document: what it has to wait for before it is read again. */
  const lasts = new Map<string, Promise<void>>();
  let failing: string | undefined;

  /** Once, until something is stored again or it is another trouble. */
  function tell({ code, message }: StoreError): void {
    if (failing === code) return;
    failing = code;
    report({ code, text: message });
  }

  function readable(states: readonly Uint8Array[]): SavedSession[] | undefined {
    try {
      return states.map(decodeSession);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // It stays where it is, for a client that can read it.
      tell(new StoreError(error instanceof VersionError ? 'STORE_VERSION' : 'STORE_FAILED', `what is stored cannot be read: ${error.message}`));
      return undefined;
    }
  }

  /** What others show, and what is this session's from now on. */
  async function find(document: string): Promise<{ seen: SavedSession[]; adopted: SavedSession[] }> {
    await Promise.all([life.begun, lasts.get(document)]); // that of now: later it may be its own
    const found = (await store.read(document)).flatMap(({ session: one, states }) => {
      const saved = readable(states);
      return saved === undefined ? [] : [{ one, saved }];
    });
    const others = found.map(({ one }) => one).filter((one) => one !== session);
    const dead = others.length === 0 ? [] : await life.dead(others);
    const states = found.length === others.length && dead.length === 0 ? [] : await store.adopt(document, session, dead);
    return { seen: found.flatMap(({ saved }) => saved), adopted: states.map(decodeSession) };
  }

  function createWriter(document: string, save: () => Uint8Array, loaded: Promise<void>): Writer {
    let revision = 0;
    let written = 0;
    let wanted = false;
    let writing = false;
    let isLoaded = false;
    /** What is stored could not be loaded, and so must not be written over. */
    let lost: StoreError | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waits: Wait[] = [];

    function settle(error?: StoreError): void {
      const done = waits.filter((wait) => error !== undefined || wait.revision <= written);
      waits = waits.filter((wait) => !done.includes(wait));
      for (const { resolve, reject } of done) {
        if (error === undefined) resolve();
        else reject(error);
      }
    }

    async function write(): Promise<void> {
      if (writing || !isLoaded || !wanted) return;
      const saved = revision;
      writing = true;
      wanted = false;
      clearTimeout(timer);
      timer = undefined;
      let failure: StoreError | undefined;
      try {
        await store.write(document, session, save());
        written = saved;
        failing = undefined;
      } catch (error) {
        failure = asStoreError(error);
        tell(failure);
      }
      writing = false;
      settle(failure);
      void write();
    }

    function want(): void {
      wanted = true;
      queueMicrotask(() => void write());
    }

    function stored(): Promise<void> {
      if (lost !== undefined) return Promise.reject(lost);
      if (written === revision) return Promise.resolve();
      want();
      return new Promise<void>((resolve, reject) => { waits.push({ revision, resolve, reject }); });
    }

    loaded.then(() => {
      isLoaded = true;
      void write();
    }, (error: unknown) => {
      lost = asStoreError(error);
      settle(lost);
    });

    return {
      changed(edited) {
        revision += 1;
        if (edited) return want();
        timer ??= setTimeout(want, CONFIRMED_MS);
        (timer as { unref?: () => void }).unref?.();
      },
      stored,
      close() {
        const last = stored().catch(() => {}); // the client has told it
        lasts.set(document, last);
      },
    };
  }

  return {
    keep({ session: { name, state }, resumed, loadTypes }, ready) {
      const patience = setTimeout(() => {
        tell(new StoreError('STORE_FAILED', `what is stored of ${name} is long in coming`));
        ready();
      }, PATIENCE_MS);
      const loaded = find(name).then(async ({ seen, adopted }) => {
        await loadTypes([...seen, ...adopted].flatMap(({ fields }) => fields));
        resumed(resume(state, seen, adopted));
      }).finally(() => {
        clearTimeout(patience);
        ready();
      });
      loaded.catch((error: unknown) => tell(asStoreError(error)));
      return createWriter(name, () => save(state), loaded);
    },
    async close(): Promise<void> {
      await Promise.all(lasts.values());
      life.end();
      closeStore();
    },
  };
}
