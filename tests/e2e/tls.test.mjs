/**
 * Goal:   over TLS everything is as without it, the certificate may change at any time, and what is no good is told.
 * Method: certificates of an authority of the test's own; real clients, raw TLS sockets with hand-made frames, and the hub's own figures by
 *         its internal address.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { WebSocket } from 'ws';
import { makeAuthority } from './certificates.mjs';
import { launchOptions } from './pages.mjs';
import { Peer, frame, hello, hubFor, ping, processor } from './socket.mjs';
import { folder, run, until } from './support.mjs';

const KIB = 1024;

/** A hub with TLS whose certificate is in files of its own, and with an internal address. */
async function secureHub(t, { issue = {}, config = '', ...options } = {}) {
  const authority = makeAuthority(t);
  const files = { certificate: join(authority.dir, 'now.pem'), key: join(authority.dir, 'now.key') };
  const install = (from) => {
    copyFileSync(from.certificate, files.certificate);
    copyFileSync(from.key, files.key);
  };
  install(authority.issue(issue));
  const hub = await hubFor(t, { tls: authority.trust, ...options,
    config: `tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}\ninternal: "127.0.0.1:0"\n${config}` });
  await until(() => hub.internal !== undefined, 'the internal address');
  const figures = async () => (await fetch(`${hub.internal}/health`)).json();
  return { hub, authority, files, install, figures };
}

/** The client's socket for Node, which trusts the test's authority. */
function trusting({ trust }) {
  return class extends WebSocket {
    constructor(url, protocols) { super(url, protocols, trust); }
  };
}

const client = (t, { hub, authority }) => {
  const made = connect(hub.url, { WebSocket: trusting(authority) });
  t.after(() => made.close());
  return made;
};

/** Waits until the hub has done what there is to do: who then waits must cost it nothing. */
async function restful(hub) {
  await until(async () => {
    const before = processor(hub);
    await sleep(500);
    return processor(hub) - before < 100;
  }, 'the hub to have nothing to do');
}

/** How many bytes of packets the peer was sent. */
const answered = (peer) => peer.frames.reduce((sum, { payload }) => sum + payload.length, 0);

/** The certificate that a new connection is shown. */
async function shown(hub) {
  const peer = new Peer(hub);
  await until(() => peer.socket.getPeerFingerprint !== undefined || peer.socket.getPeerCertificate().fingerprint256 !== undefined, 'a certificate');
  const { fingerprint256 } = peer.socket.getPeerCertificate();
  peer.socket.destroy();
  return fingerprint256;
}

test('clients and pages by TLS 1.2 and 1.3, and nothing older, unencrypted or newer', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t);
  const { hub, authority } = secure;
  const at = ['--hub', hub.url, '--ca-file', authority.file];
  assert.equal((await run('syncline', [...at, 'increment', 'post/1', 'likes', '2'])).code, 0);
  const doc = client(t, secure).open('post/1');
  await doc.ready;
  doc.likes.increment();
  await doc.saved;
  assert.equal((await run('syncline', [...at, 'get', 'post/1', 'likes'])).stdout, '3\n');
  for (const [options, protocol] of [[{}, 'TLSv1.3'], [{ maxVersion: 'TLSv1.2' }, 'TLSv1.2']]) {
    const answer = await new Promise((resolve, reject) => {
      request(`${hub.http}/health`, { ...authority.trust, ...options, agent: false }, resolve).on('error', reject).end();
    });
    assert.deepEqual([answer.statusCode, answer.socket.getProtocol()], [200, protocol]);
    answer.resume();
  }
  for (const options of [{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }]) {
    const socket = connectTls({ port: hub.port, host: '127.0.0.1', ...authority.trust, ...options });
    await assert.rejects(new Promise((resolve, reject) => { socket.on('secureConnect', resolve).on('error', reject); }), /alert/);
  }
  for (const [offered, chosen] of [[['h2', 'http/1.1'], 'http/1.1'], [['http/1.1'], 'http/1.1']]) {
    const socket = connectTls({ port: hub.port, host: '127.0.0.1', ...authority.trust, ALPNProtocols: offered });
    await new Promise((resolve, reject) => { socket.on('secureConnect', resolve).on('error', reject); });
    assert.equal(socket.alpnProtocol, chosen);
    socket.destroy();
  }
  const again = connectTls({ port: hub.port, host: '127.0.0.1', ...authority.trust, maxVersion: 'TLSv1.2' });
  await new Promise((resolve) => { again.on('secureConnect', resolve); });
  await assert.rejects(new Promise((resolve, reject) => {
    again.on('error', reject);
    again.renegotiate({}, (error) => { if (error === null) resolve(); else reject(error); });
  }));
  again.destroy();
  const plain = connectTcp({ port: hub.port, host: '127.0.0.1' });
  let ended = false;
  plain.on('close', () => { ended = true; }).on('error', () => {}).resume();
  plain.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => ended, 'who speaks no TLS to be closed');
  await hub.endsWell();
});

test('who goes before the handshake has begun harms nobody', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t);
  const doc = client(t, secure).open('post/gone');
  await doc.ready;
  for (let i = 0; i < 40; i++) {
    await Promise.all(Array.from({ length: 10 }, (_, k) => new Promise((resolve) => {
      const socket = connectTcp({ port: secure.hub.port, host: '127.0.0.1' }, () => {
        if (k % 2 === 0) socket.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
        if (k % 3 === 0) socket.destroy();
        else socket.resetAndDestroy();
      });
      socket.on('error', () => {}).on('close', resolve);
    })));
    doc.likes.increment();
  }
  await doc.saved;
  await secure.hub.endsWell();
});

test('a page that came over TLS connects over TLS', { timeout: 60000 }, async (t) => {
  const { hub } = await secureHub(t);
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const context = await browser.newContext({ ignoreHTTPSErrors: true }); // Chromium believes no authority of a test
  const page = await context.newPage();
  const sockets = [];
  page.on('websocket', (socket) => { sockets.push(socket.url()); });
  await page.goto(`${hub.http}/console`);
  await until(() => sockets.some((url) => url.startsWith(hub.url)), 'a WebSocket over TLS');
  await until(async () => (await (await fetch(`${hub.internal}/health`)).json()).connections > 0, 'the page to be connected');
  await browser.close();
  await hub.endsWell();
});

test('a page of the hub\'s own name that came in the clear is a foreign one', { timeout: 60000 }, async (t) => {
  const { hub } = await secureHub(t);
  for (const [origin, status] of [[hub.http, 101], [hub.http.replace('https', 'http'), 403]]) {
    const peer = new Peer(hub);
    peer.write(peer.request({ Origin: origin }));
    assert.equal(await peer.answered(), status, origin);
    peer.socket.destroy();
  }
  await hub.endsWell();
});

test('a certificate that is not to be trusted is told by the command line', { timeout: 60000 }, async (t) => {
  const { hub, authority, install } = await secureHub(t);
  const ask = (url, ...more) => run('syncline', ['--hub', url, '--timeout', '3', ...more, 'get', 'post/1']);
  assert.equal((await ask(hub.url, '--ca-file', authority.file)).code, 0);
  assert.match((await ask(hub.url)).stderr, /its certificate is not trusted, .*--ca-file/);
  assert.match((await ask(hub.url, '--ca-file', join(authority.dir, 'missing'))).stderr, /cannot be read/);
  assert.match((await ask(hub.url, '--ca-file', makeAuthority(t).file)).stderr, /not trusted/);
  for (const [issue, why] of [[{ names: 'DNS:other.example' }, /IP address mismatch/], [{ days: -1 }, /has expired/]]) {
    const reloads = hub.log.split('certificate-reloaded').length;
    install(authority.issue(issue));
    await until(() => hub.log.split('certificate-reloaded').length > reloads, 'the certificate to be read');
    assert.match((await ask(hub.url, '--ca-file', authority.file)).stderr, why);
  }
  await hub.endsWell();
});

test('frames are held to the same over TLS', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t, { config: 'limits: {message_bytes: 2 MiB, bytes: 0}' });
  const { hub } = secure;
  const doc = client(t, secure).open('post/by');
  await doc.ready;
  for (const [name, frames, code] of [
    ['an unmasked frame', [frame(hello), frame(ping, { masked: false })], 1002],
    ['an unmasked first frame', [frame(hello, { masked: false })], 1002],
    ['a text frame', [frame(Buffer.from('hello'), { opcode: 1 })], 1003],
    ['a message beyond the limit', [frame(hello), frame(Buffer.alloc(10), { length: 3 << 20 })], 1009],
    ['a truncated packet', [frame(hello), frame(Buffer.from([0x95, 4, 1]))], 1007],
  ]) {
    const peer = await new Peer(hub).upgraded();
    peer.write(...frames);
    assert.equal(await peer.end(), code, name);
    const hasty = new Peer(hub); // all of it in one piece, the request included
    hasty.write(hasty.request(), ...frames);
    assert.equal(await hasty.end(), code, name);
    doc.likes.increment();
    await doc.saved;
  }
  // The longest message, in one frame and in many, by sockets that are fed in pieces of their own.
  const packets = Buffer.alloc(2 << 20, ping);
  const peer = await new Peer(hub).upgraded();
  peer.write(frame(hello), frame(packets));
  await until(() => peer.received.length > packets.length, 'as many answers');
  peer.socket.destroy();
  await hub.endsWell();
});

test('who reads slowly gets all of it, and blocks nobody', { timeout: 90000 }, async (t) => {
  const secure = await secureHub(t, { config: 'limits: {updates: 0, bytes: 0}' });
  const { hub, figures } = secure;
  const doc = client(t, secure).open('post/1');
  await doc.ready;
  const pings = Buffer.alloc(900 * KIB, ping); // answered with as many bytes
  const slow = await Promise.all(Array.from({ length: 3 }, () => new Peer(hub).upgraded()));
  for (const peer of slow) {
    peer.socket.pause();
    for (const message of [hello, pings, pings, pings, pings, pings]) peer.write(frame(message));
  }
  await until(async () => (await figures()).buffer_bytes > 0, 'answers to wait to be read');
  doc.likes.increment();
  await doc.saved;
  await restful(hub);
  for (const peer of slow) peer.socket.resume();
  for (const peer of slow) {
    await until(() => peer.received.length > 5 * pings.length, 'all of it', 30000);
    const { payload: welcome } = peer.frames[0];
    await until(() => answered(peer) === welcome.length + 5 * pings.length, 'nothing to be missing');
    peer.socket.destroy();
  }
  await hub.endsWell();
});

test('who is too fast is read more slowly, and loses nothing that had come with it', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t, { config: 'limits: {updates: 100/s}' });
  const { hub, figures } = secure;
  const peer = await new Peer(hub).upgraded();
  const pings = Array.from({ length: 400 }, () => frame(ping));
  peer.write(frame(hello), ...pings); // one record: OpenSSL has all of it, and the socket nothing
  await until(() => peer.frames.length > 0, 'a WELCOME');
  const { payload: welcome } = peer.frames[0];
  const before = processor(hub);
  assert.equal((await figures()).status, 'ok');
  await until(() => answered(peer) === welcome.length + pings.length * ping.length, 'all to be answered');
  assert.ok(processor(hub) - before < 500, `to wait took ${processor(hub) - before} ms`);
  peer.socket.destroy();
  await hub.endsWell();
});

test('a changed certificate is shown to who connects then; a broken one never', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t);
  const { hub, authority, files, install } = secure;
  const doc = client(t, secure).open('post/1');
  await doc.ready;
  const first = await shown(hub);
  const told = (event) => hub.log.split(event).length - 1;
  install(authority.issue({ kind: 'rsa' }));
  await until(() => told('certificate-reloaded') === 1, 'the certificate to be read');
  const second = await shown(hub);
  assert.notEqual(second, first);
  for (const [contents, why] of [[readFileSync(authority.issue().key), /does not belong/], ['no key', /no private key/]]) {
    const failures = told('certificate-failed');
    writeFileSync(files.key, contents);
    await until(() => told('certificate-failed') === failures + 1, 'the key to be refused');
    assert.match(hub.log.split('\n').findLast((line) => line.includes('certificate-failed')), why);
    assert.equal(await shown(hub), second);
  }
  install(authority.issue());
  await until(() => told('certificate-reloaded') === 2, 'the certificate to be read');
  assert.equal([first, second].includes(await shown(hub)), false);
  doc.likes.increment(); // on the connection of the first
  await doc.saved;
  await hub.endsWell();
});

test('a certificate that cannot be used is told at the start, each with its place', { timeout: 60000 }, async (t) => {
  const authority = makeAuthority(t);
  const dir = folder(t);
  const [good, other] = [authority.issue(), authority.issue({ kind: 'rsa' })];
  const check = (certificate, key) => {
    const file = join(dir, 'hub.yaml');
    writeFileSync(file, `data: ${join(dir, 'x.db')}\ntls:\n  certificate_file: ${certificate}\n  key_file: ${key}\nschemas: {post: {likes: g-counter}}\n`);
    return run('synclined', ['check', '--config', file]);
  };
  for (const [certificate, key, place, why] of [
    [join(dir, 'missing.pem'), good.key, 'hub.yaml:3:21', /No such file/],
    [good.certificate, join(dir, 'missing.key'), 'hub.yaml:4:13', /No such file/],
    [good.key, good.key, 'hub.yaml:3:21', /no certificate in PEM/],
    [good.certificate, good.certificate, 'hub.yaml:4:13', /no private key in PEM/],
    [good.certificate, other.key, 'hub.yaml:4:13', /does not belong to the certificate/],
  ]) {
    const { code, stderr } = await check(certificate, key);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(place), stderr);
    assert.match(stderr, why);
  }
  assert.deepEqual(await check(good.certificate, good.key).then(({ code, stderr }) => [code, stderr]), [0, '']);
  const old = authority.issue({ days: -1 });
  const stale = await check(old.certificate, old.key);
  assert.equal(stale.code, 0);
  assert.match(stale.stderr, /the certificate has expired on .*; clients will refuse it/);
});

test('handshakes of TLS are handshakes, and the oldest gives way', { timeout: 60000 }, async (t) => {
  const secure = await secureHub(t, { config: 'limits: {handshakes: 16}' });
  const { hub, figures } = secure;
  const doc = client(t, secure).open('post/1');
  await doc.ready;
  const silent = Array.from({ length: 40 }, () => new Peer({ port: hub.port })); // they do not begin
  for (const [i, peer] of silent.entries()) if (i % 2 === 0) peer.write(Buffer.from([0x16, 3, 1]));
  await until(() => silent.filter(({ ended }) => ended).length >= 24, 'the oldest to be closed');
  const { handshakes, handshakes_cut } = await figures();
  assert.ok(handshakes <= 16 && handshakes_cut >= 24, `${handshakes} handshakes, ${handshakes_cut} cut`);
  doc.likes.increment();
  await doc.saved;
  await until(() => silent.every(({ ended }) => ended), 'the others to have taken too long', 20000);
  await hub.endsWell();
});
