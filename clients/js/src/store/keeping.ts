/** All that a client with a store needs, which is loaded as one. */
export { createKeeper } from './keeper.js';
export { indexedDbStore } from './indexeddb.js';
