/**
 * Goal:   tabs that share a connection are to the hub one client with one stream for each document, and to each other and everybody
 *         else what clients of their own would be: they converge, and every edit counts once, whoever comes, goes or dies.
 * Method: the relay and its lines as they are, in one process over MessageChannels, with a real hub that is killed now and then.
 */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from 'syncline';
import { encodePacket } from 'syncline/internal/protocol/every';
import { concatenate } from 'syncline/internal/protocol/values';
import { socketOver } from 'syncline/internal/share/line';
import { createRelay } from 'syncline/internal/share/relay';
import { dial } from 'syncline/internal/transport/websocket';
import { health, sleep, startHub, until } from './support.mjs';

globalThis.crypto ??= webcrypto;

/** Tabs of one browser: `open()` makes one, `crash()` of it ends it without a word, `fail()` ends the relay. */
function browser(t, hub) {
  const clients = new Set();
  let dials = 0;
  const make = () => createRelay({
    dial() {
      dials += 1;
      return dial(hub.url);
    },
    now: Date.now, random: () => 0.999, here() {},
  });
  let relay = make();
  t.after(() => {
    for (const client of clients) client.close();
    relay.close();
  });

  function open(options = {}) {
    let crash = () => {};
    function Socket() {
      const { port1, port2 } = new MessageChannel();
      const attached = relay.attach({
        send: (bytes) => port2.postMessage({ type: 'packets', bytes }),
        closed: (code, reason) => port2.postMessage({ type: 'closed', code, reason }),
      });
      port2.onmessage = ({ data }) => (data.type === 'packets' ? attached.receive(data.bytes) : attached.gone());
      port2.postMessage({ type: 'open', life: '' });
      crash = () => { attached.gone(); port1.close(); };
      return socketOver(port1);
    }
    const client = connect(hub.url, { WebSocket: Socket, store: 'memory', ...options });
    clients.add(client);
    client.crash = () => { crash(); clients.delete(client); client.close(); };
    return client;
  }
  return { open, attach: (tab) => relay.attach(tab), fail() { relay.close(); relay = make(); }, dials: () => dials };
}

const streams = async (hub) => (({ connections, streams: count }) => `${connections} ${count}`)(await health(hub));

test('fifty tabs are one connection and one stream for each document', async (t) => {
  const hub = await startHub(t);
  const { open } = browser(t, hub);
  const tabs = Array.from({ length: 50 }, () => open());
  const posts = tabs.map((tab) => ['post/1', 'post/2'].map((name) => tab.open(name)));
  await Promise.all(posts.flat().map(({ synced }) => synced));
  for (const [one, two] of posts) {
    one.likes.increment();
    two.tags.add('tag');
  }
  await Promise.all(posts.flat().map(({ saved }) => saved));
  await until(() => posts.every(([one, two]) => one.likes.value === 50 && two.tags.size === 1), 'all see all');
  assert.equal(await streams(hub), '1 2');
  for (const tab of tabs.slice(1)) tab.close();
  posts[0][0].likes.increment();
  await posts[0][0].saved;
  assert.equal(posts[0][0].likes.value, 51);
  tabs[0].close();
  await until(async () => (await streams(hub)) === '0 0', 'the connection ends with the last tab');
});

test('a tab that comes late has what the others have, and theirs goes on', async (t) => {
  const hub = await startHub(t);
  const { open } = browser(t, hub);
  const first = open().open('post/1');
  await first.synced;
  for (let i = 0; i < 3000; i++) first.tags.add(`a long tag, so that the document travels in pieces ${i}`);
  await first.saved;
  let changes = 0;
  first.on('change', () => { changes += 1; });
  const late = open().open('post/1');
  late.likes;
  await late.synced;
  assert.equal(late.tags.size, 3000);
  first.likes.increment();
  late.likes.increment(2);
  await Promise.all([first.saved, late.saved]);
  await until(() => first.likes.value === 3 && late.likes.value === 3, 'both count');
  assert.equal(await streams(hub), '1 1');
  assert.equal(first.tags.size, 3000);
  assert.ok(changes > 0);
});

test('one browser is one peer, whose last word counts', async (t) => {
  const hub = await startHub(t);
  const { open } = browser(t, hub);
  const alone = connect(hub.url, { share: false });
  t.after(() => alone.close());
  const seen = alone.open('post/1').presence;
  seen.subscribe(() => {});
  const [one, two] = [open(), open()];
  one.open('post/1').presence.set('one');
  await until(() => seen.peers.length === 1 && seen.peers[0].data === 'one', 'one is seen');
  two.open('post/1').presence.set('two');
  await until(() => seen.peers.length === 1 && seen.peers[0].data === 'two', 'two speaks for both');
  alone.open('post/1').presence.set('I');
  await until(() => one.open('post/1').presence.peers.map(({ data }) => data).join() === 'I', 'who is elsewhere is seen');
  two.close();
  await until(() => seen.peers.length === 1 && seen.peers[0].data === 'one', 'one speaks again');
  one.close();
  await until(() => seen.peers.length === 0, 'nobody is there');
});

test('a rejected edit is told to the tab that made it', async (t) => {
  const hub = await startHub(t, { schemas: 'shop: {stock: {type: bounded-counter, min: 0, max: 5}}' });
  const { open } = browser(t, hub);
  const docs = [open(), open(), open()].map((tab) => tab.open('shop/1'));
  await Promise.all(docs.map(({ synced }) => synced));
  const told = docs.map(() => []);
  docs.forEach((doc, i) => doc.on('rejected', ({ code }) => told[i].push(code)));
  docs[1].stock.increment(4);
  await docs[1].saved;
  await until(() => docs.every(({ stock }) => stock.value === 4), 'all see four');
  docs[0].stock.decrement(3);
  docs[2].stock.decrement(3);
  await Promise.all(docs.map(({ saved }) => saved));
  await until(() => docs.every(({ stock }) => stock.value === 1), 'all see one');
  assert.deepEqual([told[0].length + told[2].length, told[1].length], [1, 0]);
});

test('a hub that is gone is dialled by many tabs as rarely as by one', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const { open, dials } = browser(t, hub);
  const tabs = Array.from({ length: 20 }, () => open());
  await until(() => tabs.every(({ status }) => status === 'online'), 'online');
  assert.equal(dials(), 1);
  await hub.kill();
  await sleep(5000);
  assert.ok(dials() > 2 && dials() < 9, `${dials()} dials`); // after 0.25, 0.75, 1.75 and 3.75 s, if there was always a tab that wanted it
  await hub.start();
  await until(() => tabs.every(({ status }) => status === 'online'), 'all are back');
});

test('calls are answered to who asked', async (t) => {
  const hub = await startHub(t);
  const { open } = browser(t, hub);
  const tabs = [open(), open()];
  await until(() => tabs.every(({ status }) => status === 'online'), 'online');
  const answers = await Promise.all(tabs.map((tab) => tab.call('schema')));
  for (const answer of answers) assert.deepEqual(Object.keys(answer), ['post']);
  await assert.rejects(tabs[1].call('nonsense'), { code: 'UNKNOWN_METHOD' });
});

test('what the hub would end the connection for ends that of its tab', async (t) => {
  const hub = await startHub(t);
  const { open, attach } = browser(t, hub);
  const client = open();
  await client.open('post/1').synced;
  const statuses = [];
  client.on('status', (status) => statuses.push(status));
  assert.throws(() => client.open(`post/${'é'.repeat(200)}`), RangeError);
  await assert.rejects(client.call('schema', { long: 'x'.repeat(1 << 20) }), { code: 'TOO_LONG' });
  const hello = { type: 'HELLO', id: 0, version: 1 };
  for (const packet of [
    { type: 'OPEN', id: 1, name: `post/${'x'.repeat(5000)}`, replicas: [new Uint8Array(16).fill(0x77, 6, 7).fill(0x80, 8, 9)] },
    { type: 'CALL', id: 1, method: 'schema', parameters: { long: 'x'.repeat(1 << 20) } },
  ]) {
    const told = [];
    const tab = attach({ send() {}, closed: (...why) => told.push(...why) });
    tab.receive(concatenate([encodePacket(hello), encodePacket(packet)]));
    await until(() => told.includes(1007), 'it is told');
  }
  assert.ok(await client.call('schema'));
  assert.deepEqual(statuses, []);
});

test('values are to a tab what they are to a client of its own, at their deepest and oddest', async (t) => {
  const nested = (depth) => (depth === 0 ? '{type: or-set, of: any}' : `{type: map, of: ${nested(depth - 1)}}`);
  const hub = await startHub(t, { schemas: `post: {tags: or-set, deep: ${nested(8)}}` });
  const { open } = browser(t, hub);
  const alone = connect(hub.url, { share: false });
  t.after(() => alone.close());
  const docs = [alone, open()].map((client) => client.open('post/1'));
  await Promise.all(docs.map(({ synced }) => synced));
  const element = [[[[[[[[1]]]]]]]];
  const tags = ['\ufeffshort', `\ufeff${'long '.repeat(100)}`, `\ufeff\ufeff${'long '.repeat(100)}`];
  const deepest = (doc) => [...'abcdefgh'].reduce((map, key) => map.at(`\ufeff${key}`), doc.deep);
  for (const doc of docs) {
    deepest(doc).add(element);
    for (const tag of tags) doc.tags.add(tag);
    await doc.saved;
    await until(() => docs.every((one) => tags.every((tag) => one.tags.has(tag)) && deepest(one).has(element)), 'both see it');
    deepest(doc).delete(element);
    for (const tag of tags) doc.tags.delete(tag);
    await doc.saved;
    await until(() => docs.every((one) => one.tags.size === 0 && deepest(one).size === 0), 'both see it go');
  }
});

test('a tab that the hub refuses takes no other with it', async (t) => {
  const hub = await startHub(t);
  const { open, attach } = browser(t, hub);
  const [doc, late] = [open().open('post/1'), open()];
  await doc.synced;
  const wrong = open({ now: () => Date.now() + 3 * 86400000 }).open('post/1'); // a clock that is set to next week
  const told = [];
  wrong.on('error', ({ code }) => told.push(code));
  const tab = attach({ send() {}, closed: (...why) => told.push(...why) });
  tab.receive(concatenate([
    encodePacket({ type: 'HELLO', id: 0, version: 1 }), encodePacket({ type: 'OPEN', id: 1, name: 'post/1', replicas: [] })]));
  await until(() => told.includes('BAD_REPLICA') && told.includes(1007), 'both are told');
  const docs = [doc, late.open('post/1')];
  await docs[1].synced;
  for (const one of docs) one.likes.increment();
  await Promise.all(docs.map(({ saved }) => saved));
  await until(() => docs.every(({ likes }) => likes.value === 2), 'both count');
});

test('whoever comes, goes and dies, all that was edited counts once', async (t) => {
  const hub = await startHub(t);
  const browsers = [browser(t, hub), browser(t, hub)];
  const names = ['post/1', 'post/2', 'post/3'];
  const expected = new Map(names.map((name) => [name, { likes: 0, tags: new Set() }]));
  let seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.log(`seed ${seed}`);
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  const tabs = Array.from({ length: 8 }, (_, i) => ({ home: browsers[i % 2], client: browsers[i % 2].open() }));

  async function step(i) {
    const at = random(tabs.length);
    const tab = tabs[at];
    const name = names[random(3)];
    const doc = tab.client.open(name);
    const kind = random(20);
    if (kind < 12) {
      if (doc.fields.length === 0) return;
      doc.likes.increment();
      doc.tags.add(`tag ${i}`);
      expected.get(name).likes += 1;
      expected.get(name).tags.add(`tag ${i}`);
    } else if (kind < 14) {
      await Promise.all(tab.client.documents.map(({ saved }) => saved));
      tab.client.crash();
      tab.client = tab.home.open();
    } else if (kind < 16) {
      tab.client.disconnect();
      setTimeout(() => tab.client.reconnect(), 100 + random(200));
    } else if (kind === 16) {
      tab.home.fail();
    } else if (kind === 17 && i % 3 === 0) {
      await hub.kill();
      await hub.start();
    } else {
      await doc.saved;
      doc.close();
    }
  }

  for (let i = 0; i < 400; i++) {
    await step(i);
    if (random(3) === 0) await sleep(random(20));
  }
  for (const { client } of tabs) client.reconnect();
  const docs = tabs.flatMap(({ client }) => names.map((name) => client.open(name)));
  await until(() => docs.every((doc) => {
    const { likes, tags } = expected.get(doc.name);
    return doc.pending === 0 && doc.likes?.value === likes && doc.tags.size === tags.size;
  }), 'all converge', 40000).catch((error) => {
    const seen = docs.map(({ name, likes, tags, pending, status }) => ({ name, likes: likes?.value, tags: tags?.size, pending, status }));
    throw new Error(`${error.message} ${JSON.stringify([seen, [...expected].map(([n, e]) => [n, e.likes, e.tags.size])])}`);
  });
  await until(async () => (await streams(hub)) === '2 6', 'two connections, three streams each');
});

test('tabs follow a change of the schemas on their connection, and go on with one stream for each document', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter}' });
  const { open, dials } = browser(t, hub);
  const docs = Array.from({ length: 5 }, () => open().open('post/1'));
  await Promise.all(docs.map((doc) => doc.synced));
  let made = 0;
  const editing = setInterval(() => { for (const doc of docs) doc.likes.increment(); made += docs.length; }, 10);
  t.after(() => clearInterval(editing));
  await until(() => docs[0].likes.value > 20, 'edits');
  writeFileSync(hub.file, readFileSync(hub.file, 'utf8').replace('{likes: g-counter}', '{likes: g-counter, tags: or-set}'));
  hub.process.kill('SIGHUP');
  await until(() => docs.every((doc) => doc.fields.includes('tags')), 'the field in every tab');
  docs[0].tags.add('new');
  await until(() => docs.every((doc) => doc.tags.has('new')), 'the new field to be shared');
  clearInterval(editing);
  await Promise.all(docs.map((doc) => doc.saved));
  await until(() => docs.every((doc) => doc.likes.value === made), 'every edit, once');
  assert.equal(await streams(hub), '1 1');
  assert.equal(dials(), 1);
});
