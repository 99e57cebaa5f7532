/**
 * Goal:   `synclined restore` puts a backup in place so that nothing acknowledged before the backup is lost, what clients that were
 *         ahead hold unsent counts exactly once, and they all show what the hub has; and it refuses whatever would lose data.
 * Method: a real hub, the package's client and the command line with a store, edits around a copy that SQLite makes of the live file.
 *         The oracle counts the edits by hand.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { good, run, sql, startHub, syncline, until } from './support.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

function member(t, hub) {
  const client = connect(hub.url, { schema });
  t.after(() => client.close());
  return client.open('post/1');
}

function edit(doc, tag) {
  doc.likes.increment();
  doc.tags.add(tag);
}

/** The command line with a store of its own. */
function shell(hub, name) {
  const store = join(hub.dir, `${name}.store`);
  return (...words) => good(syncline(hub, '--store', store, ...words));
}

const copy = (from, to) => execFileSync('sqlite3', [from, `.backup ${to}`]);

const restore = (hub, from) => good(run('synclined', ['restore', '--from', from, '--config', hub.file]));

/** A hub, a client that has edited once, and a backup with that edit. */
async function startWithBackup(t) {
  const hub = await startHub(t);
  const a = member(t, hub);
  edit(a, 'kept');
  await a.saved;
  const backup = join(hub.dir, 'backup.db');
  copy(hub.data, backup);
  return { hub, a, backup };
}

async function allShow(docs, likes, tags) {
  for (const doc of docs) {
    await until(() => doc.likes.value === likes && doc.tags.size === tags.length, `${likes} likes and ${tags.length} tags`);
    assert.deepEqual(doc.tags.value, tags);
    assert.deepEqual(doc.rejected, []);
    assert.equal(doc.pending, 0);
  }
}

test('clients that were ahead of the backup and hold unsent edits are in step again, and lose no edit of theirs', { timeout: 90000 }, async (t) => {
  const hub = await startHub(t);
  const a = member(t, hub);
  const b = member(t, hub);
  const c = shell(hub, 'c');
  for (const [doc, tag] of [[a, 'a kept'], [b, 'b kept']]) {
    edit(doc, tag);
    await doc.saved;
  }
  await c('add', 'post/1', 'tags', 'c kept');
  const backup = join(hub.dir, 'backup.db');
  copy(hub.data, backup);
  const [{ last }] = await sql(backup, "SELECT seq AS last FROM sqlite_sequence WHERE name = 'journal'");
  const [{ journal }] = await sql(backup, "SELECT hex(value) AS journal FROM meta WHERE key = 'journal'");
  edit(a, 'a lost');
  await a.saved;
  await c('increment', 'post/1', 'likes', '10'); // acknowledged behind the backup: lost, and not sent again
  await c('add', 'post/1', 'tags', 'c lost');
  await until(() => b.likes.value === 13, 'b has seen all of it');
  await hub.kill(); // a log is left, which must not be taken for the backup's
  edit(a, 'a unsent');
  a.tags.delete('b kept');
  edit(b, 'b unsent');
  await c('--offline', 'increment', 'post/1', 'likes', '100');
  await c('--offline', 'remove', 'post/1', 'tags', 'a kept');
  await c('--offline', 'add', 'post/1', 'tags', 'c unsent');

  const told = await restore(hub, backup);
  assert.match(told, new RegExp(`everything up to position ${last}, journal [0-9a-f]{32}\n`));
  const aside = /kept as (.*)\n/.exec(told)[1];
  assert.equal((await sql(aside, "SELECT hex(value) AS journal FROM meta WHERE key = 'journal'"))[0].journal, journal);
  const [{ behind }] = await sql(aside, "SELECT seq AS behind FROM sqlite_sequence WHERE name = 'journal'");
  assert.ok(behind > last, 'what was lost is kept aside');
  assert.deepEqual(await sql(hub.data, 'SELECT hex(journal) AS journal, position FROM ancestors'), [{ journal, position: last }]);

  await hub.start();
  await c('sync');
  await Promise.all([a.saved, b.saved]);
  const tags = ['a unsent', 'b unsent', 'c kept', 'c unsent'];
  await allShow([a, b, member(t, hub)], 2 + 1 + 1 + 100, tags);
  assert.deepEqual(JSON.parse(await c('get', 'post/1')), { likes: 104, stock: 0, tags });
});

test('a backup is restored again, and what clients had seen of the first restored hub still counts as seen', { timeout: 90000 }, async (t) => {
  const { hub, a, backup } = await startWithBackup(t);
  await hub.stop();
  await restore(hub, backup);
  await hub.start();
  const b = member(t, hub); // knows the second journal only
  edit(b, 'lost');
  await b.saved;
  await until(() => b.likes.value === 2, 'b is in step');
  await hub.stop();
  b.tags.delete('kept');
  edit(b, 'unsent');
  await restore(hub, backup);
  assert.equal((await sql(hub.data, 'SELECT count(*) AS n FROM ancestors'))[0].n, 2);
  await hub.start();
  await b.saved;
  await allShow([a, b, member(t, hub)], 2, ['unsent']);
});

test('a backup goes to a machine that had no data, from a folder that cannot be written', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const a = member(t, hub);
  edit(a, 'kept');
  await a.saved;
  await hub.stop();
  const away = join(hub.dir, 'away');
  mkdirSync(away);
  copyFileSync(hub.data, join(away, 'backup.db'));
  chmodSync(away, 0o500);
  const data = join(hub.dir, 'new', 'hub.db');
  mkdirSync(join(hub.dir, 'new'));
  const restored = await run('synclined', ['restore', '--from', join(away, 'backup.db'), '--data', data]);
  chmodSync(away, 0o700);
  assert.doesNotMatch(await good(restored), /kept as/);
  assert.equal(statSync(data).mode & 0o777, 0o600);
  const other = await startHub(t, { data });
  await allShow([member(t, other)], 1, ['kept']);
  assert.deepEqual(readdirSync(away), ['backup.db']);
});

test('a restore that cannot be good leaves everything as it was', { timeout: 60000 }, async (t) => {
  const { hub, a, backup } = await startWithBackup(t);
  const refused = async (from, why, args = ['--config', hub.file]) => {
    const { code, stdout, stderr } = await run('synclined', ['restore', ...(from === undefined ? [] : ['--from', from]), ...args]);
    assert.notEqual(code, 0);
    assert.match(stderr, why);
    assert.equal(stdout, '');
  };
  await refused(backup, /in use by another hub: stop it/);
  await hub.stop();
  const before = readFileSync(hub.data);

  const part = join(hub.dir, 'part.db');
  copyFileSync(backup, part);
  truncateSync(part, statSync(part).size - 4096);
  const other = join(hub.dir, 'other.db');
  execFileSync('sqlite3', [other, 'CREATE TABLE mine(x)']);
  const newer = join(hub.dir, 'newer.db');
  copyFileSync(backup, newer);
  execFileSync('sqlite3', [newer, "UPDATE meta SET value = 99 WHERE key = 'format'"]);
  const noise = join(hub.dir, 'noise.db');
  writeFileSync(noise, 'this is a text, and no database at all: '.repeat(200));
  const empty = join(hub.dir, 'empty.db');
  writeFileSync(empty, '');
  const rotten = join(hub.dir, 'rotten.db');
  copyFileSync(backup, rotten);
  execFileSync('sqlite3', [rotten, "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_documents_1'"]);

  await refused(part, /damaged|malformed|disk image/);
  await refused(rotten, /damaged|malformed/);
  await refused(other, /not one of Syncline's/);
  await refused(newer, /format 99/);
  await refused(noise, /not a database/);
  await refused(empty, /is empty/);
  await refused(join(hub.dir, 'nowhere.db'), /No such file/);
  await refused(hub.data, /is the backup itself/);
  await refused(undefined, /--from BACKUP is missing/);
  await refused(backup, /--config FILE is missing/, []);
  await refused(backup, /its folder cannot be read/, ['--data', join(hub.dir, 'no', 'such', 'hub.db')]);
  assert.deepEqual(readFileSync(hub.data), before);
  assert.deepEqual(readdirSync(hub.dir).filter((name) => /restoring|before/.test(name)), []);
});

test('a data file that is damaged beyond reading is kept aside with its log, and the backup takes its place', { timeout: 60000 }, async (t) => {
  const { hub, a, backup } = await startWithBackup(t);
  await hub.stop();
  writeFileSync(hub.data, Buffer.alloc(8192, 0xee));
  writeFileSync(`${hub.data}-wal`, 'a log of something else');
  const aside = /kept as (.*)\n/.exec(await restore(hub, backup))[1];
  assert.deepEqual(readFileSync(aside), Buffer.alloc(8192, 0xee));
  assert.equal(readFileSync(`${aside}-wal`, 'utf8'), 'a log of something else');
  await hub.start();
  await a.saved;
  await allShow([a, member(t, hub)], 1, ['kept']);
});
