/**
 * Goal:   a document far larger than a message arrives whole, in chunks under the receiver's credit, at both clients.
 * Method: 12,000 tags of about 60 bytes (over 700 KB, the window is 256 KiB); a fresh JavaScript client, the command line, and a
 *         client that is live on another document meanwhile.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'syncline';
import { run, startHub, until } from './support.mjs';

test('a large snapshot and a large update travel in chunks', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const tags = Array.from({ length: 12000 }, (_, i) => `tag-${String(i).padStart(5, '0')}-${'x'.repeat(50)}`);
  const clients = [1, 2, 3].map(() => connect(hub.url));
  t.after(() => clients.forEach((client) => client.close()));
  const [writer, watcher, fresh] = clients;
  const watched = watcher.open('post/big');
  const live = watcher.open('post/live');
  const big = writer.open('post/big');
  await Promise.all([big.ready, watched.ready, live.ready]);
  for (let i = 0; i < tags.length; i += 1000) {
    big.transact(() => tags.slice(i, i + 1000).forEach((tag) => big.tags.add(tag)));
  }
  await big.saved;
  live.likes.increment();
  await live.saved;
  await until(() => watched.tags.size === tags.length, 'the watcher');
  const again = fresh.open('post/big');
  await again.ready;
  assert.deepEqual(again.tags.value, tags);
  const { stdout, code } = await run('syncline', ['--hub', hub.url, 'get', 'post/big', 'tags']);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), tags);
  watcher.disconnect();
  big.tags.clear();
  big.tags.add('last');
  await big.saved;
  watcher.reconnect(); // what it must un-show comes from the removal log, as one large update, or as a snapshot
  await until(() => watched.tags.value.join() === 'last', 'the watcher that was away');
});

test('what was edited offline may be more than a message', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const clients = [1, 2].map(() => connect(hub.url));
  t.after(() => clients.forEach((client) => client.close()));
  const [doc, seen] = clients.map((client) => client.open('post/big'));
  await Promise.all([doc.ready, seen.ready]);
  clients[0].disconnect();
  doc.transact(() => {
    for (let i = 0; i < 400; i++) doc.tags.add(`${i} ${'long '.repeat(800)}`);
  });
  for (let i = 0; i < 20000; i++) doc.tags.add(`a short one, of many ${i}`);
  doc.likes.increment();
  clients[0].reconnect();
  await doc.saved;
  await until(() => seen.tags.size === 20400 && seen.likes.value === 1, 'the other has it all');
});

test('what the command line keeps offline may be more than a message, too', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const store = `${hub.dir}/my.db`;
  const words = ['--hub', hub.url, '--store', store];
  assert.equal((await run('syncline', [...words, 'get', 'post/big'])).code, 0); // it learns the schema
  const lines = Array.from({ length: 30000 }, (_, i) => `add tags ${'a-tag-of-some-length-'.repeat(3)}${i}`);
  const input = `${lines.join('\n')}\nincrement likes\n`;
  assert.equal((await run('syncline', [...words, '--offline', 'batch', 'post/big'], { input })).code, 0);
  const { code, stderr } = await run('syncline', [...words, '--timeout', '60', 'sync']);
  assert.equal(code, 0, stderr);
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/big');
  await doc.synced;
  assert.deepEqual([doc.tags.size, doc.likes.value], [30000, 1]);
});

test('an edit that no message can hold is the app’s again, and the rest is sent', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter, text: mv-register, tags: or-set}', config: 'limits: {message_bytes: 16 KiB}' });
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.synced;
  const rejected = [];
  doc.on('rejected', ({ code, text, edits }) => rejected.push([code, text, edits.text.set.length]));
  doc.likes.increment();
  doc.text.set('x'.repeat(20000));
  await doc.saved;
  assert.deepEqual(rejected, [['TOO_LONG', 'The hub takes no update of more than 16352 bytes (its limits.message_bytes).', 20000]]);
  assert.deepEqual(doc.value, { likes: 1, tags: [], text: [] });
  assert.equal(doc.rejected.length, 1);
  client.disconnect();
  for (let i = 0; i < 3000; i++) doc.tags.add(`a tag, of which a message holds few ${i}`);
  client.reconnect();
  await doc.saved;
  assert.equal(doc.tags.size, 3000);
  assert.equal(rejected.length, 1);
});

test('what is gathered before the first connection fits a hub that takes little', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { config: 'limits: {message_bytes: 64 KiB}' });
  const client = connect(hub.url, { autoConnect: false, schema: { post: { likes: 'g-counter', stock: 'pn-counter', tags: 'or-set' } } });
  t.after(() => client.close());
  const doc = client.open('post/1');
  for (let i = 0; i < 3000; i++) doc.tags.add(`a tag, of which a message holds few ${i}`);
  client.reconnect();
  await doc.synced;
  assert.deepEqual(doc.rejected, []);
  assert.equal(doc.tags.size, 3000);
});
