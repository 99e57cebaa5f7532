/**
 * Goal:   what a client has stored outlives it, is taken up once, and a store that fails is told of and keeps nobody from working.
 * Method: clients without a connection over one store in memory, which the tests hold up or let fail.
 */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { connect, memoryStore, StoreError } from '../../../clients/js/dist/index.js';
import { encodeValue } from '../../../clients/js/dist/protocol/values.js';

globalThis.crypto ??= webcrypto; // Debian 12's Node.js 18 has it, but not there

const schema = { post: { likes: 'g-counter', tags: 'or-set' } };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const turn = async () => { for (let i = 0; i < 20; i++) await Promise.resolve(); };

function start(t, store) {
  const errors = [];
  const client = connect('ws://nowhere/', { schema, store, autoConnect: false });
  client.on('error', ({ code }) => errors.push(code));
  t.after(() => client.close());
  return { client, errors, post: client.open('post/1') };
}

/** Long enough for others to have been asked whether they live. */
const loaded = () => sleep(400);
const kept = async (store) => (await store.read('post/1')).length;

test('edits outlive their client, and are taken up by the next', async (t) => {
  const store = memoryStore();
  const first = start(t, store);
  first.post.likes.increment(2);
  await first.post.stored;
  first.post.tags.add('late');
  first.client.close();
  await turn();

  const second = start(t, store);
  await loaded();
  assert.deepEqual(second.post.value, { likes: 2, tags: ['late'] });
  assert.equal(second.post.pending, 2);
  await second.post.stored;
  assert.equal(await kept(store), 1, 'the first one’s entry is the second’s');
});

test('a living client keeps its edits to itself, and a dead one’s go to one', async (t) => {
  const store = memoryStore();
  const first = start(t, store);
  first.post.likes.increment(2);
  await first.post.stored;
  const second = start(t, store);
  await loaded();
  assert.equal(second.post.pending, 0);
  first.client.close();
  await turn();
  const heirs = [start(t, store), start(t, store)];
  await loaded();
  assert.deepEqual(heirs.map(({ post }) => post.pending).sort(), [0, 1]);
});

test('a document that is opened again goes on with what waited', async (t) => {
  const { client, post } = start(t, memoryStore());
  post.likes.increment(2);
  post.close();
  const again = client.open('post/1');
  again.likes.increment(3);
  await loaded();
  assert.deepEqual([again.likes.value, again.pending], [5, 2]);
});

test('edits of one task are one write, which begins in it; those made during a write are one more', async (t) => {
  const inner = memoryStore();
  const writes = [];
  const store = {
    ...inner,
    write: (...args) => new Promise((resolve) => writes.push(() => resolve(inner.write(...args)))),
  };
  const { post } = start(t, store);
  await turn();
  for (let i = 0; i < 100; i++) post.likes.increment();
  await turn();
  assert.equal(writes.length, 1);
  let isStored = false;
  for (let i = 0; i < 100; i++) post.likes.increment();
  void post.stored.then(() => { isStored = true; });
  await turn();
  assert.equal(writes.length, 1);
  writes[0]();
  await turn();
  assert.deepEqual([writes.length, isStored], [2, false]);
  writes[1]();
  await turn();
  assert.deepEqual([writes.length, isStored], [2, true]);
});

test('a write that fails is told once, and the next one has it all', async (t) => {
  const inner = memoryStore();
  let full = true;
  const store = { ...inner, write: async (...args) => (full ? Promise.reject(new StoreError('STORE_FULL', 'full')) : inner.write(...args)) };
  const { client, errors, post } = start(t, store);
  await turn();
  post.likes.increment(2);
  await assert.rejects(post.stored, { code: 'STORE_FULL' });
  post.likes.increment();
  await assert.rejects(post.stored, { code: 'STORE_FULL' });
  assert.deepEqual(errors, ['STORE_FULL']);
  full = false;
  await post.stored;
  client.close();
  await turn();
  const next = start(t, inner);
  await loaded();
  assert.equal(next.post.likes.value, 3);
});

test('what a later client has stored stays, and is no hindrance', async (t) => {
  const store = memoryStore();
  await store.write('post/1', 'later', { confirmed: encodeValue([2, 'anything']), outbox: new Uint8Array(), waits: true });
  const { errors, post } = start(t, store);
  await loaded();
  post.likes.increment();
  await post.stored;
  assert.deepEqual(errors, ['STORE_VERSION']);
  assert.equal(await kept(store), 2);
});

test('a store that cannot be read is told of, and not written over', async (t) => {
  const inner = memoryStore();
  let writes = 0;
  const store = { ...inner, read: async () => { throw new Error('broken'); }, write: async () => { writes += 1; } };
  const { errors, post } = start(t, store);
  await turn();
  post.likes.increment();
  await assert.rejects(post.stored, { code: 'STORE_FAILED' });
  assert.deepEqual([errors, writes, post.likes.value], [['STORE_FAILED'], 0, 1]);
});

test('a store that is long in coming is told of, and what it brings then is adopted', async (t) => {
  const inner = memoryStore();
  const first = start(t, inner);
  first.post.likes.increment(2);
  await first.post.stored;
  first.client.close();
  await turn();
  let come = () => {};
  const late = new Promise((resolve) => { come = resolve; });
  const { errors, post } = start(t, { ...inner, read: async (document) => { await late; return inner.read(document); } });
  post.likes.increment(3);
  await sleep(3200);
  assert.deepEqual([errors, post.likes.value], [['STORE_FAILED'], 3]);
  come();
  await loaded();
  assert.deepEqual([post.likes.value, post.pending], [5, 2]);
  await post.stored;
  assert.equal(await kept(inner), 1);
});

test('an edit writes what was confirmed only if that has changed, and what waits is known without reading it', async (t) => {
  const inner = memoryStore();
  const same = [];
  const store = { ...inner, write: (document, session, state) => { same.push(state.isSameConfirmed); return inner.write(document, session, state); } };
  const { post } = start(t, store);
  await turn();
  for (let i = 0; i < 3; i++) {
    post.likes.increment();
    await post.stored;
  }
  assert.deepEqual(same, [false, true, true]);
  assert.deepEqual((await inner.waiting()).map(({ document }) => document), ['post/1']);
});

test('without a store nothing is waited for', async (t) => {
  const { post } = start(t, 'memory');
  post.likes.increment();
  await post.stored;
  assert.equal(post.pending, 1);
});
