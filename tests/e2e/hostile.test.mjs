/**
 * Goal:   whatever one connection sends, it alone is refused, with a code; the hub and everybody else go on.
 * Method: raw sockets and hand-made frames against the real process, with a bystander whose edits must keep arriving.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { bystander } from './bystander.mjs';
import { Peer, frame, hello } from './socket.mjs';
import { folder, health, postSchema, run, sleep, startHub, until } from './support.mjs';

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
    const peer = await new Peer(hub).upgraded();
    peer.write(...frames);
    assert.equal(await peer.end(), code, name);
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
    const peer = new Peer(hub);
    peer.write(peer.request(headers));
    assert.equal(await peer.answered() === 101, accepted, `${JSON.stringify(headers)}: ${peer.status}`);
    peer.socket.destroy();
  }
  await works();
});

test('one message in fragments is one message', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const peer = await new Peer(hub).upgraded();
  peer.write(...[...hello].map((byte, i) => frame(Buffer.from([byte]), { opcode: i === 0 ? 2 : 0, fin: i === hello.length - 1 })));
  peer.write(frame(Buffer.from([0xc1])));
  assert.equal(await peer.end(), 1007); // HELLO was taken, and then the bad byte
});

test('HTTP answers what it has and nothing else', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  for (const [path, status] of [['/', 200], ['/demo.js', 200], ['/style.css', 200], ['/icon.svg', 200], ['/health', 200], ['/ready', 200],
    ['/nothing', 404]]) {
    assert.equal((await fetch(hub.http + path)).status, status, path);
  }
  assert.equal((await fetch(hub.http, { method: 'DELETE' })).status, 405);
  assert.equal((await health(hub)).status, 'ok');
});

test('a port in use, a folder that is missing, and a broken config are told', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const dir = folder(t);
  const other = join(dir, 'other.yaml');
  writeFileSync(other, `listen: 127.0.0.1:0\ndata: ${join(dir, 'x.db')}\nschemas:\n  ${postSchema}\n`);
  const port = await run('synclined', ['serve', '--config', other, '--listen', `127.0.0.1:${hub.port}`]);
  assert.equal(port.code, 1);
  assert.match(port.stderr, new RegExp(`127.0.0.1:${hub.port} cannot be listened on`));
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

const limitFiles = (hub, bytes) => execFileSync('prlimit', ['--pid', String(hub.process.pid), `--fsize=${bytes}:unlimited`]);

test('a full disk makes the hub read-only; it heals, and nothing is lost', { timeout: 60000 }, async (t) => {
  // A limit on the size of its files stands in for a full disk: no mount is needed, and its signal must not end the hub.
  const hub = await startHub(t, { wrap: ['env', '--default-signal=XFSZ'] });
  limitFiles(hub, 1000000);
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  for (let i = 0; i < 400; i++) {
    for (let k = 0; k < 20; k++) doc.tags.add(`${i}-${k}-${'x'.repeat(100)}`);
    await Promise.race([doc.saved, sleep(300)]);
    if ((await health(hub)).read_only) break;
  }
  limitFiles(hub, 100); // where a large batch did not fit a small one still may
  const lines = (event) => hub.log.split('\n').filter((line) => line.includes(event)).length;
  doc.likes.increment(7);
  await until(async () => (await fetch(`${hub.http}/ready`)).status === 503, 'a hub that is not ready');
  const healed = lines('info writable');
  await sleep(3500);
  assert.deepEqual([lines('error read-only'), lines('info writable')], [1, healed], hub.log);
  assert.ok(lines('error storage-failed') <= 1, hub.log);
  limitFiles(hub, 'unlimited');
  await doc.saved;
  assert.equal((await fetch(`${hub.http}/ready`)).status, 200);
  const expected = doc.value;
  await until(() => lines('info writable') > 0, 'the log to say so');
  await hub.stop();
  await hub.start();
  const { stdout } = await run('syncline', ['--hub', hub.url, 'get', 'post/1']);
  assert.deepEqual(JSON.parse(stdout), expected);
});

test('a hub whose disk is full stops when it is told to, and what it acknowledged is there', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { wrap: ['env', '--default-signal=XFSZ'] });
  const at = ['--hub', hub.url];
  assert.equal((await run('syncline', [...at, 'increment', 'post/1', 'likes', '3'])).code, 0);
  limitFiles(hub, 100);
  assert.equal(await hub.stop(), 0, hub.log);
  assert.equal(hub.process.signalCode, null);
  await hub.start();
  assert.equal((await run('syncline', [...at, 'get', 'post/1', 'likes'])).stdout, '3\n');
});
