/** A store in IndexedDB that an app makes itself: its code is loaded at the first call. */
import type { IndexedDbStore } from './indexeddb.js';

/** One for each `name`; `close` it when no client uses it any more. */
export function indexedDbStore(name: string): IndexedDbStore {
  let opened: Promise<IndexedDbStore> | undefined;
  const open = () => opened ??= import('./indexeddb.js').then((code) => code.indexedDbStore(name));
  return {
    name,
    read: async (document) => (await open()).read(document),
    waiting: async () => (await open()).waiting(),
    adopt: async (document, session, from) => (await open()).adopt(document, session, from),
    write: async (document, session, state) => (await open()).write(document, session, state),
    close: () => void opened?.then((store) => store.close(), () => {}),
  };
}
