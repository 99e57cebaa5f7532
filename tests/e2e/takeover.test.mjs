/**
 * Goal:   a second hub takes a running one's place, and nobody who connects is refused, no acknowledged edit is lost, none counts twice;
 *         one that cannot take it leaves the first as it was.
 * Method: real hubs on one file, one after the other, while bare connections are made all the time, and clients edit. Each connection that
 *         fails, or is closed before it could speak, counts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect } from 'syncline';
import { Peer, hello } from './socket.mjs';
import { bin, freePort, run, sql, startHub, until } from './support.mjs';
import { receiver, startHubWithWebhooks } from './webhooks.mjs';

const SCHEMAS = 'post: {likes: g-counter, stock: pn-counter}';

/** A second hub for the file of the first. */
function second(t, hub, file = hub.file) {
  const child = spawn(join(bin, 'synclined'), ['serve', '--config', file, '--listen', `127.0.0.1:${hub.port}`, '--take-over'],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  const next = { process: child, port: hub.port, log: '', exited: once(child, 'close').then(([code]) => code), lines: [] };
  child.stderr.on('data', (data) => { next.log += data; });
  createInterface(child.stdout).on('line', (line) => next.lines.push(line));
  t.after(() => child.kill('SIGKILL'));
  return next;
}

async function takeOver(t, before) {
  const next = second(t, before.hub);
  await until(() => next.lines.length > 0, `the second hub (${next.log})`);
  assert.equal(await before.exited, 0, before.log);
  return { ...next, hub: before.hub };
}

const first = (hub) => ({ hub, exited: once(hub.process, 'exit').then(([code]) => code), process: hub.process });

async function stop({ process, exited }) {
  process.kill('SIGTERM');
  return exited;
}

/** Connects all the time, `width` at once, each until the hub has said WELCOME. */
function connectAlways(hub, width = 8) {
  const seen = { good: 0, failed: [], wanted: true };
  const one = async () => {
    while (seen.wanted) {
      const peer = new Peer(hub);
      peer.write(peer.request());
      const status = await peer.answered().catch((error) => error.message);
      const upgraded = status === 101;
      if (upgraded) peer.write(Buffer.from([0x82, 0x85, 0, 0, 0, 0]), hello);
      const welcomed = upgraded && (await peer.messages(1)).length > 0;
      if (welcomed) seen.good += 1;
      else seen.failed.push(`${status} ${peer.code} ${peer.received.length}`);
      peer.socket.destroy();
    }
  };
  const all = Promise.all(Array.from({ length: width }, one));
  seen.end = () => { seen.wanted = false; return all; };
  return seen;
}

test('hub after hub takes the place of the one before, and no connection is refused', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: SCHEMAS });
  let running = first(hub);
  assert.equal(statSync(`${hub.data}.control`).mode & 0o777, 0o600);
  const clients = Array.from({ length: 4 }, () => connect(hub.url, { store: 'memory' }));
  t.after(() => clients.forEach((client) => client.close()));
  const docs = clients.map((client) => client.open('post/1'));
  await Promise.all(docs.map((doc) => doc.synced));
  let made = 0;
  const editing = setInterval(() => { docs[made % docs.length].likes.increment(); made += 1; }, 3);
  t.after(() => clearInterval(editing));
  const seen = connectAlways(hub);
  for (let i = 0; i < 4; i++) {
    const before = seen.good;
    running = await takeOver(t, running);
    await until(() => seen.good > before + 20, 'connections to the next hub');
  }
  await seen.end();
  assert.deepEqual(seen.failed, []);
  clearInterval(editing);
  await Promise.all(docs.map((doc) => doc.saved));
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, `${made}\n`);
  assert.equal(await stop(running), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT likes FROM post'), [{ likes: made }]);
});

test('the operators’ address and webhooks go on with the next hub, or with the first if that is to stay', { timeout: 120000 }, async (t) => {
  const port = await freePort();
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url }], { schemas: SCHEMAS, config: `internal: "127.0.0.1:${port}"` });
  const like = async () => assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes'])).code, 0);
  const isReady = async () => (await fetch(`http://127.0.0.1:${port}/ready`)).status === 200;
  const told = (likes) => until(() => at.got.at(-1)?.changes.likes === likes, 'what stands');
  await like();
  await told(1);
  const other = join(hub.dir, 'other.yaml');
  writeFileSync(other, readFileSync(hub.file, 'utf8').replace('likes: g-counter', 'likes: {type: or-set, of: string}'));
  assert.equal(await second(t, hub, other).exited, 1);
  await until(isReady, 'the first hub’s address for operators');
  await like();
  await told(2);
  const next = await takeOver(t, first(hub));
  await until(isReady, 'the next hub’s address for operators');
  await like();
  await told(3);
  assert.deepEqual(at.got.map(({ changes }) => changes.likes), [1, 2, 3]);
  assert.equal(await stop(next), 0);
});

test('one that cannot start leaves the first where it is', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: SCHEMAS });
  assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes', '3'])).code, 0);
  const seen = connectAlways(hub, 2);
  const good = readFileSync(hub.file, 'utf8');
  const other = join(hub.dir, 'other.yaml');
  const refused = async (text, code, sentence) => {
    writeFileSync(other, text);
    const next = second(t, hub, other);
    assert.equal(await next.exited, code, next.log);
    assert.match(next.log, sentence);
    await until(async () => (await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout === '3\n', 'the first hub');
  };
  await refused(`${good}durabilty: full\n`, 2, /unknown key "durabilty"/);
  assert.doesNotMatch(hub.log, /drain/, 'nobody was disturbed');
  // What only the database can tell is found when it is free: the first hub comes back.
  await refused(good.replace('likes: g-counter', 'likes: {type: or-set, of: string}'), 1, /field post\.likes holds data of type g-counter/);
  await hub.logs(/this one goes on/);
  await seen.end();
  assert.deepEqual(seen.failed, []);
  assert.equal(await hub.stop(), 0);
});

test('one that dies on the way leaves the first where it is', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: SCHEMAS });
  const seen = connectAlways(hub, 2);
  for (let i = 1; i <= 3; i++) {
    const silent = new Peer(hub); // the first hub waits a second for who has connected, and the second waits for the first
    await once(silent.socket, 'connect');
    const next = second(t, hub);
    await until(() => hub.log.split('drain for').length > i, 'it to begin');
    next.process.kill('SIGKILL');
    await next.exited;
    await until(() => hub.log.split('this one goes on').length > i, 'the first hub to come back');
    assert.doesNotMatch(next.log, /ready/);
    assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes', '1'])).code, 0);
  }
  await seen.end();
  assert.deepEqual(seen.failed, []);
});

test('a reload that is asked for while another hub takes over disturbs neither', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: SCHEMAS });
  const silent = new Peer(hub); // whom the first waits for, so that the second can be held in time
  await once(silent.socket, 'connect');
  const next = second(t, hub);
  await until(() => hub.log.includes('drain for'), 'it to begin');
  next.process.kill('SIGSTOP');
  await until(() => / stopped$/m.test(hub.log), 'the first hub to wait for the second');
  hub.process.kill('SIGHUP');
  next.process.kill('SIGHUP');
  next.process.kill('SIGCONT');
  await until(() => next.lines.length > 0, `the second hub (${next.log})`);
  await until(() => hub.process.exitCode !== null || hub.process.signalCode !== null, 'the first to end');
  assert.equal(hub.process.exitCode, 0);
  assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes', '1'])).code, 0);
  assert.equal(await stop(next), 0, next.log);
});

test('it takes a place of its own where nobody is, and of nobody at another address', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: SCHEMAS });
  const elsewhere = second(t, { ...hub, port: 1 });
  assert.equal(await elsewhere.exited, 1);
  assert.match(elsewhere.log, /it listens elsewhere than this configuration says/);
  await hub.kill();
  const next = second(t, hub);
  await until(() => next.lines.length > 0, `the second hub (${next.log})`);
  await until(() => /nobody-to-take-over-from/.test(next.log), 'the log to say so');
  assert.equal(await stop(next), 0, next.log);
});
