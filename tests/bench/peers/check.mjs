/**
 * Goal:   what `messages.mjs` says of the peers is so: their own clients would send the same bytes, and a reader who goes by the
 *         table sees every edit once, whoever wrote it, merged or not.
 * Method: each server as it is measured, raw WebSocket clients that play `messages.mjs` and listen with `read.mjs`; the oracles are
 *         a Yjs document that applies what came, and the peer's own client.
 *
 * node check.mjs
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HocuspocusProvider } from '@hocuspocus/provider';
import Database from 'better-sqlite3';
import { createDecoder, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding';
import { WebSocket, WebSocketServer } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { CLIENT, peers } from './messages.mjs';
import { read } from './read.mjs';

const DOCUMENT = 'post1';
const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const same = (messages) => messages.map((message) => Buffer.from(message).toString('hex'));

async function until(holds, what) {
  for (const deadline = Date.now() + 20000; !holds(); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`still waiting until ${what}`);
  }
}

async function start(t, name, ...args) {
  const program = new URL(`${name}.mjs`, import.meta.url).pathname;
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
  };
  t.after(() => stop('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  return { name, url: `ws://127.0.0.1:${JSON.parse(line).port}`, stop };
}

/** A client that has joined, with all that it was sent since: its edits by writer, its confirmations. */
async function connect(t, { name, url }) {
  const peer = peers[name];
  const socket = new WebSocket(url + peer.path(DOCUMENT), peer.subprotocol);
  const client = { messages: [], edits: new Map(), ready: name === 'ws', confirmed: 0, send: (message) => socket.send(message) };
  t.after(() => socket.terminate());
  socket.on('message', (bytes, binary) => {
    assert.ok(binary);
    const found = read[name](bytes);
    if (found.type === 'ready') client.ready = true;
    if (found.type === 'confirmed') client.confirmed += 1;
    if (found.type === 'update') client.messages.push(bytes);
    for (const { writer, first, count } of found.runs ?? []) {
      const edits = client.edits.get(writer) ?? [];
      edits.push(...numbers(count).map((i) => first + i));
      client.edits.set(writer, edits);
    }
  });
  await once(socket, 'open');
  peer.join(DOCUMENT).forEach(client.send);
  await until(() => client.ready, 'a client has joined');
  return client;
}

const editsOf = (client) => [...client.edits.values()].reduce((sum, edits) => sum + edits.length, 0);
const receive = (clients, count) => until(() => clients.every((client) => editsOf(client) >= count), `all have ${count} edits`);

/** What the messages' updates make of an empty document. */
function documentOf(name, messages) {
  const doc = new Y.Doc();
  for (const message of messages) {
    const decoder = createDecoder(message);
    if (name === 'hocuspocus') readVarString(decoder);
    assert.deepEqual([readVarUint(decoder), readVarUint(decoder)], [0, 2]);
    Y.applyUpdate(doc, readVarUint8Array(decoder));
  }
  return doc;
}

/** The peer's own client; answers how it ends. */
function openProvider(name, url, doc) {
  const provider = name === 'hocuspocus'
    ? new HocuspocusProvider({ url, name: DOCUMENT, document: doc, token: 'token', WebSocketPolyfill: WebSocket })
    : new WebsocketProvider(url, DOCUMENT, doc, { WebSocketPolyfill: WebSocket, disableBc: true });
  return () => {
    provider.destroy();
    doc.destroy(); // ends the clock of its awareness
  };
}

async function checkProvider({ name, url }, entries) {
  const doc = new Y.Doc();
  const close = openProvider(name, url, doc);
  try {
    await until(() => doc.getMap('map').size === entries, 'its own client has all entries');
  } finally {
    close(); // before its server ends: it would look for it again
  }
  return doc;
}

const servers = [['ws'], ['y-websocket'], ['hocuspocus']];
const yjsServers = servers.slice(1);

for (const [name] of servers) {
  test(`${name}: each subscriber gets each of 100 updates once`, async (t) => {
    const server = await start(t, name);
    const [writer, ...others] = await Promise.all(numbers(3).map(() => connect(t, server)));
    peers[name].updates(DOCUMENT, 0, 100).forEach(writer.send);
    await receive(others, 100);
    for (const { edits, messages } of others) {
      assert.deepEqual([...edits], [[0, numbers(100)]]);
      if (name !== 'hocuspocus') assert.equal(messages.length, 100);
    }
    t.diagnostic(`100 updates came in ${others[0].messages.length} messages`);
    if (name === 'ws') {
      assert.equal(editsOf(writer), 0);
      return;
    }
    await receive([writer], 100);
    assert.deepEqual([...writer.edits], [[0, numbers(100)]]);
    if (name === 'hocuspocus') await until(() => writer.confirmed === 100, 'all is confirmed');
    for (const { messages } of others) {
      const map = documentOf(name, messages).getMap('map');
      assert.deepEqual([map.size, map.get('0.99')], [100, 'edit000099']);
    }
    await checkProvider(server, 100);
    assert.deepEqual([...(await connect(t, server)).edits], [[0, numbers(100)]]);
  });
}

for (const [name] of yjsServers) {
  test(`${name}: edits are counted whoever wrote them, merged or not`, async (t) => {
    const server = await start(t, name);
    const clients = await Promise.all(numbers(10).map(() => connect(t, server)));
    const plans = clients.map((_, writer) => [
      ...peers[name].updates(DOCUMENT, writer, 20, writer % 2 === 0 ? { edits: 5 } : { kind: 'counter', edits: 1 + writer }),
    ]);
    const counts = clients.map((_, writer) => 20 * (writer % 2 === 0 ? 5 : 1 + writer));
    for (const i of numbers(20)) clients.forEach((client, writer) => client.send(plans[writer][i]));
    await receive(clients, counts.reduce((sum, count) => sum + count));
    for (const { edits, messages } of clients) {
      assert.deepEqual([...edits].sort(([a], [b]) => a - b), counts.map((count, writer) => [writer, numbers(count)]));
      const doc = documentOf(name, messages);
      assert.equal(doc.getMap('map').size, 500);
      assert.deepEqual(doc.getMap('counter').toJSON(), Object.fromEntries([1, 3, 5, 7, 9].map((writer) => [writer, counts[writer]])));
      assert.equal(Buffer.concat(messages).toString('latin1').split('edit').length - 1, 500);
    }
    const doc = await checkProvider(server, 500);
    assert.equal(doc.getMap('counter').get('9'), 200);
  });

  test(`${name}: its own client sends the same messages`, async (t) => {
    const recorder = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    t.after(() => recorder.close());
    await once(recorder, 'listening');
    const connected = once(recorder, 'connection');
    const doc = new Y.Doc();
    doc.clientID = CLIENT + 7;
    t.after(openProvider(name, `ws://127.0.0.1:${recorder.address().port}`, doc));
    const [socket, request] = await connected;
    const sent = [];
    socket.on('message', (bytes) => sent.push(bytes));
    const joined = peers[name].join(DOCUMENT);
    await until(() => sent.length > joined.length, 'the client has joined'); // and told its awareness
    for (const i of numbers(3)) doc.getMap('map').set(`7.${i}`, `edit00000${i}`);
    await until(() => sent.length === joined.length + 4, 'the client has sent its edits');
    assert.equal(request.url, peers[name].path(DOCUMENT));
    assert.deepEqual(same(sent.toSpliced(joined.length, 1)), same([...joined, ...peers[name].updates(DOCUMENT, 7, 3)]));
  });
}

test('hocuspocus with SQLite: confirms at once and stores later', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'peers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'documents.sqlite');
  const stored = () => {
    const database = new Database(file, { readonly: true });
    const row = database.prepare('SELECT data FROM documents WHERE name = ?').get(DOCUMENT);
    database.close();
    const doc = new Y.Doc();
    if (row !== undefined) Y.applyUpdate(doc, row.data);
    return doc.getMap('map').size;
  };

  const server = await start(t, 'hocuspocus', file);
  const writer = await connect(t, server);
  peers.hocuspocus.updates(DOCUMENT, 0, 100).forEach(writer.send);
  await until(() => writer.confirmed === 100, 'all is confirmed');
  assert.equal(stored(), 0);
  const confirmed = Date.now();
  await until(() => stored() === 100, 'all is stored');
  t.diagnostic(`stored ${Date.now() - confirmed} ms after it was confirmed`);

  await server.stop('SIGKILL');
  const next = await start(t, 'hocuspocus', file);
  const other = await connect(t, next);
  assert.deepEqual(new Set(other.edits.get(0)), new Set(numbers(100)));
  peers.hocuspocus.updates(DOCUMENT, 1, 100).forEach(other.send);
  await until(() => other.confirmed === 100, 'all is confirmed');
  await next.stop('SIGTERM');
  assert.equal(stored(), 200);
});
