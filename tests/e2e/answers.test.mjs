/**
 * Goal:   requests are answered whole, now, later or in pieces, whatever comes before, with and behind them.
 * Method: a server of nothing but `server/net` (tests/server/answering.c) that answers bodies with themselves; raw sockets and Node's HTTP.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { makeAuthority } from './certificates.mjs';
import { Peer } from './socket.mjs';
import { bin, until } from './support.mjs';

async function answering(t, authority) {
  const files = authority === undefined ? [] : Object.values(authority.issue());
  const child = spawn(join(bin, 'answering'), files, { stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { port: 0, lines: [], log: '', tls: authority?.trust };
  t.after(() => child.kill('SIGKILL'));
  child.stderr.on('data', (data) => { server.log += data; });
  createInterface(child.stdout).on('line', (line) => server.lines.push(line));
  await until(() => server.lines.length > 0, 'the server to listen');
  server.port = Number(/:(\d+)\/$/.exec(server.lines.shift())[1]);
  server.endsWell = async () => {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, server.log);
    assert.doesNotMatch(server.log, /Sanitizer|runtime error/);
  };
  return server;
}

/** One request by Node's client; answers status, headers and the whole body. */
function ask(server, method, path, body, { agent, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const { request: begin } = server.tls === undefined ? http : https;
    const request = begin({ ...server.tls, port: server.port, host: '127.0.0.1', method, path, agent, headers: { ...headers, 'content-length': body.length } }, async (answer) => {
      const pieces = [];
      for await (const piece of answer) pieces.push(piece);
      resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const random = (length) => Buffer.from(Array.from({ length }, () => Math.floor(Math.random() * 256)));
const statuses = (peer) => [...peer.received.toString('latin1').matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));

for (const [over, secure] of [['TCP', false], ['TLS', true]]) {
  test(`${over}: bodies of all lengths are read whole and answered, one after the other on a connection`, { timeout: 60000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const path of ['/echo', '/later']) {
        for (const length of [0, 1, 4095, 4096, 4097, 70000, 1 << 20]) {
          const body = random(length);
          const answer = await ask(server, method, path, body, { agent });
          assert.equal(answer.status, 200);
          assert.ok(answer.body.equals(body), `${method} ${path} ${length}`);
          assert.notEqual(answer.headers.connection, 'close');
        }
      }
    }
    agent.destroy();
    await server.endsWell();
  });

  test(`${over}: requests in one piece are answered in order, each with its own target and body`, { timeout: 30000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const peer = new Peer(server);
    const post = (path, body) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const bodies = ['GET / HTTP/1.1\r\n\r\n', 'second', '', '\r\n\r\n\r\n', 'last'];
    peer.write(...bodies.map((body, i) => post(i % 2 === 0 ? '/echo' : '/later', body)), 'GET /a+b;c&d%2Be HTTP/1.1\r\nHost: x\r\n\r\n');
    const text = () => peer.received.toString('latin1');
    await until(() => statuses(peer).length === 6, 'all answers');
    const answered = text().split(/HTTP\/1\.1 200 OK\r\n/).slice(1).map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4));
    assert.deepEqual(answered.map((body) => body.replace(/HTTP\/1.1 200.*$/s, '')), [...bodies, '/a+b;c&d+e']);
    await server.endsWell();
  });

  test(`${over}: what is too long, or not clear, is refused with a sentence`, { timeout: 60000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const over = (1 << 20) + 1;
    for (const [name, head, status] of [
      ['a body that is too long', `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ${over}\r\n\r\n${'x'.repeat(over)}`, 413],
      ['a body beyond all', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n', 413],
      ['a length that is none', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
      ['a length with more behind it', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nx', 400],
      ['two lengths', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', 400],
      ['chunks', 'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n', 411],
      ['a length and chunks', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 411],
      ['space before a colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
      ['a control byte', 'GET / HTTP/1.1\r\nHost: x\r\nxyz: b\x01c\r\n\r\n', 400],
      ['dots', 'GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['escaped dots', 'GET /a/%2e%2E/b HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['dots at the end', 'GET /a/.. HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['an escaped slash', 'GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['a byte that must be escaped', 'GET /ä HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['a head without an end', `GET / HTTP/1.1\r\nHost: x\r\na: ${'x'.repeat(13000)}`, 431],
      ['a head that is too long', `GET / HTTP/1.1\r\nHost: x\r\na: ${'x'.repeat(20000)}\r\n\r\n`, 431],
    ]) {
      const peer = new Peer(server);
      peer.write(head);
      assert.equal(await peer.answered(), status, name);
      const { status: told, detail } = JSON.parse(peer.body);
      assert.deepEqual([told, typeof detail], [status, 'string'], name);
      assert.equal(peer.body.length, Number(/content-length: (\d+)/.exec(peer.received)[1]));
      await until(() => peer.ended, `the end after ${name}`, 20000);
    }
    // What libwebsockets refuses by itself it ends.
    for (const head of ['GET /%00 HTTP/1.1\r\n\r\n', 'GET /%zz HTTP/1.1\r\n\r\n', '\r\n\r\n', 'GET\r\n\r\n', 'BREW / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nxyz: b\r\n c\r\n\r\n']) {
      const peer = new Peer(server);
      peer.write(head);
      await until(() => peer.ended, JSON.stringify(head), 20000);
      assert.notEqual(peer.status, 200);
    }
    assert.ok((await ask(server, 'PUT', '/echo', Buffer.from('x'))).body.equals(Buffer.from('x')));
    await server.endsWell();
  });

  test(`${over}: who is answered before the body is not waited for, and gets to read that`, { timeout: 60000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const peer = new Peer(server);
    peer.write('POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n');
    assert.equal(await peer.answered(), 401);
    peer.write('x'.repeat(300000));
    await until(() => peer.ended, 'the end');
    const patient = new Peer(server);
    patient.write('POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n');
    await until(() => patient.received.includes('\r\n\r\n'), 'to go on');
    assert.equal(patient.received.toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    patient.write('abc');
    await until(() => patient.received.toString().endsWith('abc'), 'the answer');
    await server.endsWell();
  });

  test(`${over}: a long answer comes as fast as it is read, and takes no memory`, { timeout: 60000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const pieces = 1000; // more than sockets keep
    const peer = new Peer(server);
    peer.socket.pause();
    peer.write(`GET /stream?${pieces} HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    peer.socket.resume();
    await until(() => peer.received.subarray(-5).toString() === '/next', 'the answer behind it');
    const first = peer.received.indexOf('\r\n\r\n') + 4;
    let at = first;
    for (let i = pieces; i > 0; i--) {
      assert.equal(peer.received.toString('latin1', at, at + 6), '2710\r\n');
      assert.equal(peer.received[at + 6], 97 + (i % 26), `piece ${i}`);
      at += 6 + 10000 + 2;
    }
    assert.equal(peer.received.toString('latin1', at, at + 5), '0\r\n\r\n');
    const old = new Peer(server);
    old.write('GET /stream?3 HTTP/1.0\r\n\r\n');
    await until(() => old.ended, 'the end of the answer, which has no other');
    assert.equal(old.body.length, 30000);
    const head = new Peer(server);
    head.write('HEAD /stream?3 HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => statuses(head).length === 2, 'nothing between');
    await server.endsWell();
  });

  test(`${over}: a peer that leaves is told of, and too many that wait are refused`, { timeout: 60000 }, async (t) => {
    const server = await answering(t, secure ? makeAuthority(t) : undefined);
    const gone = () => server.lines.filter((line) => line.startsWith('gone')).length;
    for (const path of ['/never', '/forever', '/stream?1000000']) {
      const before = gone();
      const peer = new Peer(server);
      peer.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      if (path === '/never') await new Promise((resolve) => { setTimeout(resolve, 100); });
      else await peer.answered();
      assert.equal(gone(), before);
      peer.socket.destroy();
      await until(() => gone() === before + 1, `${path} to be gone`);
    }
    const waiting = Array.from({ length: 8 }, () => new Peer(server));
    for (const peer of waiting) peer.write('GET /forever HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all(waiting.map((peer) => peer.answered()));
    for (const method of ['GET', 'POST']) assert.equal((await ask(server, method, '/later', Buffer.alloc(0))).status, 503, method);
    assert.equal((await ask(server, 'GET', '/now', Buffer.alloc(0))).status, 200);
    for (const peer of waiting) peer.socket.destroy();
    await until(async () => (await ask(server, 'POST', '/later', Buffer.from('x'))).status === 200, 'room');
    await server.endsWell();
  });
}
