/**
 * A store in IndexedDB: one database for each hub, with one object store whose keys are `[document, session]`. The transactions of a
 * database that would meet run in the order in which they were made.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { StoreError, type Store } from './store.js';

interface Schema extends DBSchema {
  sessions: { key: [document: string, session: string]; value: readonly Uint8Array[] };
}
type Database = IDBPDatabase<Schema>;

const VERSION = 1;
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

export function indexedDbStore(name: string): IndexedDbStore {
  let opened: Promise<Database> | null = null;
  let closed = false;

  function open(): Promise<Database> {
    return new Promise((resolve, reject) => {
      openDB<Schema>(name, VERSION, {
        upgrade: (database) => void database.createObjectStore('sessions'),
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
      const { store } = database.transaction('sessions');
      const [keys, values] = await Promise.all([store.getAllKeys(rangeOf(document)), store.getAll(rangeOf(document))]);
      return keys.map(([, session], i) => ({ session, states: values[i] ?? [] }));
    }),
    adopt: (document, session, from) => using(async (database) => {
      const transaction = database.transaction('sessions', 'readwrite', STRICT);
      const { store } = transaction;
      const sessions = [session, ...from.filter((other) => other !== session)];
      const held = await Promise.all(sessions.map((one) => store.get([document, one])));
      const states = held.flatMap((one) => one ?? []);
      for (const other of sessions.slice(1)) store.delete([document, other]).catch(leftToTransaction);
      if (states.length > 0) store.put(states, [document, session]).catch(leftToTransaction);
      await transaction.done;
      return states;
    }),
    write: (document, session, state) => using(async (database) => {
      askToStay();
      const transaction = database.transaction('sessions', 'readwrite', STRICT);
      transaction.store.put([state], [document, session]).catch(leftToTransaction);
      transaction.commit(); // without waiting here for what was put: the page may be gone by then
      await transaction.done;
    }),
    close() {
      closed = true;
      void opened?.then((database) => database.close(), () => {});
    },
  };
}
