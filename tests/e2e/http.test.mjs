/**
 * Goal:   HTTP answers what it has and nothing else, whole, in the face of bodies and pipelining.
 * Method: `fetch`, and hand-written requests where it will not do.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { makeAuthority } from './certificates.mjs';
import { health, run, until } from './support.mjs';
import { Peer, hubFor } from './socket.mjs';

test('pages, health and readiness are answered; nothing else is there', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  for (const [path, status, type] of [
    ['/', 200, 'text/html; charset=utf-8'], ['/demo.js', 200, 'text/javascript; charset=utf-8'], ['/style.css', 200, 'text/css; charset=utf-8'],
    ['/sw.js', 200, 'text/javascript; charset=utf-8'], ['/icon.svg', 200, 'image/svg+xml'],
    ['/health', 200, 'application/json'], ['/ready', 200, 'application/json'], ['/health?x=1', 200, 'application/json'],
    ['/nothing', 404], ['/etc/passwd', 404], [`/${'x'.repeat(1000)}`, 404],
  ]) {
    const answer = await fetch(hub.http + path);
    assert.equal(answer.status, status, path);
    if (type !== undefined) assert.equal(answer.headers.get('content-type'), type, path);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy'), /^default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'/);
    assert.equal((await answer.arrayBuffer()).byteLength, Number(answer.headers.get('content-length')), path);
  }
  const { status, position, connections, streams, documents, memory_bytes, read_only } = await health(hub);
  assert.deepEqual({ status, position, connections, streams, documents, read_only },
    { status: 'ok', position: 0, connections: 0, streams: 0, documents: 0, read_only: false });
  assert.equal(typeof memory_bytes, 'number');
  await hub.endsWell();
});

test('synclined ready asks for a health check', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const ask = (address) => run('synclined', ['ready', '--config', hub.file, '--listen', address]);
  const good = await ask(`127.0.0.1:${hub.port}`);
  assert.deepEqual([good.code, JSON.parse(good.stdout).status, good.stderr], [0, 'ok', '']);
  assert.equal((await ask(`0.0.0.0:${hub.port}`)).code, 0, 'the loopback address of a hub that listens on all');
  const other = createServer((socket) => socket.end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const strange = await ask(`127.0.0.1:${other.address().port}`);
  assert.deepEqual([strange.code, strange.stdout], [1, '']);
  assert.match(strange.stderr, /not HTTP/);
  await hub.endsWell();
  const gone = await ask(`127.0.0.1:${hub.port}`);
  assert.deepEqual([gone.code, gone.stdout], [1, '']);
  assert.match(gone.stderr, /Connection refused/);
});

test('other methods are refused, with a body and without', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const refused = async (method, body) => {
    // In one piece: the hub answers before the body, and who still writes when it closes may not get to read that.
    const peer = new Peer(hub);
    peer.write(`${method} /health HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.equal(await peer.answered(), 405, `${method} ${body.length}`);
    await until(() => peer.ended, 'the end: what follows would be taken for frames');
    const length = /content-length: (\d+)/i.exec(peer.received.toString('latin1'))[1];
    assert.equal(peer.body.length, Number(length));
    assert.match(peer.received.toString('latin1'), /\r\nallow: GET, HEAD\r\n/i);
  };
  const bodies = ['', 'abc', 'x'.repeat(10000)];
  const methods = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  await Promise.all(methods.flatMap((method) => bodies.map((body) => refused(method, body))));
  const withoutBody = async (method, header) => {
    const peer = new Peer(hub);
    peer.write(`${method} /health HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
    assert.equal(await peer.answered(), 400, header);
    await until(() => peer.ended, 'the end: what follows would be taken for frames');
  };
  const headers = ['Content-Length: 5', 'Transfer-Encoding: chunked'];
  await Promise.all(headers.flatMap((header) => ['GET', 'HEAD'].map((method) => withoutBody(method, header))));
  await hub.endsWell();
});

test('what libwebsockets would end without a word is told', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  for (const [text, status, code] of [
    ['PROPFIND /health HTTP/1.1\r\nHost: x\r\n\r\n', 501, 'METHOD_NOT_ALLOWED'],
    ['TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n'.padEnd(10000, 'x'), 501, 'METHOD_NOT_ALLOWED'],
    ['GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400, 'BAD_REQUEST'],
    ['\r\n\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'BAD_REQUEST'],
  ]) {
    for (const size of [text.length, 5]) {
      const peer = new Peer(hub);
      for (let i = 0; i < text.length && !peer.ended; i += size) {
        peer.write(text.slice(i, i + size));
        if (size < text.length) await new Promise(setImmediate);
      }
      assert.equal(await peer.answered(), status, text);
      await until(() => peer.ended, 'the end');
      assert.equal(JSON.parse(peer.body.toString()).code, code, text);
    }
  }
  await hub.endsWell();
});

test('HEAD is answered as GET is, without the body', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const headOf = (peer) => peer.received.toString('latin1').split('\r\n\r\n')[0];
  for (const path of ['/', '/demo.js', '/health', '/ready', '/nothing', `/${'x'.repeat(1000)}`]) {
    const [head, get] = [new Peer(hub), new Peer(hub)];
    get.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    head.write(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await Promise.all([head.answered(), get.answered()]);
    assert.equal(headOf(head).replace(/\d+$/gm, ''), headOf(get).replace(/\d+$/gm, ''), path); // a length, and the request's number
    // Another request on the same connection shows that nothing stands between the answers.
    const before = head.received.length;
    head.write('GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => head.received.length > before, 'the next answer');
    assert.equal(head.received.subarray(headOf(head).length + 4, headOf(head).length + 12).toString(), 'HTTP/1.1', path);
  }
  await hub.endsWell();
});

test('requests one after the other on one connection are answered in order', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t);
  const peer = new Peer(hub);
  const paths = ['/health', '/nothing', '/ready', '/style.css'];
  peer.write(...paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
  const statuses = () => [...peer.received.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  await until(() => statuses().length === paths.length, 'all answers');
  assert.deepEqual(statuses(), [200, 404, 200, 200]);
  await hub.endsWell();
});

test('empty lines before a request count nothing', { timeout: 30000 }, async (t) => {
  const authority = makeAuthority(t);
  const files = authority.issue();
  const secure = { tls: authority.trust, config: `tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}` };
  for (const options of [{}, secure]) {
    const hub = await hubFor(t, options);
    const peer = new Peer(hub);
    const edit = 'POST /api/documents/post/1/likes/increment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"by":1}';
    const statuses = () => [...peer.received.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    const parts = ['\r', '\n', `${edit}\r\n`, `\r\n${edit}\r\n`, `\n${edit}\r\n\r\n`, edit];
    for (const part of parts) {
      const due = parts.slice(0, parts.indexOf(part) + 1).filter((text) => text.includes(edit)).length;
      peer.write(part);
      await until(() => statuses().length === due, `${due} answers`);
    }
    assert.deepEqual(statuses(), [200, 200, 200, 200]);
    assert.equal(peer.ended, false);
    peer.socket.destroy();
    await hub.endsWell();
  }
});

test('who reads a page slowly gets all of it', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  const whole = Buffer.from(await (await fetch(`${hub.http}/demo.js`)).arrayBuffer());
  const peer = new Peer(hub);
  peer.socket.pause();
  for (let i = 0; i < 100; i++) peer.write('GET /demo.js HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => { setTimeout(resolve, 1500); });
  peer.socket.resume();
  await until(() => peer.received.length >= 100 * whole.length, 'a hundred pages', 30000);
  assert.ok(peer.body.subarray(0, whole.length).equals(whole));
  await hub.endsWell();
});

test('pages of foreign origins may not ask, and those of allowed ones may read the answer', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t, { config: 'allowed_origins: ["https://app.example"]' });
  const ask = (origin, method = 'GET') => fetch(`${hub.http}/health`, { method, headers: origin === undefined ? {} : { origin } });
  const foreign = await ask('https://evil.example');
  assert.deepEqual([foreign.status, foreign.headers.get('access-control-allow-origin')], [403, null]);
  assert.equal((await ask('https://evil.example', 'OPTIONS')).status, 403);
  const allowed = await ask('https://app.example');
  assert.deepEqual([allowed.status, allowed.headers.get('access-control-allow-origin'), allowed.headers.get('vary')], [200, 'https://app.example', 'origin']);
  const asked = await ask('https://app.example', 'OPTIONS');
  assert.deepEqual([asked.status, asked.headers.get('access-control-allow-methods'), asked.headers.get('access-control-allow-origin')],
    [204, 'GET, HEAD', 'https://app.example']);
  assert.match(asked.headers.get('access-control-allow-headers'), /authorization.*idempotency-key/);
  assert.equal((await ask(hub.http)).status, 200);
  assert.equal((await ask()).headers.get('access-control-allow-origin'), null);
  await hub.endsWell();
});
