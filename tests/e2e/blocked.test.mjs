/**
 * Goal:   clients whose sockets fill up at the same moment are sent whole frames, and come to the state that all have.
 * Method: eight clients stop reading together while one writes ten times what the kernel keeps for them, three times over; then they
 *         read on. Each frame and packet is looked at: what is sent to a socket that is full already loses its frame's header.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { startHub, until } from './support.mjs';

const READERS = 8;
const ROUNDS = 3;
const UPDATES = 10000;
const TAGS = Array.from({ length: 1000 }, (_, i) => `${i}-${'x'.repeat(1000)}`);

/** A client that opens the document and takes in whatever comes. */
async function join(t, hub) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  const client = { socket, position: -1, acked: 0, errors: [] };
  t.after(() => socket.terminate());
  const take = (packet) => {
    if (packet.type === 'ACK') client.acked = packet.seq;
    if (packet.type === 'SNAPSHOT') client.position = packet.position;
    if (packet.type === 'UPDATE') client.position = packet.to;
    if (packet.type === 'CHUNK') socket.send(encodePacket({ type: 'CREDIT', id: packet.id, bytes: packet.bytes.length }));
  };
  socket.on('message', (data) => decodeMessage(new Uint8Array(data)).forEach(take));
  socket.on('error', (error) => client.errors.push(error.message));
  await until(() => socket.readyState === 1, 'a socket');
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  const replica = mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes));
  socket.send(encodePacket({ type: 'OPEN', id: 1, name: 'post/1', replicas: [replica] }));
  await until(() => client.position >= 0, 'SNAPSHOT');
  return client;
}

async function write(writer, from, to) {
  for (let seq = from; seq <= to; seq++) {
    writer.socket.send(encodePacket({ type: 'DELTA', id: 1, replica: null, first: seq, last: seq, context: { position: 0, seen: [] },
      changes: new Map([[2, [false, [TAGS[seq % TAGS.length]], []]]]) }));
  }
  await until(() => writer.acked === to, 'the last ACK');
}

test('clients that stop reading together are sent whole frames', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { config: 'durability: relaxed\nlimits: {updates: 0, bytes: 0}' });
  const writer = await join(t, hub);
  const readers = await Promise.all(Array.from({ length: READERS }, () => join(t, hub)));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { socket } of readers) socket._socket.pause();
    await write(writer, round * UPDATES + 1, (round + 1) * UPDATES);
    assert.ok(readers.every(({ position }) => position < writer.position), 'none has read meanwhile');
    for (const { socket } of readers) socket._socket.resume();
    await until(() => readers.some(({ errors }) => errors.length > 0) || readers.every(({ position }) => position === writer.position),
      'the state that the writer has');
    assert.deepEqual(readers.flatMap(({ errors }) => errors), []);
  }
});
