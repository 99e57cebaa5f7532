/**
 * Goal:   the whole hub, with libwebsockets, libuv and SQLite in it, goes on when memory runs out, or stops with a sentence and the
 *         exit code 1; what it has acknowledged is there after the restart, and what clients send again counts once.
 * Method: the real process with a malloc before it that refuses the n-th allocation after the start, and some behind it, while
 *         clients connect, edit, reconnect and ask for pages, a backend edits over HTTP with Idempotency-Keys, and webhooks tell of all
 *         of it; n is spread over all allocations of a run without a failure.
 *         MEMORY_RUNS says how many are played; MEMORY_FIRST and MEMORY_LENGTH play one again.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { bin, folder, sleep, startHub, until } from './support.mjs';
import { receiver, stored, webhooks } from './webhooks.mjs';

const library = join(bin, 'libfailing.so');
const runs = Number(process.env.MEMORY_RUNS ?? 12);
const EDITS = 30;
const BACKEND_EDITS = 6;
/** What jansson and the types say of a good edit, too, when they have no memory for it (docs/reliability.md). */
const NOT_TOLD_APART = ['BAD_JSON', 'BAD_EDIT'];
const LENGTHS = [1, 20, 400];

/** The numbers that the hub's malloc shares with the test. */
function control(t) {
  const path = join(folder(t), 'control');
  writeFileSync(path, Buffer.alloc(32));
  const file = openSync(path, 'r+');
  t.after(() => closeSync(file));
  const set = (first, length) => {
    const bytes = Buffer.alloc(32);
    bytes.writeBigUInt64LE(BigInt(first), 0);
    bytes.writeBigUInt64LE(BigInt(length), 8);
    writeSync(file, bytes, 0, 32, 0);
  };
  const get = (at) => {
    const bytes = Buffer.alloc(32);
    readSync(file, bytes, 0, 32, 0);
    return Number(bytes.readBigUInt64LE(at));
  };
  return { path, set, counted: () => get(16), failed: () => get(24) };
}

const mint = () => mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes));

/** Writes `EDITS` likes to a document, and comes back when its connection ends, until all are acknowledged. */
class Writer {
  constructor(hub, name) {
    Object.assign(this, { hub, name, replica: mint(), acked: 0, ledger: 0, closed: false, opened: false, problem: '' });
    this.connect();
  }

  connect() {
    this.opened = false;
    const socket = new WebSocket(this.hub.url, 'syncline.v1');
    this.socket = socket;
    socket.on('open', () => {
      socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
      socket.send(encodePacket({ type: 'OPEN', id: 1, name: this.name, replicas: [this.replica] }));
    });
    socket.on('message', (data) => decodeMessage(new Uint8Array(data)).forEach((packet) => this.take(packet)));
    socket.on('error', () => {}); // a hub that is gone: `close` follows
    socket.on('close', () => { if (!this.closed) setTimeout(() => { if (!this.closed) this.connect(); }, 50); });
  }

  take(packet) {
    if (packet.type === 'OPENED') {
      this.ledger = packet.ledger[0].seq;
      if (this.ledger < this.acked) this.problem ||= `${this.acked} was acknowledged, and ${this.ledger} is there`;
      this.acked = this.ledger;
      this.opened = true;
      this.send();
    }
    if (packet.type === 'ACK') this.acked = Math.max(this.acked, packet.seq);
    if (packet.type === 'GAP') this.send(packet.next);
    if (packet.type === 'REJECT') this.problem ||= `refused with ${packet.code}`;
    if (packet.type === 'ERROR' || packet.type === 'CLOSE') this.socket.terminate(); // and all over again
  }

  send(from = this.acked + 1) {
    for (let seq = from; seq <= EDITS && this.socket.readyState === 1; seq++) {
      this.socket.send(encodePacket({ type: 'DELTA', id: 1, replica: null, first: seq, last: seq,
        context: { position: 0, seen: [] }, changes: new Map([[0, seq]]) }));
    }
  }

  close() {
    this.closed = true;
    this.socket.terminate();
  }
}

/** Counts by HTTP, each time with a key of its own, until it is told that it has: who is not, asks again, and that counts once. */
class Backend {
  constructor(hub, name) {
    Object.assign(this, { hub, url: () => `${hub.http}/api/documents/${name}`, done: 0, closed: false, problem: '' });
    this.ended = this.count();
  }

  async increment() {
    const headers = { 'content-type': 'application/json', 'idempotency-key': `edit-${this.done}` };
    const answer = await fetch(`${this.url()}/likes/increment`, { method: 'POST', headers, body: '{"by":1}', signal: AbortSignal.timeout(5000) });
    const text = await answer.text();
    const { code } = JSON.parse(text);
    if (answer.status !== 200 && answer.status < 500 && !NOT_TOLD_APART.includes(code)) this.problem ||= `answered ${answer.status}: ${text}`;
    return answer.status === 200;
  }

  async count() {
    while (!this.closed && this.done < BACKEND_EDITS) {
      const counted = await this.increment().catch(() => false); // nobody is there
      this.done += counted ? 1 : 0;
      if (!counted) await sleep(50);
    }
  }

  async likes() {
    return (await (await fetch(this.url())).json()).values.likes;
  }

  close() {
    this.closed = true;
    return this.ended;
  }
}

/** Clients come and go, edit, and ask; ends when everything is acknowledged. */
async function work(hub, writers) {
  for (const name of ['post/1', 'post/2', 'post/3']) writers.push(new Writer(hub, name));
  const ask = (path) => fetch(hub.http + path, { signal: AbortSignal.timeout(5000) }).catch(() => {}); // it may not be answered
  await Promise.all(['/health', '/ready', '/', '/missing'].map(ask));
  for (let i = 0; i < 3; i++) {
    await sleep(20);
    writers[i].socket.terminate();
  }
}

const told = ({ got }) => Object.fromEntries(Object.entries(stored(got)).map(([name, { likes }]) => [name, likes]).sort());
const expected = { 'post/1': EDITS, 'post/2': EDITS, 'post/3': EDITS, 'post/4': BACKEND_EDITS };

const died = (hub) => hub.process.exitCode !== null || hub.process.signalCode !== null;

/**
 * Stops the hub, and answers whether it had stopped already: with a sentence then, and the exit code 1. It may be about to when it is
 * told to: what ran out of memory may have been a webhook's, after all else had come to rest.
 */
async function stopped(hub, what) {
  const alone = died(hub);
  const code = await hub.stop();
  if (code === 0 && !alone) return false;
  assert.ok(code === 1 || hub.process.signalCode === 'SIGTERM', `${what}: it ended with ${hub.process.signalCode ?? code}: ${hub.log}`);
  assert.match(hub.log, /error hub-stops .*memory/, 'it says why');
  return true;
}

/** Answers whether the hub stopped, and how many allocations there were and how many of them failed. */
async function run(t, first, length) {
  const shared = control(t);
  const hook = await receiver(t);
  const config = webhooks(t, [{ url: hook.url, retry_min: '1s', retry_max: '1s' }]);
  const hub = await startHub(t, { config, wrap: ['env', `LD_PRELOAD=${library}`, `FAILING_CONTROL=${shared.path}`] });
  const writers = [];
  let ended;
  let counted;
  let failed;
  const backend = new Backend(hub, 'post/4');
  const settled = () => {
    assert.deepEqual({ problem: backend.problem, counted: backend.done, acked: writers.map(({ acked }) => acked) }, { problem: '', counted: BACKEND_EDITS, acked: writers.map(() => EDITS) });
    return true;
  };
  const problems = () => [...writers, backend].map(({ problem }) => problem).filter((problem) => problem !== '');
  try {
    shared.set(first, length);
    await work(hub, writers);
    await until(() => died(hub) || settled(), `n=${first}: everything is acknowledged`);
    counted = shared.counted();
    failed = shared.failed();
    shared.set(0, 0);
    ended = await stopped(hub, `n=${first}, ${length} at once`);
    if (ended) {
      await hub.start();
      await until(settled, `n=${first}: everything is acknowledged, after the restart`);
      assert.equal(await hub.stop(), 0, hub.log);
    }
    for (const writer of writers) writer.opened = false;
    await hub.start();
    await until(() => writers.every(({ opened, ledger }) => opened && ledger === EDITS), `n=${first}: what was acknowledged is there`);
    assert.equal(await backend.likes(), BACKEND_EDITS, `n=${first}: what was asked for again counts once`);
    await until(() => { assert.deepEqual(told(hook), expected); return true; }, `n=${first}: webhooks have told of everything`);
    assert.deepEqual(problems(), [], `n=${first}`);
  } finally {
    writers.forEach((writer) => writer.close());
    await hub.kill();
    await backend.close();
  }
  return { ended, counted, failed };
}

test('a hub that runs out of memory goes on, or stops with a sentence, and loses nothing',
  { timeout: 20000 + runs * 20000, skip: existsSync(library) ? false : 'a sanitizer has malloc' }, async (t) => {
    const { counted: allocations, failed: none } = await run(t, 0, 1);
    assert.ok(allocations > 100 && none === 0, `${allocations} allocations were counted, ${none} failed`);
    const broken = [];
    let met = 0;
    let stops = 0;
    for (let i = 0; i < runs; i++) {
      const first = Number(process.env.MEMORY_FIRST ?? 1 + Math.floor(((i + 0.5) * allocations) / runs));
      const length = Number(process.env.MEMORY_LENGTH ?? LENGTHS[i % LENGTHS.length]);
      const take = ({ ended, failed }) => {
        stops += ended ? 1 : 0;
        met += failed > 0 ? 1 : 0;
      };
      await run(t, first, length).then(take, (error) => broken.push(`${first}, ${length} at once: ${error.message}`));
    }
    t.diagnostic(`of ${runs} runs of ${allocations} allocations: ${met} met a failure, ${stops} stopped`);
    assert.deepEqual(broken, []);
    assert.ok(met > runs / 2, `${met} of ${runs} runs met a failure`); // not all come to as many allocations
  });

test('whichever allocation of an accepted socket fails, the hub can be stopped',
  { timeout: 120000, skip: existsSync(library) ? false : 'a sanitizer has malloc' }, async (t) => {
    const ends = [];
    for (let first = 1; first <= 6; first++) ends.push(await run(t, first, 1));
    assert.ok(ends.every(({ failed }) => failed === 1), JSON.stringify(ends));
  });
