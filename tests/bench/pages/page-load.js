/** The page of page-load.mjs: each function is one thing to measure. A view is what an app shows first: a count and what fits a screen. */
import { decode } from '@msgpack/msgpack';
import { connect } from 'syncline';

const VISIBLE = 50;

const painted = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });

const text = (entry) => (typeof entry === 'string' ? entry : entry.join(': '));

/** Reads the whole value and shows the beginning of it. */
function show({ items }) {
  const { value } = items;
  const entries = Array.isArray(value) ? value : Object.entries(value);
  const list = document.createElement('ul');
  list.append(...entries.slice(0, VISIBLE).map((entry) => {
    const item = document.createElement('li');
    item.textContent = text(entry);
    return item;
  }));
  document.getElementById('root').replaceChildren(`${entries.length} items`, list);
  return entries.length;
}

function request(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** Each state is in two parts, which are one value. */
async function statesIn(database, range) {
  const transaction = database.transaction(['sessions', 'outboxes']);
  const [confirmed, outboxes] = await Promise.all(['sessions', 'outboxes'].map((name) => request(transaction.objectStore(name).getAll(range))));
  const rest = outboxes.flatMap(({ parts }) => parts);
  return Promise.all(confirmed.flat().map(async (part, i) => new Uint8Array(await new Blob([part, rest[i]]).arrayBuffer())));
}

Object.assign(window, {
  /** The document from where it is, until its first view has been painted. */
  async load({ hub, name, online }) {
    window.client = connect(hub, { autoConnect: online });
    window.post = window.client.open(name);
    await window.post.ready;
    if (online) await window.post.synced;
    const count = show(window.post);
    await painted();
    return count;
  },
  stored: () => window.post.stored,

  /** One edit after the other, each until it is stored; the view is not read. */
  async edit(marks) {
    const { items } = window.post;
    for (const mark of marks) {
      if (items.add === undefined) items.set(mark, mark);
      else items.add(mark);
      await window.post.stored;
    }
  },

  /** The floor: the same bytes read from IndexedDB, and decoded by the msgpack library into values of no use yet. */
  async floor({ hub, name }) {
    const database = await request(indexedDB.open(`syncline ${hub}`));
    const range = IDBKeyRange.bound([name], [name, []]);
    const held = await statesIn(database, range);
    const values = held.map((bytes) => decode(bytes, { useBigInt64: false }));
    database.close();
    return { bytes: held.reduce((sum, { length }) => sum + length, 0), values: values.length };
  },

  idle: () => new Promise((resolve) => { requestIdleCallback(resolve, { timeout: 1000 }); }),
  ready: true,
});
