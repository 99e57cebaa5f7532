/**
 * Goal:   what a target was told survives restarts, crashes and restores: nothing is lost, and after a clean stop nothing
 *         is sent twice; and a target that takes nothing costs a bounded part of it.
 * Method: hubs that are stopped, killed, and started on a copy of their data, beside receivers that stay.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { run, sleep, sql, startHub, until } from './support.mjs';
import { receiver, startHubWithWebhooks, stored, syncline, target, webhooks } from './webhooks.mjs';

/** So many documents, with so many likes each. */
async function like(t, hub, count, likes = 1, prefix = 'post/') {
  const client = connect(hub.url);
  const docs = Array.from({ length: count }, (_, i) => client.open(`${prefix}${i}`));
  await Promise.all(docs.map((doc) => doc.ready));
  for (const doc of docs) doc.likes.increment(likes);
  await Promise.all(docs.map((doc) => doc.saved));
  await client.close();
  return docs.map(({ name }) => name);
}

const has = (at, names, likes) => names.every((name) => stored(at.got)[name]?.likes === likes);

test('after a clean stop nothing is sent twice, and what changed last is not forgotten', { timeout: 60000 }, async (t) => {
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url }]);
  const names = await like(t, hub, 10);
  await until(() => has(at, names, 1), 'what stands');
  assert.equal(await hub.stop(), 0);
  const before = at.got.length;
  await hub.start();
  await syncline(hub, 'increment', 'post/3', 'likes');
  await until(() => stored(at.got)['post/3'].likes === 2, 'the change after it');
  assert.equal(at.got.length, before + 1);
});

test('what a target was not told while it or the hub was away it is told later', { timeout: 60000 }, async (t) => {
  const at = await receiver(t, { answer: (request, response) => response.writeHead(503).end() });
  const hub = await startHubWithWebhooks(t, [{ url: at.url, retry_min: '1s', retry_max: '1s', failures: 2 }]);
  const names = await like(t, hub, 5);
  await until(() => at.got.length >= 2, 'attempts');
  assert.equal(await hub.stop(), 0);
  const rows = await sql(hub.data, 'SELECT document, position, attempts FROM webhook_waiting');
  assert.deepEqual(rows.map(({ document }) => document).sort(), names);
  assert.ok(rows.some(({ attempts }) => attempts > 0) && rows.every(({ position }) => position < 5));
  at.answer = (request, response) => response.end();
  at.got.length = 0;
  await hub.start();
  await until(() => has(at, names, 1), 'what stands');
});

test('what is erased stays nowhere, and who was told of it, or is owed it, is told that it is gone', { timeout: 60000 }, async (t) => {
  const secret = 'secret-of-carol';
  const away = await receiver(t, { answer: (request, response) => response.writeHead(503).end() });
  const strict = await receiver(t, { answer: (request, response) => response.writeHead(422).end() });
  const hub = await startHubWithWebhooks(t, [
    { name: 'away', url: away.url, retry_min: '1h', retry_max: '1h' }, { name: 'strict', url: strict.url }]);
  await syncline(hub, 'add', 'post/1', 'tags', secret);
  const waits = () => sql(hub.data, "SELECT document FROM webhook_waiting WHERE attempts > 0 UNION ALL SELECT document FROM webhook_dead");
  await until(async () => (await waits()).length === 2, 'what waits, and a dead letter');

  const erased = await run('syncline', ['--hub', hub.url, 'erase', 'post/1']);
  const position = Number(/erased at position (\d+)/.exec(erased.stdout)?.[1]);
  await syncline(hub, 'increment', 'post/2', 'likes');
  await until(async () => (await sql(hub.data, `SELECT target FROM webhook_targets WHERE position > ${position}`)).length === 2, 'the cursors behind it');
  await hub.kill();
  const files = readdirSync(hub.dir).filter((name) => /^hub\.db(-wal|-shm)?$/.test(name));
  assert.deepEqual(files.filter((name) => readFileSync(join(hub.dir, name)).includes(secret)), []);
  for (const at of [away, strict]) {
    at.got.length = 0;
    at.answer = (request, response) => response.end();
  }
  await hub.start();
  await until(() => away.got.some(({ document }) => document === 'post/1'), 'the news that it is gone');
  const told = away.got.find(({ document }) => document === 'post/1');
  assert.deepEqual([told.position, told.changes.tags], [position, []]);
  await syncline(hub, 'webhooks', 'resend', 'strict');
  await until(() => strict.got.some(({ document }) => document === 'post/1'), 'the dead letter, as it stands now');
  assert.equal(JSON.stringify([...away.got, ...strict.got]).includes(secret), false);
});

test('kill -9 loses no change; a repeat has its id', { timeout: 120000 }, async (t) => {
  const at = await receiver(t, { answer: (request, response) => setTimeout(() => response.end(), Math.random() * 30) });
  const hub = await startHubWithWebhooks(t, [{ url: at.url }]);
  let likes = 0;
  let names;
  for (let round = 0; round < 6; round++) {
    names = await like(t, hub, 12);
    likes++;
    await sleep(Math.random() * 300);
    await hub.kill();
    await hub.start();
  }
  await until(() => has(at, names, likes), 'what stands');
  const bodies = new Map();
  for (const { id, document, position, after, changes } of at.got) {
    const body = JSON.stringify({ document, position, after, changes });
    assert.equal(bodies.get(id) ?? body, body);
    bodies.set(id, body);
  }
});

test('documents without room to be remembered are found by the cursor', { timeout: 120000 }, async (t) => {
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url, waiting: 10, parallel: 8 }]);
  assert.deepEqual(await syncline(hub, 'webhooks', 'pause', 'orders'), [{ owed: 0 }]);
  const names = await like(t, hub, 200);
  const seen = await until(async () => {
    const found = await target(hub);
    return found.behind && found;
  }, 'a target that is behind');
  assert.deepEqual([seen.paused, seen.owed, at.got.length], [true, 10, 0]);
  assert.equal(await hub.stop(), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT count(*) AS count FROM webhook_waiting'), [{ count: 10 }]);
  await hub.start();
  await like(t, hub, 50);
  assert.equal((await target(hub)).paused, true);
  await syncline(hub, 'webhooks', 'resume', 'orders');
  await until(() => has(at, names.slice(0, 50), 2) && names.slice(50).every((name) => stored(at.got)[name]?.likes === 1), 'all of them');
  await until(async () => !(await target(hub)).behind, 'a target that is not behind');
});

test('a new target is told all from the beginning, or what changes from now on', { timeout: 60000 }, async (t) => {
  const early = await receiver(t);
  const late = await receiver(t);
  const first = await startHub(t);
  const names = await like(t, first, 30, 2);
  assert.equal(await first.stop(), 0);
  const hub = await startHubWithWebhooks(t, [
    { name: 'early', url: early.url, from: 'beginning', documents: ['post/1*', 'post/7'] },
    { name: 'late', url: late.url },
  ], { data: first.data });
  const wanted = names.filter((name) => /^post\/(1|7$)/.test(name));
  await until(() => has(early, wanted, 2), 'what stands');
  await syncline(hub, 'increment', 'post/7', 'likes');
  await until(() => stored(late.got)['post/7']?.likes === 3, 'what changes');
  assert.deepEqual(Object.keys(stored(late.got)), ['post/7']);
  assert.deepEqual(Object.keys(stored(early.got)).sort(), wanted.sort());
});

test('a hub that was restored goes on from the restore point, under its new journal', { timeout: 60000 }, async (t) => {
  const at = await receiver(t);
  const config = webhooks(t, [{ url: at.url }]);
  const hub = await startHub(t, { config });
  await like(t, hub, 5);
  await until(() => Object.keys(stored(at.got)).length === 5, 'the first messages');
  await until(async () => (await sql(hub.data, 'SELECT position FROM webhook_targets'))[0]?.position === (await target(hub)).position, 'the cursor');
  const copy = `${hub.data}.copy`;
  execFileSync('sqlite3', [hub.data, `.backup ${copy}`]);
  await like(t, hub, 5, 1, 'post/lost-');
  await until(() => stored(at.got)['post/lost-4'] !== undefined, 'what the backup lacks');
  await hub.stop();
  const old = at.got[0].journal;
  execFileSync('sqlite3', [copy, `INSERT INTO ancestors SELECT value, (SELECT seq FROM sqlite_sequence WHERE name = 'journal') FROM meta WHERE key = 'journal';
    UPDATE meta SET value = randomblob(16) WHERE key = 'journal';`]);
  at.got.length = 0;
  const restored = await startHub(t, { config, data: copy });
  await syncline(restored, 'increment', 'post/2', 'likes');
  await until(() => stored(at.got)['post/2']?.likes === 2, 'a change after the restore');
  assert.notEqual(at.got.at(-1).journal, old);
  assert.deepEqual(Object.keys(stored(at.got)), ['post/2']);
});

test('a stop waits for what is under way, within its bound', { timeout: 60000 }, async (t) => {
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const at = await receiver(t, { answer: async (request, response) => { await held; response.end(); } });
  const hub = await startHubWithWebhooks(t, [{ url: at.url }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.got.length === 1, 'a message under way');
  const stopped = hub.stop();
  await until(() => hub.log.includes('drain signal'), 'the stop');
  release();
  assert.equal(await stopped, 0);
  assert.deepEqual(await sql(hub.data, 'SELECT count(*) AS count FROM webhook_waiting'), [{ count: 0 }]);
});

test('a stop does not wait for a target that hangs', { timeout: 60000 }, async (t) => {
  const at = await receiver(t, { answer: () => {} });
  const hub = await startHubWithWebhooks(t, [{ url: at.url, timeout: '1m' }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.got.length === 1, 'a message under way');
  assert.equal(await hub.stop(), 0);
  assert.ok(!hub.log.includes('drain-late'), hub.log);
  assert.deepEqual(await sql(hub.data, 'SELECT document, position FROM webhook_waiting'), [{ document: 'post/1', position: 0 }]);
  at.answer = (request, response) => response.end();
  await hub.start();
  await until(() => at.got.length === 2, 'the message again');
  assert.equal(at.got[0].id, at.got[1].id);
});
