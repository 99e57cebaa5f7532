/**
 * Goal:   whatever one connection sends, it alone is refused, with a code; the hub and everybody else go on.
 * Method: raw sockets and hand-made frames against the real process, with a bystander whose edits must keep arriving.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/packets';
import { mintReplica } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { bin, folder, health, postSchema, run, sleep, startHub, until } from './support.mjs';

/** A frame as a client sends it; `masked` false is against RFC 6455. */
function frame(payload, { opcode = 2, fin = true, length = payload.length, masked = true } = {}) {
  const mask = randomBytes(4);
  if (!masked) return Buffer.concat([Buffer.from([0x80 | opcode, length]), payload]);
  const head = length < 126 ? Buffer.from([0, 0x80 | length])
    : length < 65536 ? Buffer.from([0, 0x80 | 126, length >> 8, length & 255])
      : Buffer.concat([Buffer.from([0, 0x80 | 127]), (() => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(length)); return b; })()]);
  head[0] = (fin ? 0x80 : 0) | opcode;
  return Buffer.concat([head, mask, Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]))]);
}

/** An upgraded raw socket; `closed` answers the close code, or 0 for none. */
async function raw(hub, headers = {}) {
  const socket = dial(hub.port, '127.0.0.1');
  const all = { Host: `127.0.0.1:${hub.port}`, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': 13,
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': 'syncline.v1', ...headers };
  let received = Buffer.alloc(0);
  socket.on('data', (data) => { received = Buffer.concat([received, data]); });
  socket.on('error', () => {});
  socket.write(`GET / HTTP/1.1\r\n${Object.entries(all).filter(([, v]) => v !== undefined).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
  await until(() => received.includes('\r\n\r\n') || socket.destroyed, 'the handshake');
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(received.toString('latin1'))?.[1] ?? 0);
  const body = () => received.subarray(received.indexOf('\r\n\r\n') + 4);
  return {
    socket, status,
    /** The code of the hub's close frame; 0 if the connection ended without one. */
    async closed() {
      return until(() => {
        for (let rest = body(); rest.length >= 4;) { // the hub's frames are short and unmasked
          const long = rest[1] === 126;
          const start = long ? 4 : 2;
          if (rest[0] === 0x88) return rest.readUInt16BE(start);
          rest = rest.subarray(start + (long ? rest.readUInt16BE(2) : rest[1]));
        }
        return socket.closed ? 1006 : 0;
      }, 'the connection', 5000).finally(() => socket.destroy());
    },
  };
}

/** Sends updates as fast as the hub takes them, one DELTA for each increment. */
async function rawWriter(t, hub) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  t.after(() => socket.terminate());
  const state = { seq: 0, acked: 0, opened: false };
  socket.on('message', (data) => {
    for (const packet of decodeMessage(new Uint8Array(data))) {
      if (packet.type === 'OPENED') state.opened = true;
      if (packet.type === 'ACK') state.acked = packet.seq;
    }
  });
  await until(() => socket.readyState === 1, 'the writer');
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  socket.send(encodePacket({ type: 'OPEN', id: 1, name: 'post/1', replicas: [mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes))] }));
  await until(() => state.opened, 'OPENED');
  return {
    async update(count) {
      const last = state.seq + count;
      while (state.seq < last) {
        const packets = [];
        for (let i = 0; i < 1000; i++) {
          state.seq += 1;
          packets.push(encodePacket({ type: 'DELTA', id: 1, replica: null, first: state.seq, last: state.seq,
            context: { position: 0, seen: [] }, changes: new Map([[0, state.seq]]) }));
        }
        socket.send(Buffer.concat(packets));
        await until(() => state.acked >= state.seq - 5000, 'ACKs');
      }
      await until(() => state.acked === last, 'the last ACK');
    },
  };
}

const hello = Buffer.from([0x94, 1, 0, 1, 0x80]);

async function bystander(t, hub) {
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/by');
  await doc.ready;
  return { doc, async works() {
    doc.likes.increment();
    await doc.saved;
    assert.equal(client.status, 'online');
  } };
}

test('bad frames and packets end their own connection', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'limits: {message_bytes: 64 KiB}' });
  const { works } = await bystander(t, hub);
  const cases = [
    ['a truncated packet', [frame(hello), frame(Buffer.from([0x95, 4, 1]))], 1007],
    ['an array of 2^28 in five bytes', [frame(hello), frame(Buffer.from([0xdd, 0x10, 0, 0, 0]))], 1007],
    ['nesting', [frame(hello), frame(Buffer.concat([Buffer.from([0x94, 14, 1, 0xa1, 0x61]), Buffer.alloc(60, 0x91), Buffer.from([0xc0])]))], 1008],
    ['a mistyped packet', [frame(hello), frame(Buffer.from([0x94, 4, 1, 7, 0x90]))], 1007],
    ['no HELLO', [frame(Buffer.from([0x93, 22, 0, 1]))], 1008],
    ['another version', [frame(Buffer.from([0x94, 1, 0, 9, 0x80]))], 1008],
    ['a packet that only the hub sends', [frame(hello), frame(Buffer.from([0x96, 8, 1, 0xc0, 1, 1, 1]))], 1008],
    ['a message beyond the limit', [frame(hello), frame(Buffer.alloc(10), { length: 70000 })], 1009],
    ['a frame that announces 2^40 bytes', [frame(hello), frame(Buffer.alloc(10), { length: 2 ** 40 })], 1009],
    ['fragments beyond the limit', [frame(hello), frame(Buffer.alloc(60000, 0xc0), { fin: false }), frame(Buffer.alloc(60000, 0xc0), { opcode: 0 })], 1009],
    ['an unmasked frame', [frame(hello), frame(Buffer.from([0x93, 22, 0, 1]), { masked: false })], 1002],
    ['an unmasked first frame', [frame(hello, { masked: false })], 1002],
    ['a text frame', [frame(Buffer.from('hello'), { opcode: 1 })], 1003],
  ];
  for (const [name, frames, code] of cases) {
    const { socket, status, closed } = await raw(hub);
    assert.equal(status, 101, name);
    socket.write(Buffer.concat(frames));
    assert.equal(await closed(), code, name);
    await works();
  }
});

test('who does not speak the subprotocol, or comes from a foreign page, is refused', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'allowed_origins: ["https://app.example"]' });
  const { works } = await bystander(t, hub);
  for (const [headers, accepted] of [
    [{ 'Sec-WebSocket-Protocol': undefined }, false],
    [{ 'Sec-WebSocket-Protocol': 'other.v1' }, false],
    [{ Origin: 'https://evil.example' }, false],
    [{ Origin: 'https://app.example' }, true],
    [{ Origin: `http://127.0.0.1:${hub.port}` }, true],
    [{}, true],
  ]) {
    const { socket, status } = await raw(hub, headers);
    assert.equal(status === 101, accepted, `${JSON.stringify(headers)}: ${status}`);
    socket.destroy();
  }
  await works();
});

test('one message in fragments is one message', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const { socket, closed } = await raw(hub);
  socket.write(Buffer.concat([...hello].map((byte, i) => frame(Buffer.from([byte]), { opcode: i === 0 ? 2 : 0, fin: i === hello.length - 1 }))));
  socket.write(frame(Buffer.from([0xc1])));
  assert.equal(await closed(), 1007); // HELLO was taken, and then the bad byte
});

test('HTTP answers what it has and nothing else', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  for (const [path, status] of [['/', 200], ['/demo.js', 200], ['/style.css', 200], ['/icon.svg', 200], ['/health', 200], ['/ready', 200],
    ['/nothing', 404], ['/../etc/passwd', 404], ['/%2e%2e/etc/passwd', 404]]) {
    assert.equal((await fetch(hub.http + path)).status, status, path);
  }
  assert.equal((await fetch(hub.http, { method: 'DELETE' })).status, 405);
  assert.equal((await health(hub)).status, 'ok');
});

test('a client that stops reading costs a cursor, and then has the converged state', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { config: 'limits: {updates_per_second: 0, bytes_per_second: 0}' });
  let slowSocket;
  class SlowSocket extends WebSocket { // its TCP window closes while it is paused
    constructor(...args) { super(...args); slowSocket = this; }
  }
  const slow = connect(hub.url, { WebSocket: SlowSocket });
  t.after(() => slow.close());
  const to = slow.open('post/1');
  await to.ready;
  const writer = await rawWriter(t, hub);
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.process.pid}/status`, 'utf8'))[1]) * 1024;
  await writer.update(50000); // what updates take anyway is there before the measurement
  slowSocket._socket.pause();
  const before = memory();
  await writer.update(100000);
  const grown = memory() - before;
  // A sanitizer keeps freed memory on purpose, so what it holds says nothing.
  assert.ok(grown < 1 << 20 || bin.includes('/asan/'), `the hub grew by ${grown} bytes`);
  const shown = to.likes.value;
  assert.ok(shown < 150000, `the client had stopped reading, and shows ${shown}`);
  slowSocket._socket.resume();
  await until(() => to.likes.value === 150000, 'the converged state');
});

test('a port in use, a file in use, a file that cannot be written, and a broken config are told', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const dir = folder(t);
  const other = join(dir, 'other.yaml');
  writeFileSync(other, `listen: 127.0.0.1:0\ndata: ${join(dir, 'x.db')}\nschemas:\n  ${postSchema}\n`);
  const port = await run('synclined', ['serve', '--config', other, '--listen', `127.0.0.1:${hub.port}`]);
  assert.equal(port.code, 1);
  assert.match(port.stderr, new RegExp(`127.0.0.1:${hub.port} cannot be listened on`));
  const file = await run('synclined', ['serve', '--config', other, '--data', hub.data]);
  assert.equal(file.code, 1);
  assert.match(file.stderr, /another|in use/);
  const missing = await run('synclined', ['serve', '--config', other, '--data', join(dir, 'no/such/folder/x.db')]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /no\/such\/folder/);
  writeFileSync(other, 'listen: nowhere\nshemas: {}\nlimits: {streams: many}\n');
  const broken = await run('synclined', ['check', '--config', other]);
  assert.equal(broken.code, 2);
  for (const place of [':1:9:', ':2:1:', ':3:19:']) assert.ok(broken.stderr.includes(place), broken.stderr);
});

test('changing the type of a field that holds data is refused', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes'])).code, 0);
  assert.equal(await hub.stop(), 0);
  writeFileSync(hub.file, `listen: 127.0.0.1:0\ndata: ${hub.data}\nschemas: {post: {likes: pn-counter}}\n`);
  const refused = await run('synclined', ['serve', '--config', hub.file]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /likes/);
  assert.match(refused.stderr, /g-counter/);
  assert.match(refused.stderr, /pn-counter/);
  writeFileSync(hub.file, `listen: 127.0.0.1:0\ndata: ${hub.data}\nschemas: {post: {shares: g-counter, likes: g-counter}}\n`);
  await hub.start();
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1'])).stdout, '{"likes":1,"shares":0}\n');
});

test('a full disk makes the hub read-only; it heals, and nothing is lost', { timeout: 60000 }, async (t) => {
  // A limit on the size of its files stands in for a full disk: the same error, and no mount is needed.
  const hub = await startHub(t, { wrap: ['prlimit', '--fsize=1000000:unlimited'] });
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  for (let i = 0; i < 400; i++) {
    for (let k = 0; k < 20; k++) doc.tags.add(`${i}-${k}-${'x'.repeat(100)}`);
    await Promise.race([doc.saved, sleep(300)]);
    if ((await health(hub)).read_only) break;
  }
  assert.equal((await fetch(`${hub.http}/ready`)).status, 503);
  doc.likes.increment(7);
  execFileSync('prlimit', ['--pid', String(hub.process.pid), '--fsize=unlimited']);
  await doc.saved;
  assert.equal((await fetch(`${hub.http}/ready`)).status, 200);
  const expected = doc.value;
  await hub.stop();
  await hub.start();
  const { stdout } = await run('syncline', ['--hub', hub.url, 'get', 'post/1']);
  assert.deepEqual(JSON.parse(stdout), expected);
});
