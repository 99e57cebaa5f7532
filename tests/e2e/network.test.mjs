/**
 * Goal:   the port does what it should: who may connect gets a WebSocket and nobody gets anything else, an unmasked frame
 *         ends its connection after what was sent before, too few files and a hub that drains harm nobody who is connected.
 * Method: hand-written requests and frames against the real process, whose files, processor time and log are watched.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { behindProxy, folder, health, postSchema, run, sleep, until } from './support.mjs';
import { Peer, descriptors, frame, hello, hubFor, ping, processor } from './socket.mjs';

/** Whether a connection to the port is taken; 'refused' by the kernel if nobody listens. */
function dialled(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const socket = dial({ port, host });
    socket.on('connect', () => { socket.destroy(); resolve('taken'); });
    socket.on('error', (error) => resolve(error.code === 'ECONNREFUSED' ? 'refused' : error.code));
  });
}

test('only the subprotocol, from allowed pages, is upgraded', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { config: 'allowed_origins: ["https://app.example"]' });
  for (const [headers, accepted] of [
    [{}, true],
    [{ 'Sec-WebSocket-Protocol': undefined }, false],
    [{ 'Sec-WebSocket-Protocol': 'other.v1' }, false],
    [{ 'Sec-WebSocket-Protocol': 'http' }, false],
    [{ 'Sec-WebSocket-Protocol': 'other.v1, syncline.v1' }, true],
    [{ Origin: 'https://evil.example' }, false],
    [{ Origin: 'null' }, false],
    [{ Origin: `http://evil.example/127.0.0.1:${hub.port}` }, false],
    [{ Origin: `http://127.0.0.1:${hub.port}.evil.example` }, false],
    [{ Origin: `http://${'x'.repeat(600)}` }, false],
    [{ Origin: 'https://app.example' }, true],
    [{ Origin: `http://127.0.0.1:${hub.port}` }, true],
  ]) {
    const peer = new Peer(hub);
    peer.write(peer.request(headers));
    await peer.answered();
    assert.equal(peer.status === 101, accepted, `${JSON.stringify(headers)}: ${peer.status}`);
    peer.socket.destroy();
  }
  await hub.endsWell();
});

/** A page of evil.example whose name is made to lead to this machine looks to the browser as if the hub had served it. */
test('a name that is made to lead to a hub on a loopback address is not the hub\'s', { timeout: 30000 }, async (t) => {
  for (const [host, names] of [
    ['127.0.0.1', [['evil.example', false], ['127.0.0.1.evil.example', false], ['localhost.evil.example', false], ['xlocalhost', false],
      ['1.2', false], ['localhost', true], ['app.localhost', true], ['127.0.0.1', true], ['[::1]', true]]],
    ['0.0.0.0', [['hub.example', true]]], // which may well be its name
  ]) {
    const hub = await hubFor(t, { host, config: host === '0.0.0.0' ? behindProxy(t) : '' });
    for (const [name, accepted] of names) {
      const peer = new Peer(hub);
      peer.write(peer.request({ Host: `${name}:${hub.port}`, Origin: `http://${name}:${hub.port}` }));
      assert.equal(await peer.answered() === 101, accepted, `${name}: ${peer.status}`);
      peer.socket.destroy();
    }
    const proxied = new Peer(hub);
    await proxied.upgraded({ Host: 'app.example', Origin: 'https://app.example' });
    proxied.socket.destroy();
    await hub.endsWell();
  }
});

test('"*" allows every page', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t, { config: 'allowed_origins: ["*"]' });
  await new Peer(hub).upgraded({ Origin: 'https://evil.example' });
  await hub.endsWell();
});

test('frames may come with the request, byte by byte, and after a page', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const quick = new Peer(hub);
  quick.write(quick.request(), frame(hello), frame(ping));
  assert.equal((await quick.messages(2)).length, 2);
  const slow = new Peer(hub);
  for (const byte of Buffer.concat([slow.request(), frame(hello), frame(ping)])) {
    slow.write([byte]);
    await sleep(1);
  }
  assert.equal((await slow.messages(2)).length, 2);
  const reader = new Peer(hub);
  reader.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => reader.body.includes('}\n'), 'the page');
  reader.forget();
  await reader.upgraded();
  reader.write(frame(hello), frame(ping));
  assert.equal((await reader.messages(2)).length, 2);
  await hub.endsWell();
});

test('an unmasked frame is refused wherever it stands', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const unmasked = (payload) => frame(payload, { masked: false });
  const page = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
  const large = frame(Buffer.alloc(70000, 0xc0), { fin: false });
  for (const [name, parts] of [
    ['with the request', (request) => [request, unmasked(hello)]],
    ['with the request, after a masked one', (request) => [request, frame(hello), unmasked(ping)]],
    ['in the look of a request', (request) => [request, unmasked(Buffer.from('GET / HTTP/1.1\r\n\r\n'))]],
    ['after a page', (request) => [page, request, unmasked(hello)]],
    ['after lines that end without CR', (request) => [String(request).replaceAll('\r\n', '\n'), unmasked(hello)]],
    ['empty', (request) => [request, unmasked(Buffer.alloc(0))]],
    ['after a length of eight bytes', (request) => [request, large, frame(ping, { masked: false, opcode: 0 })]],
  ]) {
    const together = new Peer(hub);
    together.write(...parts(together.request()));
    assert.equal(await together.end(), 1002, name);
    const apart = new Peer(hub);
    for (const part of parts(apart.request())) {
      apart.write(part);
      await sleep(30);
    }
    assert.equal(await apart.end(), 1002, `${name}, apart`);
  }
  await hub.endsWell();
});

test('an unmasked frame does not cut what the hub was sending', { timeout: 120000 }, async (t) => {
  const documents = 40; // of 250 KB each: more than the kernel keeps for a peer that does not read
  const hub = await hubFor(t, { config: 'limits: {updates: 0, bytes: 0}' });
  const writer = connect(hub.url);
  t.after(() => writer.close());
  for (let i = 0; i < documents; i++) {
    const doc = writer.open(`post/${i}`);
    await doc.ready;
    doc.transact(() => { for (let k = 0; k < 250; k++) doc.tags.add(`${k}-${'x'.repeat(1000)}`); });
    await doc.saved;
    doc.close();
  }
  const peer = await new Peer(hub).upgraded();
  peer.write(frame(hello), frame(ping));
  await peer.messages(2);
  peer.socket.pause();
  for (let i = 0; i < documents; i++) {
    const replicas = [mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes))];
    peer.write(frame(encodePacket({ type: 'OPEN', id: i + 1, name: `post/${i}`, replicas })));
  }
  await sleep(1500); // the hub has filled what the kernel takes, and holds the rest of a message
  peer.write(frame(ping, { masked: false }));
  await sleep(500);
  peer.socket.resume();
  assert.equal(await peer.end(15000), 1002);
  assert.ok(peer.received.length > 1 << 20, `${peer.received.length} bytes`);
  writer.close();
  await hub.endsWell();
});

test('no other protocol hides behind the port', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const before = descriptors(hub);
  const settings = { Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' };
  const attempts = [
    ['h2c', 400, (peer) => peer.request({ Upgrade: 'h2c', ...settings })],
    ['H2C', 400, (peer) => peer.request({ Upgrade: 'H2C', ...settings }, 'GET /health HTTP/1.1')],
    ['an unknown protocol', 403, (peer) => peer.request({ Upgrade: 'tls/1.0' })],
    ['a long protocol', 403, (peer) => peer.request({ Upgrade: 'websocket'.repeat(20) })],
    ['HTTP/2', 501, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['CONNECT', 400, () => 'CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n'],
    ['CONNECT and bytes', 400, () => `CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n${'x'.repeat(3000)}`],
    ['CONNECT to upgrade', 405, (peer) => peer.request({}, 'CONNECT / HTTP/1.1')],
    ['TLS', 0, () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['a long line', 0, () => `GET /${'x'.repeat(100000)} HTTP/1.1\r\n\r\n`],
    ['many headers', 0, () => `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(20000)}\r\n`],
  ];
  for (const [name, status, bytes] of attempts) {
    const peer = new Peer(hub);
    peer.write(bytes(peer));
    await until(() => peer.ended, `${name}: the end`, 15000);
    if (status === 0) assert.ok(peer.status === 0 || peer.status >= 400, `${name}: ${peer.status}`);
    else assert.equal(peer.status, status, name);
    if (status === 405) assert.match(peer.received.toString('latin1'), /\r\nallow: GET, HEAD\r\n/i, name);
    assert.ok(peer.received.toString('latin1').split('HTTP/1.').length <= 2, `${name} is answered once`);
  }
  await until(() => descriptors(hub) <= before, 'the sockets to be closed');
  await hub.endsWell();
});

test('a handshake that takes its time is ended', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const silent = new Peer(hub);
  const trickle = new Peer(hub);
  trickle.write('GET / HTTP/1.1\r\n');
  const timer = setInterval(() => { if (!trickle.ended) trickle.write('a: b\r\n'); }, 500);
  t.after(() => clearInterval(timer));
  await until(() => silent.ended && trickle.ended, 'those who do not finish their request', 15000);
  clearInterval(timer);
  await hub.endsWell();
});

test('who says no HELLO is told so in time although nothing else happens', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const mute = await new Peer(hub).upgraded();
  assert.equal(await mute.end(14000), 1008); // it has 10 s
  await hub.endsWell();
});

test('without a file left, who is connected goes on, and others wait until there is one', { timeout: 90000 }, async (t) => {
  const files = 60;
  const hub = await hubFor(t, { wrap: ['prlimit', `--nofile=${files}`] });
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  const early = await new Peer(hub).upgraded();
  early.write(frame(hello));
  await early.messages(1);
  const before = descriptors(hub);

  const peers = Array.from({ length: 2 * (files - before) }, () => new Peer(hub)); // half of them have to wait
  for (const peer of peers) peer.write(peer.request(), frame(hello));
  await until(() => descriptors(hub, files) === files, 'the hub to be out of files');
  const open = () => peers.filter((peer) => peer.status === 101);
  await until(() => open().length === files - before, 'the last free file to be used');

  const used = processor(hub);
  for (let i = 0; i < 5; i++) {
    doc.likes.increment();
    await doc.saved;
    early.write(frame(ping));
    await early.messages(2 + i);
    await sleep(200);
  }
  const taken = processor(hub) - used;
  assert.ok(taken < 500, `${taken} ms of processor time in a second`);
  assert.equal(open().length, files - before, 'the others wait');

  for (const peer of open()) peer.socket.destroy();
  const waited = peers.filter((peer) => !peer.socket.destroyed);
  await until(() => waited.every((peer) => peer.frames.length > 0), 'those who waited');
  for (const peer of peers) peer.socket.destroy();
  await until(() => descriptors(hub) <= before, 'the sockets to be closed');
  assert.equal((await health(hub)).connections, 2);
  client.close();
  await hub.endsWell();
});

test('a limit of files that is raised while the hub runs breaks nothing', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { wrap: ['prlimit', '--nofile=60:1000'] }); // libwebsockets has room for 60
  const early = await new Peer(hub).upgraded();
  const before = descriptors(hub);
  execFileSync('prlimit', ['--pid', String(hub.process.pid), '--nofile=1000:1000']);
  const peers = Array.from({ length: 100 }, () => new Peer(hub));
  for (const peer of peers) peer.write(peer.request(), frame(hello));
  await until(() => peers.every((peer) => peer.ended || peer.frames.length > 0), 'everybody to be served or let go');
  assert.ok(peers.some((peer) => peer.frames.length > 0) && peers.some((peer) => peer.ended));
  early.write(frame(hello), frame(ping));
  await early.messages(2);
  for (const peer of peers) peer.socket.destroy();
  await until(() => descriptors(hub) <= before, 'the sockets to be closed');
  await hub.endsWell();
});

test('connections that come and go leave no file behind', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  await (await new Peer(hub).upgraded()).socket.destroy();
  await until(async () => (await health(hub)).connections === 0, 'the first to be gone');
  const before = descriptors(hub);
  for (let round = 0; round < 10; round++) {
    const peers = Array.from({ length: 20 }, () => new Peer(hub));
    peers.forEach((peer, i) => {
      if (i % 4 === 0) peer.socket.resetAndDestroy();
      if (i % 4 === 1) peer.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
      if (i % 4 === 2) peer.write(peer.request(), frame(hello));
      if (i % 4 === 3) peer.write(peer.request(), frame(hello, { masked: false }));
    });
    await until(() => peers.every((peer) => peer.socket.destroyed || peer.received.length > 0), 'answers');
    for (const peer of peers) peer.socket.destroy();
  }
  await until(() => descriptors(hub) <= before, 'the sockets to be closed');
  assert.equal((await health(hub)).connections, 0);
  await hub.endsWell();
});

test('while the hub drains nobody else may connect, and the port is free', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  // Somebody else's transaction on the file keeps the hub from writing, and so from being done.
  const lock = spawn('sqlite3', [hub.data], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => lock.kill());
  lock.stdin.write("BEGIN IMMEDIATE; SELECT 'locked';\n");
  await once(lock.stdout, 'data');
  doc.likes.increment();
  await sleep(100);
  assert.equal(await dialled(hub.port), 'taken');
  hub.process.kill('SIGTERM');
  await until(() => hub.log.includes('drain signal'), 'the hub to drain');
  await until(async () => await dialled(hub.port) === 'refused', 'the port to be closed', 1000);
  assert.equal(hub.process.exitCode, null, 'the hub still drains');
  const exited = once(hub.process, 'exit');
  lock.stdin.end('ROLLBACK;\n');
  assert.equal((await exited)[0], 0, hub.log);
  assert.doesNotMatch(hub.log, /Sanitizer|runtime error|left-open|drain-late/);
});

test('IPv6 addresses are listened on', { timeout: 30000 }, async (t) => {
  const one = await hubFor(t, { host: '[::1]' });
  assert.equal((await health(one)).status, 'ok');
  const peer = new Peer(one, '::1');
  peer.write(peer.request(), frame(hello));
  assert.equal((await peer.messages(1)).length, 1);
  assert.equal(await dialled(one.port), 'refused');
  await one.endsWell();
  const all = await hubFor(t, { host: '[::]', config: behindProxy(t) });
  assert.equal(await dialled(all.port, '::1'), 'taken');
  assert.equal(await dialled(all.port), 'taken', 'IPv4 too');
  await all.endsWell();
});

test('why an address cannot be had is told, with exit code 1', { timeout: 60000 }, async (t) => {
  const four = await hubFor(t);
  const six = await hubFor(t, { host: '[::1]' });
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  writeFileSync(file, `data: ${join(dir, 'hub.db')}\n${behindProxy(t)}\nschemas:\n  ${postSchema}\n`);
  for (const [address, reason] of [
    [`127.0.0.1:${four.port}`, 'the port is in use'],
    [`[::1]:${six.port}`, 'the port is in use'],
    ['192.0.2.1:7962', "the address is not this machine's"],
    ['[2001:db8::1]:7962', "the address is not this machine's"],
  ]) {
    const { code, stderr } = await run('synclined', ['serve', '--config', file, '--listen', address]);
    assert.equal(code, 1, address);
    assert.ok(stderr.includes(`${address} cannot be listened on: ${reason}`), stderr);
    assert.doesNotMatch(stderr, /Sanitizer|runtime error|left-open/);
  }
  await new Peer(four).upgraded();
  await four.stop();
  await four.start(); // the port is to be had although the hub has just closed a connection on it
  await Promise.all([four.endsWell(), six.endsWell()]);
});
