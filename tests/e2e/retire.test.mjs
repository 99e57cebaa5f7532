/**
 * Goal:   `syncline retire` makes the ledger forget replicas that were silent, at once, and says how many; what they counted stays, what
 *         an outbox of theirs still holds is refused and kept, and who is connected stays known.
 * Method: a real hub, stores of the command line that come and go; the rows are looked at with SQL. Time passes for real: a second.
 */
import assert from 'node:assert/strict';
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { good, run, sleep, sql, startHub, syncline, until } from './support.mjs';

const rows = async (hub) => (await sql(hub.data, 'SELECT count(*) AS n FROM replicas'))[0].n;

test('silent replicas are forgotten at once, and nothing that they did', { timeout: 90000 }, async (t) => {
  const hub = await startHub(t);
  const store = join(hub.dir, 'first');
  await good(syncline(hub, '--store', store, 'increment', 'post/1', 'likes', '3'));
  await good(syncline(hub, '--store', store, '--offline', 'increment', 'post/1', 'likes', '4'));
  for (const name of readdirSync(hub.dir).filter((file) => file.startsWith('first'))) {
    cpSync(join(hub.dir, name), join(hub.dir, name.replace('first', 'late'))); // with the edit unsent
  }
  await good(syncline(hub, '--store', store, 'sync'));
  await good(syncline(hub, 'add', 'post/2', 'tags', 'kept'));
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  doc.likes.increment(10);
  await doc.saved;
  await until(async () => (await rows(hub)) === 4, 'all rows are stored');
  const all = await rows(hub);
  await sleep(1100);

  assert.equal(await good(syncline(hub, 'retire')), '0 replicas silent, 0 retired\n', 'not for 90 days');
  const told = await good(syncline(hub, 'retire', '--idle', '1s', '--dry-run'));
  assert.equal(told, `${all} replicas silent, 0 retired\n`);
  assert.equal(await rows(hub), all);
  assert.equal(await good(syncline(hub, 'retire', '--idle', '1s')), `${all} replicas silent, ${all - 1} retired\n`);
  await until(async () => (await rows(hub)) === 1, 'the one that is connected is left');
  assert.deepEqual(JSON.parse(await good(syncline(hub, 'get', 'post/1'))), { likes: 17, stock: 0, tags: [] });
  assert.deepEqual(JSON.parse(await good(syncline(hub, 'get', 'post/2'))), { likes: 0, stock: 0, tags: ['kept'] });

  // The copied outbox holds what was counted: refused, not counted again.
  const late = await syncline(hub, '--store', join(hub.dir, 'late'), 'sync');
  assert.equal(late.code, 1);
  assert.match(late.stderr, /REPLICA_EXPIRED/);
  doc.likes.increment();
  await doc.saved;
  await hub.kill();
  await hub.start();
  assert.equal(JSON.parse(await good(syncline(hub, 'get', 'post/1'))).likes, 18);
  assert.equal((await run('synclined', ['verify', '--config', hub.file])).code, 0);

  // A hub that still counts those replicas by name cannot join what has forgotten them; an empty one takes it.
  const other = await startHub(t);
  const lines = await good(syncline(hub, 'export'));
  const into = (where) => run('syncline', ['--hub', where.url, 'import'], { input: lines });
  assert.equal((await into(other)).stdout, '2 changed, 0 as they were, 0 refused\n');
  assert.equal((await into(other)).stdout, '0 changed, 2 as they were, 0 refused\n');
  assert.equal(JSON.parse(await good(syncline(other, 'get', 'post/1'))).likes, 18);
  const third = await startHub(t);
  await good(syncline(third, 'increment', 'post/1', 'likes'));
  const refused = await into(third);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /has forgotten replicas of this document/);
  assert.equal(JSON.parse(await good(syncline(third, 'get', 'post/1'))).likes, 1);
});

test('retire is an operator’s, and takes a time', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { config: 'console: off' });
  const forbidden = await syncline(hub, 'retire');
  assert.equal(forbidden.code, 1);
  assert.match(forbidden.stderr, /FORBIDDEN/);
  for (const words of [['--idle', 'long'], ['--idle', '0d'], ['now']]) {
    const { code, stderr } = await syncline(hub, 'retire', ...words);
    assert.equal(code, 2);
    assert.match(stderr, /retire takes --idle with a time/);
  }
});
