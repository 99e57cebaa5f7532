/**
 * Between the documents of a client and its store: what an opened document finds there, and what others leave there, which goes to
 * whoever has the document open, or else to one that opens it for that (flushing.ts).
 */
import { ProtocolError, toHex } from '../protocol/values.js';
import type { FieldDeclaration } from '../protocol/packets.js';
import { pendingCount } from '../session/outbox.js';
import { decodeSession, VersionError, type SavedSession } from '../session/saved.js';
import { resume, save, type Resumed } from '../session/saving.js';
import type { SessionState } from '../session/state.js';
import { liveIn } from './alive.js';
import { createFlusher, type Flushing } from './flushing.js';
import { whenLeft } from './leaving.js';
import { asStoreError, StoreError, type Store, type StoredState } from './store.js';
import { createWriter, type OwnWriter, type Writer } from './writer.js';

export type { Flushing } from './flushing.js';
export type { Writer } from './writer.js';

/** A document connects without what is stored of it, if that takes longer, and adopts it when it comes. */
const PATIENCE_MS = 3000;

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
   * `ready` is called before, too, and later again whenever the session has taken up what another has left.
   */
  keep(held: Kept, ready: () => void): Writer;
  /** There is a connection, or a document was closed: edits may wait in documents that are not open. */
  flushSoon(): void;
  /** Once the documents are closed: what they write last is finished. */
  close(): Promise<void>;
};

/** One that is open. */
type Open = { readonly writer: OwnWriter; take(from: readonly string[]): void };

export function createKeeper(
  store: Store, replica: Uint8Array, report: (error: { code: string; text: string }) => void, flushing: Flushing, closeStore: () => void,
): Keeper {
  const session = toHex(replica);
  const life = liveIn(store.name, session, () => { lookAround().catch(fail); });
  life.begun.catch(fail);
  const open = new Map<string, Open>();
  /** By document: what it has to wait for before it is read again. */
  const lasts = new Map<string, Promise<unknown>>();
  const flusher = createFlusher({ store, session, dead: life.dead, isOpen: (document) => open.has(document), claim, tell: fail, report }, flushing);
  const unleave = whenLeft(() => { for (const { writer } of open.values()) writer.hurry(); });
  let failing: string | undefined;

  /** Once, until something is stored again or it is another trouble. */
  function tell({ code, message }: StoreError): void {
    if (failing === code) return;
    failing = code;
    report({ code, text: message });
  }

  function fail(error: unknown): void {
    tell(asStoreError(error));
  }

  function readable(states: readonly StoredState[]): SavedSession[] | undefined {
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
    const held = found.length === others.length && dead.length === 0 ? [] : await store.adopt(document, session, dead);
    return { seen: found.flatMap(({ saved }) => saved), adopted: held.flatMap(({ states }) => states.map(decodeSession)) };
  }

  /** What these sessions have left in the document, and nobody has taken yet, is this one's. */
  const inherit = (document: string, from: readonly string[]): Promise<SavedSession[]> => life.inTurn(async () => {
    const left = (await store.waiting()).filter((one) => one.document === document && from.includes(one.session));
    if (left.length === 0) return [];
    const known = (await store.read(document)).filter(({ session: one, states }) =>
      left.some((other) => other.session === one) && readable(states) !== undefined);
    const held = known.length === 0 ? [] : await store.adopt(document, session, known.map((one) => one.session));
    return held.filter((one) => one.session !== session).flatMap(({ states }) => states.map(decodeSession));
  });

  /** For a document that is not open, which is read no sooner if it is opened meanwhile. */
  async function claim(document: string, from: readonly string[]): Promise<boolean> {
    const before = lasts.get(document);
    const claimed = (async () => {
      await before;
      return (await inherit(document, from)).length > 0;
    })();
    lasts.set(document, claimed.catch(() => {})); // who claims is told
    return claimed;
  }

  /** What sessions that are over have left. */
  async function lookAround(): Promise<void> {
    const waiting = (await store.waiting()).filter((one) => one.session !== session);
    if (waiting.length === 0) return;
    const dead = await life.dead([...new Set(waiting.map((one) => one.session))]);
    const left = waiting.filter((one) => dead.includes(one.session));
    for (const [document, { take }] of open) {
      const from = left.filter((one) => one.document === document).map((one) => one.session);
      if (from.length > 0) take(from);
    }
    if (left.some(({ document }) => !open.has(document))) flusher.soon();
  }

  return {
    keep({ session: { name, state }, resumed, loadTypes }, ready) {
      const patience = setTimeout(() => {
        tell(new StoreError('STORE_FAILED', `what is stored of ${name} is long in coming`));
        ready();
      }, PATIENCE_MS);
      const go = async (seen: readonly SavedSession[], adopted: readonly SavedSession[]): Promise<void> => {
        await loadTypes([...seen, ...adopted].flatMap(({ fields }) => fields));
        resumed(resume(state, seen, adopted));
      };
      const loaded = find(name).then(({ seen, adopted }) => go(seen, adopted)).finally(() => {
        clearTimeout(patience);
        ready();
      });
      loaded.catch(fail);
      const writer = createWriter({
        write: (written) => store.write(name, session, written),
        save: () => save(state),
        waits: () => pendingCount(state.outboxes) > 0,
        loaded, tell,
        done: () => { failing = undefined; },
        closed: (last) => {
          lasts.set(name, last);
          if (open.get(name) === here) open.delete(name);
        },
      });
      const here: Open = {
        writer,
        take: (from) => writer.alone(async () => {
          const adopted = await inherit(name, from);
          if (adopted.length === 0) return;
          await go([], adopted);
          ready();
        }),
      };
      open.set(name, here);
      return writer;
    },
    flushSoon: flusher.soon,
    async close(): Promise<void> {
      unleave();
      flusher.end();
      await Promise.all(lasts.values());
      life.end();
      closeStore();
    },
  };
}
