/**
 * Goal:   what many connections do together has a bound, and nobody who behaves pays for it (`./dev abuse` plays it in full).
 * Method: a hub with narrow limits, abusers over raw sockets, its own figures at /health, and a bystander whose edits must arrive.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodePacket } from 'syncline/internal/protocol/every';
import { bystander } from './bystander.mjs';
import { Peer, descriptors, frame, hello, hubFor, ping } from './socket.mjs';
import { bin, health, sleep, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';

const KIB = 1024;
const MIB = 1 << 20;
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

async function greet(peer) {
  await peer.upgraded();
  peer.write(frame(hello));
  await peer.messages(1);
  return peer;
}

test('of those who do not finish their handshake the oldest gives way', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t, { config: 'limits: {handshakes: 16}' });
  const { client, works } = await bystander(t, hub);
  const peers = [];
  for (let i = 0; i < 40; i++) {
    const peer = new Peer(hub);
    if (i % 2 === 0) peer.write('GET / HTTP/1.1\r\nHost: x\r\n');
    peers.push(peer);
    await sleep(5);
  }
  await until(() => peers.slice(0, 20).every((peer) => peer.ended), 'the oldest to be closed', 5000);
  assert.ok(peers.slice(-12).every((peer) => !peer.ended), 'the newest are still there');
  await works();
  const other = await greet(new Peer(hub)); // a newcomer finds room
  const { handshakes, handshakes_cut } = await health(hub);
  assert.ok(handshakes <= 16 && handshakes_cut >= 24, `${handshakes} handshakes, ${handshakes_cut} cut`);
  for (const peer of [...peers, other]) peer.socket.destroy();
  client.close();
  await hub.endsWell();
});

test('of those whom the hub refuses, and who do not leave, the oldest gives way', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { config: 'limits: {connections: 20, handshakes: 16}' });
  const { client, works } = await bystander(t, hub);
  const taken = [];
  while (taken.length < 19) taken.push(await greet(new Peer(hub)));
  const refused = [];
  while (refused.length < 160) { // the hub may have 136 files
    const peers = times(8, () => new Peer(hub));
    for (const peer of peers) peer.write(peer.request());
    await until(() => peers.every(({ code }) => code === 1013), 'each to be told');
    refused.push(...peers);
  }
  const { connections, handshakes, handshakes_cut } = await health(hub);
  assert.equal(connections, 20);
  assert.ok(handshakes <= 16 && handshakes_cut >= 144, `${handshakes} handshakes, ${handshakes_cut} cut`);
  const files = descriptors(hub);
  assert.ok(files <= 20 + 16 + 50, `${files} files`);
  assert.ok(taken.every(({ ended }) => !ended), 'who is in stays');
  await works();
  for (const peer of [...taken, ...refused]) peer.socket.destroy();
  await until(async () => (await health(hub)).handshakes <= 2, 'the refused to be forgotten'); // those who ask are some
  client.close();
  await hub.endsWell();
});

test('messages that do not end give way to others', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t, { config: 'limits: {message_bytes: 1 MiB, buffers: 2 MiB}' });
  const { client, works } = await bystander(t, hub);
  const peers = await Promise.all(times(12, () => greet(new Peer(hub))));
  for (const peer of peers) {
    peer.write(frame(Buffer.alloc(600 * KIB, 0xc0), { length: MIB }));
    await until(async () => (await health(hub)).buffer_bytes > 0, 'a message to be gathered');
  }
  await until(() => peers.filter((peer) => peer.code === 1013).length >= 9, 'who is slow to be closed', 5000);
  const { buffer_bytes, overfull } = await health(hub);
  assert.ok(buffer_bytes <= 2 * MIB && overfull >= 9, `${buffer_bytes} bytes, ${overfull} closed`);
  await works();
  for (const peer of peers) peer.socket.destroy();
  await until(async () => (await health(hub)).buffer_bytes === 0, 'the memory to be given back');
  client.close();
  await hub.endsWell();
});

test('answers that are not read give way to others', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { config: 'limits: {buffers: 1 MiB, updates: 0, bytes: 0}' });
  const { client, works } = await bystander(t, hub);
  const peers = await Promise.all(times(20, () => greet(new Peer(hub))));
  const asks = frame(Buffer.concat(times(20000, (i) => Buffer.from(encodePacket({ type: 'CLOSE', id: i + 1, code: '', text: '' })))));
  for (const peer of peers) {
    peer.socket.pause();
    for (let i = 0; i < 6; i++) peer.write(asks);
  }
  let most = 0;
  for (let i = 0; i < 20; i++) {
    most = Math.max(most, (await health(hub)).buffer_bytes);
    await works();
    await sleep(50);
  }
  // The budget of messages on their way in, of answers that wait, and of messages on their way out, and what everybody may have besides.
  assert.ok(most <= 3 * MIB + 20 * (128 + 2 * 16) * KIB, `${most} bytes`);
  await hub.logs(/too many answers are waiting|close connection/);
  for (const peer of peers) peer.socket.destroy();
  await until(async () => (await health(hub)).buffer_bytes === 0, 'the memory to be given back');
  client.close();
  await hub.endsWell();
});

test('who is cut off for what it does not read is sent nothing more, and its memory is given back', { timeout: 60000 }, async (t) => {
  const fields = times(200, (i) => `field_${i}: g-counter`).join(', ');
  const hub = await hubFor(t, { schemas: `post: {${fields}}`, config: 'limits: {buffers: 1 MiB, updates: 0, bytes: 0}' });
  let id = 0;
  const call = () => Buffer.from(encodePacket({ type: 'CALL', id: ++id, method: 'schema', parameters: {} }));
  const calls = () => frame(Buffer.concat(times(150, call))); // few enough to be taken, and answered, at once: with 700 KiB
  const fill = async (more, full) => {
    const peer = await greet(new Peer(hub));
    const { buffer_bytes: before } = await health(hub);
    peer.socket.pause();
    await until(async () => {
      const now = await health(hub);
      const taken = peer.socket.writableLength === 0 && now.buffer_bytes === before; // and answered
      if (taken) peer.write(Buffer.concat([calls(), ...more]));
      return full(now);
    }, 'the buffers to fill');
    return peer;
  };
  const holder = await fill([], ({ buffer_bytes }) => buffer_bytes > MIB / 2);
  // What follows in the same piece is answered before the connection ends.
  const cut = await fill([frame(ping)], ({ overfull }) => overfull > 0);
  for (const peer of [holder, cut]) peer.socket.destroy();
  await until(async () => (await health(hub)).connections === 0, 'all to be gone');
  assert.equal((await health(hub)).buffer_bytes, 0);
  await hub.endsWell();
});

test('compression is declined, and a frame that says it is compressed ends its connection', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const peer = await new Peer(hub).upgraded({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' });
  assert.doesNotMatch(peer.received.toString('latin1'), /extensions/i);
  peer.write(frame(hello));
  await peer.messages(1);
  peer.write(frame(ping, { reserved: 4 }));
  await peer.end();
  await hub.endsWell();
});

test('pings that are answered with nothing read cost nothing', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const { client, works } = await bystander(t, hub);
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.process.pid}/status`, 'utf8'))[1]) * KIB;
  const peers = await Promise.all(times(10, () => greet(new Peer(hub))));
  const before = memory();
  const pings = Buffer.concat(times(10000, () => frame(Buffer.alloc(125), { opcode: 9 })));
  for (const peer of peers) {
    peer.socket.pause();
    peer.write(pings, pings);
  }
  await until(() => peers.every(({ socket }) => socket.writableLength === 0), 'the hub to have read them', 15000);
  await works();
  const grown = memory() - before;
  assert.ok(grown < 2 * MIB || bin.includes('/asan/'), `the hub grew by ${grown}`);
  for (const peer of peers) peer.socket.destroy();
  client.close();
  await hub.endsWell();
});

test('tokens that nobody has signed, many at once, do not keep out who has one', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const { works } = await bystander(t, hub, { token: issue });
  const forged = ['HS256', 'RS256', 'ES256'].map((algorithm) => issue({ algorithm }).replace(/[^.]*$/, (signature) => 'A'.repeat(signature.length)));
  const peers = await Promise.all(times(60, () => new Peer(hub).upgraded()));
  peers.forEach((peer, i) => peer.write(frame(Buffer.from(encodePacket({ type: 'HELLO', id: 0, version: 1, token: forged[i % 3] })))));
  assert.deepEqual(await Promise.all(peers.map((peer) => peer.end())), peers.map(() => 4401));
  await works();
});
