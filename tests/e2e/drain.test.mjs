/**
 * Goal:   a hub that is told to stop under load does so within its bound: clients are asked to come back later, what was acknowledged is in
 *         the tables, and the next start finds nothing to replay; a second signal is not waited for.
 * Method: clients that edit as fast as they can while the signal comes, a disk that never takes anything, and SQL on what is left.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from 'syncline';
import { encodePacket } from 'syncline/internal/protocol/every';
import { dial } from './packets.mjs';
import { run, sql, startHub, until } from './support.mjs';

test('what was acknowledged under load is in the tables when the hub has stopped', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter}' });
  const clients = Array.from({ length: 8 }, () => connect(hub.url, { store: 'memory' }));
  t.after(() => clients.forEach((client) => client.close()));
  const docs = clients.flatMap((client, i) => Array.from({ length: 20 }, (_, k) => client.open(`post/${i}-${k}`)));
  await Promise.all(docs.map((doc) => doc.synced));
  const { socket, packets } = await dial(hub);
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  await until(() => packets.length > 0, 'the welcome');
  let made = 0;
  const editing = setInterval(() => { for (const doc of docs) doc.likes.increment(); made += 1; }, 2);
  t.after(() => clearInterval(editing));
  await until(() => made > 50 && docs.every((doc) => doc.likes.value > 10), 'edits');
  assert.equal(await hub.stop(), 0, hub.log);
  assert.doesNotMatch(hub.log, /drain-late/);
  clearInterval(editing);
  const goaway = packets.find(({ type, name }) => type === 'EVENT' && name === 'goaway');
  assert.deepEqual(Object.fromEntries(goaway.data), { min_ms: 500, max_ms: 5000 });
  assert.deepEqual(await sql(hub.data, 'SELECT count(*) AS batches FROM journal'), [{ batches: 0 }]);
  const stored = new Map((await sql(hub.data, 'SELECT key, likes FROM post')).map(({ key, likes }) => [key, likes]));
  for (const doc of docs) assert.ok(stored.get(doc.name.slice(5)) >= made - doc.pending && stored.get(doc.name.slice(5)) <= made, doc.name);
  await hub.start();
  await Promise.all(docs.map((doc) => doc.saved));
  assert.deepEqual((await sql(hub.data, 'SELECT max(position) > 0 AS any FROM documents'))[0], { any: 1 });
  for (const doc of docs.slice(0, 3)) {
    assert.equal((await run('syncline', ['--hub', hub.url, 'get', doc.name, 'likes'])).stdout, `${made}\n`);
  }
});

test('a bound that is too short for the disk is kept, and the journal has the rest', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter}', config: 'drain: 0s' });
  const client = connect(hub.url, { store: 'memory' });
  t.after(() => client.close());
  const docs = Array.from({ length: 200 }, (_, i) => client.open(`post/${i}`));
  await Promise.all(docs.map((doc) => doc.synced));
  for (const doc of docs) doc.likes.increment(2);
  await Promise.all(docs.map((doc) => doc.saved));
  assert.equal(await hub.stop(), 0);
  client.close();
  writeFileSync(hub.file, readFileSync(hub.file, 'utf8').replace('drain: 0s', 'drain: 30s'));
  await hub.start();
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/199', 'likes'])).stdout, '2\n');
  assert.equal(await hub.stop(), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT count(*) AS documents, sum(likes) AS likes FROM post'), [{ documents: 200, likes: 400 }]);
});

/** Keeps the hub from writing to its file until it ends. */
async function lockFile(t, file) {
  const shell = spawn('sqlite3', [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => shell.kill('SIGKILL'));
  shell.stdin.write('BEGIN IMMEDIATE;\nSELECT 1;\n');
  await once(shell.stdout, 'data');
  return async () => {
    const exited = once(shell, 'exit');
    shell.stdin.end('ROLLBACK;\n');
    await exited;
  };
}

for (const [what, drain, signals, log] of [
  ['the bound ends what the disk does not', '1s', 1, /drain-late/],
  ['a second signal ends what the first would wait for', '1h', 2, /hurry signal=15/],
]) {
  test(what, { timeout: 60000 }, async (t) => {
    const hub = await startHub(t, { schemas: 'post: {likes: g-counter}', config: `drain: ${drain}` });
    const client = connect(hub.url, { store: 'memory' });
    t.after(() => client.close());
    const doc = client.open('post/1');
    await doc.synced;
    doc.likes.increment(3);
    await doc.saved;
    const unlock = await lockFile(t, hub.data);
    doc.likes.increment(); // which waits for the disk, as the rows of the first do
    const exited = once(hub.process, 'exit');
    hub.process.kill('SIGTERM');
    await until(() => hub.log.includes('drain signal=15'), 'the signal to be taken');
    if (signals === 2) hub.process.kill('SIGTERM');
    await until(() => log.test(hub.log), 'the hub to give up waiting');
    await unlock();
    assert.deepEqual(await exited, [0, null]);
    await hub.start();
    await doc.saved;
    assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, '4\n');
  });
}
