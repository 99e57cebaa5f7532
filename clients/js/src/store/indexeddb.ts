/**
 * A store in IndexedDB: one database for each hub, with two object stores whose keys are `[document, session]`: `sessions` for what was
 * confirmed, `outboxes` for the rest of the same states, with an index of those that wait. The transactions of a database that would
 * meet run in the order in which they were made.
 */
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb';
import { StoreError, type Store, type StoredSession } from './store.js';

type Key = [document: string, session: string];
/** Without `waits` it is not in the index. */
type Outboxes = { parts: readonly Uint8Array[]; waits?: 1 };

interface Schema extends DBSchema {
  sessions: { key: Key; value: readonly Uint8Array[] };
  outboxes: { key: Key; value: Outboxes; indexes: { waiting: number } };
}
type Database = IDBPDatabase<Schema>;

const VERSION = 2;
const BOTH = ['sessions', 'outboxes'] as const;
const STRICT = { durability: 'strict' } as const;

export type IndexedDbStore = Store & { close(): void };

let asked = false;

/** Once for each page: a browser that is short of space keeps what was asked to stay. */
function askToStay(): void {
  if (asked) return;
  asked = true;
  globalThis.navigator?.storage?.persist?.().catch(() => {}); // it may go then, and the app is told of nothing new
}

function told(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { name, message } = error instanceof Error || error instanceof DOMException ? error : { name: '', message: String(error) };
  if (name === 'QuotaExceededError') return new StoreError('STORE_FULL', message || 'there is no room for what is to be stored');
  if (name === 'VersionError') return new StoreError('STORE_VERSION', 'a later version of this client has changed the store: reload the page');
  return new StoreError('STORE_FAILED', message || name);
}

/** It says why it failed; its requests may only say that it did. */
const leftToTransaction = (): void => {};

/** The keys of one document: a list comes after every text. */
const rangeOf = (document: string): IDBKeyRange => IDBKeyRange.bound([document], [document, []]);

const stateOf = (parts: readonly Uint8Array[], outboxes: Outboxes | undefined): StoredSession['states'] =>
  parts.map((confirmed, i) => ({ confirmed, outbox: outboxes?.parts[i] ?? new Uint8Array() }));

/** Version 1 had both parts in `sessions`: with a second one that is empty they are read as before, and any of them may wait. */
async function upgrade(
  database: Database, version: number, transaction: IDBPTransaction<Schema, ('sessions' | 'outboxes')[], 'versionchange'>,
): Promise<void> {
  if (version < 1) database.createObjectStore('sessions');
  const outboxes = database.createObjectStore('outboxes');
  outboxes.createIndex('waiting', 'waits');
  for (let at = await transaction.objectStore('sessions').openCursor(); at !== null; at = await at.continue()) {
    await outboxes.put({ parts: at.value.map(() => new Uint8Array()), waits: 1 }, at.key);
  }
}

export function indexedDbStore(name: string): IndexedDbStore {
  let opened: Promise<Database> | null = null;
  let closed = false;

  function open(): Promise<Database> {
    return new Promise((resolve, reject) => {
      openDB<Schema>(name, VERSION, {
        upgrade: (database, version, _next, transaction) => void upgrade(database, version, transaction).catch(leftToTransaction),
        blocked: () => reject(new StoreError('STORE_VERSION', 'another tab holds the store in an earlier version: close it')),
        blocking(_held, _wanted, event) {
          opened = null; // the next call tells what has become of it
          (event.target as unknown as IDBDatabase).close();
        },
        terminated: () => { opened = null; },
      }).then((database) => {
        if (closed) database.close();
        resolve(database);
        opened = Promise.resolve(database); // also if it was blocked for long
      }, (error: unknown) => {
        opened = null;
        reject(error);
      });
    });
  }

  async function using<Result>(act: (database: Database) => Promise<Result>): Promise<Result> {
    try {
      return await act(await (opened ??= open()));
    } catch (error) {
      throw told(error);
    }
  }

  return {
    name,
    read: (document) => using(async (database) => {
      const transaction = database.transaction(BOTH);
      const [sessions, outboxes] = [transaction.objectStore('sessions'), transaction.objectStore('outboxes')];
      const range = rangeOf(document);
      const [keys, values, waitingKeys, waiting] = await Promise.all(
        [sessions.getAllKeys(range), sessions.getAll(range), outboxes.getAllKeys(range), outboxes.getAll(range)]);
      const bySession = new Map(waitingKeys.map(([, session], i) => [session, waiting[i]]));
      return keys.map(([, session], i) => ({ session, states: stateOf(values[i] ?? [], bySession.get(session)) }));
    }),
    waiting: () => using(async (database) => {
      const keys = await database.transaction('outboxes').store.index('waiting').getAllKeys();
      return keys.map(([document, session]) => ({ document, session }));
    }),
    adopt: (document, session, from) => using(async (database) => {
      const transaction = database.transaction(BOTH, 'readwrite', STRICT);
      const [sessions, outboxes] = [transaction.objectStore('sessions'), transaction.objectStore('outboxes')];
      const found = await Promise.all([session, ...from.filter((other) => other !== session)].map(async (one) => {
        const key: Key = [document, one];
        const [parts = [], rest] = await Promise.all([sessions.get(key), outboxes.get(key)]);
        return { session: one, states: stateOf(parts, rest), waits: rest?.waits };
      }));
      const held = found.filter(({ states }) => states.length > 0);
      for (const { session: one } of held.filter((other) => other.session !== session)) {
        for (const store of [sessions, outboxes]) store.delete([document, one]).catch(leftToTransaction);
      }
      const states = held.flatMap((one) => one.states);
      if (states.length > 0) {
        const waits = held.some((one) => one.waits) ? { waits: 1 as const } : {};
        sessions.put(states.map(({ confirmed }) => confirmed), [document, session]).catch(leftToTransaction);
        outboxes.put({ parts: states.map(({ outbox }) => outbox), ...waits }, [document, session]).catch(leftToTransaction);
      }
      await transaction.done;
      return held.map(({ session: one, states: its }) => ({ session: one, states: its }));
    }),
    write: (document, session, { confirmed, outbox, waits, isSameConfirmed }) => using(async (database) => {
      askToStay();
      const key: Key = [document, session];
      /** Answers whether what was confirmed is there. */
      async function put(whole: boolean): Promise<boolean> {
        const transaction = database.transaction(BOTH, 'readwrite', STRICT);
        const sessions = transaction.objectStore('sessions');
        transaction.objectStore('outboxes').put({ parts: [outbox], ...(waits ? { waits: 1 } : {}) }, key).catch(leftToTransaction);
        if (whole) sessions.put([confirmed], key).catch(leftToTransaction);
        const count = sessions.count(key).catch(() => 0);
        transaction.commit(); // without waiting here for what was put: the page may be gone by then
        await transaction.done;
        return (await count) > 0;
      }
      // It is gone if another took this session for dead.
      if (!(await put(!isSameConfirmed))) await put(true);
    }),
    close() {
      closed = true;
      void opened?.then((database) => database.close(), () => {});
    },
  };
}
