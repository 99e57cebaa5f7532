/**
 * Goal:   a client that stops reading for a minute costs the hub a cursor, not a backlog, and then has the converged state.
 * Method: a client whose TCP window closes, while 100,000 updates pass. One that reads shows that they are many times what
 *         the kernel keeps for a peer; the hub's memory is watched all the while. It has its own file since it takes a minute.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { bin, sleep, startHub, until } from './support.mjs';

const MINUTE_MS = 60000;
const UPDATES = 100000;
const WARM_UP = 50000;
const PORTION = 100;
const TAGS = Array.from({ length: 48 }, (_, i) => `${i}-${'x'.repeat(1000)}`);

/** Sends portions of updates, one DELTA for each: a like, and one of the tags again, so the document stays as large as it is. */
async function writerOf(t, hub) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  t.after(() => socket.terminate());
  let seq = 0;
  let acked = 0;
  let opened = false;
  socket.on('message', (data) => {
    for (const packet of decodeMessage(new Uint8Array(data))) {
      if (packet.type === 'OPENED') opened = true;
      if (packet.type === 'ACK') acked = packet.seq;
    }
  });
  await until(() => socket.readyState === 1, 'the writer');
  const replica = mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes));
  socket.send(Buffer.concat([encodePacket({ type: 'HELLO', id: 0, version: 1 }), encodePacket({ type: 'OPEN', id: 1, name: 'post/1', replicas: [replica] })]));
  await until(() => opened, 'OPENED');
  return async () => {
    const packets = [];
    for (let i = 0; i < PORTION; i++) {
      seq += 1;
      packets.push(encodePacket({ type: 'DELTA', id: 1, replica: null, first: seq, last: seq, context: { position: 0, seen: [] },
        changes: new Map([[0, seq], [2, [false, [TAGS[seq % TAGS.length]], []]]]) }));
    }
    socket.send(Buffer.concat(packets));
    await until(() => acked === seq, 'the ACK');
  };
}

test('a client that stops reading for a minute costs less than 1 MiB, and then has the converged state', { timeout: 300000 }, async (t) => {
  // With the default ping it would be cut off as silent, which costs nothing at all: here it stays.
  const hub = await startHub(t, { config: 'ping: 5m\nlimits: {updates: 0, bytes: 0}' });
  const sockets = [];
  class SlowSocket extends WebSocket {
    constructor(...args) { super(...args); sockets.push(this); }
  }
  let passed = 0;
  class CountingSocket extends WebSocket {
    constructor(...args) { super(...args); this.on('message', (data) => { passed += data.byteLength; }); }
  }
  const [slow, quick] = [SlowSocket, CountingSocket].map((Socket) => {
    const client = connect(hub.url, { WebSocket: Socket });
    t.after(() => client.close());
    return client.open('post/1');
  });
  await Promise.all([slow.ready, quick.ready]);
  const update = await writerOf(t, hub);
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.process.pid}/status`, 'utf8'))[1]) * 1024;

  for (let i = 0; i < WARM_UP; i += PORTION) await update(); // what updates take anyway is there before the measurement
  await until(() => slow.likes.value === WARM_UP, 'the state before');
  sockets[0]._socket.pause();
  const before = memory();
  let most = before;
  passed = 0;
  const start = Date.now();
  for (let i = PORTION; i <= UPDATES; i += PORTION) {
    await update();
    most = Math.max(most, memory());
    await sleep(start + (MINUTE_MS * i) / UPDATES - Date.now());
  }
  t.diagnostic(`${Date.now() - start} ms, the others were sent ${passed} bytes, the hub grew by ${most - before}`);
  assert.ok(Date.now() - start >= MINUTE_MS - 100);
  assert.ok(passed > 32 << 20, `${passed} bytes say nothing: the kernel may keep them all`);
  // A sanitizer keeps freed memory on purpose, so what it holds says nothing.
  assert.ok(most - before < 1 << 20 || bin.includes('/asan/'), `the hub grew by ${most - before} bytes`);
  assert.ok(slow.likes.value < WARM_UP + UPDATES, `the client had stopped reading, and shows ${slow.likes.value}`);
  sockets[0]._socket.resume();
  await until(() => slow.likes.value === WARM_UP + UPDATES, 'the converged state');
  await until(() => quick.likes.value === WARM_UP + UPDATES, 'the state of who read on');
  assert.deepEqual(slow.value, quick.value);
  assert.equal(sockets.length, 1, 'it was never cut off');
});
