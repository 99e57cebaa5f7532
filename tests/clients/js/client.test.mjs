/**
 * Goal:   the client connects, waits and comes back as it should, however the hub and the app behave.
 * Method: a socket that the test answers itself, and time that the test turns; nothing real is waited for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { connect } from '../../../clients/js/dist/index.js';
import { start, turn } from './played.mjs';

test('what a read-only hub refused is sent again when it said, once, with what was edited meanwhile', async (t) => {
  const { client, last, wait } = start(t);
  const doc = client.open('post/1');
  await turn();
  await last().welcome();
  const id = await last().answerOpen();
  for (let i = 0; i < 3; i++) {
    doc.likes.increment();
    await turn();
  }
  assert.equal(last().take('DELTA').length, 3);
  for (let i = 0; i < 3; i++) last().hub({ type: 'ERROR', id, code: 'READ_ONLY', text: '', details: { retry_ms: 700 } });
  doc.likes.increment();
  await wait(699);
  assert.deepEqual(last().take('DELTA'), []);
  await wait(1);
  assert.deepEqual(last().take('DELTA').map(({ first }) => first), [1, 2, 3, 4]);
  await wait(5000);
  assert.deepEqual(last().take('DELTA'), []);
});

test('a document that was refused for now is opened once, though the connection came back first', async (t) => {
  const { client, last, wait } = start(t);
  client.open('post/1');
  await turn();
  await last().welcome();
  const [{ id }] = last().take('OPEN');
  last().hub({ type: 'ERROR', id, code: 'BUSY', text: '', details: { retry_ms: 2000 } });
  last().onclose({});
  await wait(250);
  await last().welcome();
  await last().answerOpen();
  await wait(5000);
  assert.deepEqual(last().take('OPEN'), []);
});

test('a hub that welcomes and then drops is met ever more rarely', async (t) => {
  const { sockets, last, wait } = start(t);
  await turn();
  for (const ms of [249, 499, 999, 1999]) {
    await last().welcome();
    last().onclose({});
    const before = sockets.length;
    await wait(ms - 1);
    assert.equal(sockets.length, before, `not before ${ms} ms`);
    await wait(1);
    assert.equal(sockets.length, before + 1, `after ${ms} ms`);
  }
});

test('a connection that held makes the next wait short again', async (t) => {
  const { sockets, last, wait } = start(t);
  await turn();
  for (const ms of [249, 499, 999]) {
    last().onclose({});
    await wait(ms);
  }
  await last().welcome();
  await wait(10000);
  last().onclose({});
  const before = sockets.length;
  await wait(249);
  assert.equal(sockets.length, before + 1);
});

test('a token that fails late changes nothing for a client closed or connected meanwhile', async (t) => {
  const waiting = [];
  const { client, sockets, wait, last } = start(t, { token: () => new Promise((yes, no) => waiting.push({ yes, no })) });
  const errors = [];
  client.on('error', ({ text }) => errors.push(text));
  await turn();
  client.disconnect();
  client.reconnect();
  await turn();
  waiting[1].yes('fresh');
  await turn();
  await last().welcome();
  waiting[0].no(new Error('too late'));
  await wait(20000);
  assert.equal(client.status, 'online');
  assert.equal(sockets.length, 1);
  last().onclose({});
  await wait(249);
  client.close();
  waiting[2].no(new Error('later still'));
  await wait(20000);
  assert.equal(client.status, 'closed');
  assert.equal(sockets.length, 1);
  assert.deepEqual(errors, []);
});

test('a token that came late is not used beside a newer one', async (t) => {
  const waiting = [];
  const { client, sockets, wait, last } = start(t, { token: () => new Promise((yes) => waiting.push(yes)) });
  await turn();
  client.disconnect();
  client.reconnect();
  await turn();
  waiting[1]('new');
  await turn();
  await last().welcome();
  last().onclose({});
  await wait(249);
  waiting[0]('old');
  waiting[2]('newest');
  await turn();
  assert.equal(sockets.length, 2);
});

test('a closed client stays closed', async (t) => {
  const { client, sockets, wait } = start(t);
  await turn();
  client.close();
  client.disconnect();
  client.reconnect();
  await wait(20000);
  assert.equal(client.status, 'closed');
  assert.equal(sockets.length, 1);
});

test('an app may close the client when it hears bad news', async (t) => {
  for (const event of ['status', 'error']) {
    const { client, sockets, wait, last, giveBack } = start(t);
    await turn();
    await last().welcome();
    client.on(event, () => client.close());
    last().onmessage({ data: 'text' });
    await wait(20000);
    assert.equal(client.status, 'closed', event);
    assert.equal(sockets.length, 1, event);
    giveBack();
  }
});

test('a session that goes on under a fresh replica opens its stream again, once', async (t) => {
  const { client, last, wait } = start(t);
  const doc = client.open('post/1');
  await turn();
  await last().welcome();
  const id = await last().answerOpen();
  doc.likes.increment();
  await turn();
  const [{ last: seq }] = last().take('DELTA');
  last().hub({ type: 'REJECT', id, replica: null, seq, code: 'REPLICA_EXPIRED', text: '', details: {} });
  await turn();
  assert.deepEqual(last().take('CLOSE').map((packet) => packet.id), [id]);
  await last().answerOpen();
  doc.likes.increment();
  await wait(20000);
  assert.equal(last().take('DELTA').length, 1);
  assert.deepEqual(last().take('OPEN'), []);
  assert.equal(doc.likes.value, 1);
});

test('where there is no Web Crypto, connecting says at once what to do', (t) => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  t.after(() => Object.defineProperty(globalThis, 'crypto', kept));
  Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true });
  let client;
  t.after(() => client?.close());
  assert.throws(() => { client = connect('ws://hub.test/', { WebSocket: class {} }); }, /no Web Crypto.*Node\.js 20 or newer/);
});

test('one that is not to connect waits until it is told to', async (t) => {
  const { client, sockets, wait } = start(t, { autoConnect: false });
  await wait(60000);
  assert.equal(sockets.length, 0);
  assert.equal(client.status, 'offline');
  client.reconnect();
  await turn();
  assert.equal(sockets.length, 1);
  assert.equal(client.status, 'connecting');
});

test('the client tells what is open and how much of it waits', async (t) => {
  const { client, sockets } = start(t, { schema: { post: { likes: 'g-counter' } } });
  const told = [];
  client.on('pending', (count) => told.push(count));
  assert.deepEqual(client.documents, []);
  const [one, two] = [client.open('post/1'), client.open('post/2')];
  assert.deepEqual(client.documents, [one, two]);
  one.likes.increment();
  two.likes.increment();
  assert.equal(client.pending, 2);
  two.close();
  assert.equal(client.pending, 1);
  await turn();
  await sockets[0].welcome();
  const id = await sockets[0].answerOpen();
  sockets[0].hub({ type: 'ACK', id, replica: null, seq: 1, position: 1, index: 0 });
  sockets[0].hub({ type: 'UPDATE', id, from: 0, to: 1, fields: { 0: 1 } });
  assert.equal(client.pending, 0);
  assert.deepEqual(told, [1, 2, 1, 0]);
});

test('a document that is closed twice leaves the next of its name open', async (t) => {
  const { client, sockets } = start(t);
  await turn();
  await sockets[0].welcome();
  const first = client.open('post/1');
  first.close();
  const second = client.open('post/1');
  assert.notEqual(second, first);
  first.close();
  assert.equal(client.open('post/1'), second);
  assert.equal(sockets[0].take('CLOSE').length, 1);
});

test('a client that is closed while its socket is made hears nothing of what becomes of it', async () => {
  let client;
  const made = [];
  class ClosingSocket extends WebSocket {
    constructor(...args) {
      super(...args);
      made.push(this);
      client.close();
    }
  }
  client = connect('ws://127.0.0.1:9/', { WebSocket: ClosingSocket }); // nobody listens there
  while (made.length === 0 || made[0].readyState !== 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(client.status, 'closed');
});
