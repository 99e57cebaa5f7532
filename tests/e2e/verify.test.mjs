/**
 * Goal:   `synclined verify` finds nothing in a sound file, whatever state it was left in, and in a damaged one the row that is wrong;
 *         the file itself stays as it is.
 * Method: a real hub's file with every type, from random edits, stopped, killed with a tail in its journal, and live; then copies of
 *         it, each with one damage made by SQL, or with a page overwritten. What must be told stands beside each.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readFileSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { folder, run, sql, startHub } from './support.mjs';

const schemas = `post: {likes: g-counter, stock: pn-counter, seats: {type: bounded-counter, min: 0, max: 100}, tags: {type: or-set, of: string}, \
several: mv-register, last: lww-register, flagged: flag, counts: {type: map, of: pn-counter}, words: {type: map, of: {type: or-set}}}`;

function open(t, hub, name) {
  const client = connect(hub.url);
  t.after(() => client.close());
  return client.open(name);
}

async function fill(t, hub) {
  for (const [n, name] of ['post/1', 'post/2', 'post/3'].entries()) {
    const doc = open(t, hub, name);
    await doc.ready;
    doc.likes.increment(n + 1);
    doc.stock.decrement(2);
    doc.seats.increment(7);
    for (let i = 0; i < 50; i++) doc.tags.add(`tag ${i} ${'x'.repeat(100)}`);
    await doc.saved;
    for (let i = 0; i < 10; i++) doc.tags.delete(`tag ${i} ${'x'.repeat(100)}`);
    doc.field('several').set('some');
    doc.last.set('one');
    doc.field('flagged').enable();
    doc.counts.at('a').increment(3);
    doc.words.at('b').add('word');
    await doc.saved;
  }
}

async function verify(t, hub, data = hub.data) {
  const temporary = folder(t);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = temporary;
  const result = run('synclined', ['verify', '--config', hub.file, '--data', data]);
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  const { code, stdout, stderr } = await result;
  assert.deepEqual(readdirSync(temporary), [], 'its copies are gone');
  return { code, told: `${stdout}${stderr}` };
}

test('a sound file has no difference: live, killed with a tail, stopped, and a backup of it', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  await fill(t, hub);
  const sound = /hub\.db is sound: 3 documents\n/;
  const live = await verify(t, hub);
  assert.match(live.told, sound);
  assert.equal(live.code, 0);
  const doc = open(t, hub, 'post/1');
  await doc.ready;
  for (let i = 0; i < 20; i++) {
    doc.likes.increment();
    doc.tags.add(`late ${i}`);
  }
  await doc.saved;
  await hub.kill(); // the last ones are in the journal only
  assert.match((await verify(t, hub)).told, sound);
  await hub.start();
  const backup = join(hub.dir, 'backup.db');
  assert.equal((await run('syncline', ['--hub', hub.url, 'backup', backup])).code, 0);
  assert.match((await verify(t, hub, backup)).told, /backup\.db is sound: 3 documents/);
  await hub.stop();
  const before = readFileSync(hub.data);
  assert.match((await verify(t, hub)).told, sound);
  assert.deepEqual(readFileSync(hub.data), before);
  // A field more, and another gone: what is not declared is not looked at.
  const other = join(hub.dir, 'other.yaml');
  writeFileSync(other, readFileSync(hub.file, 'utf8').replace('flagged: flag', 'new: g-counter').replace(', words: {type: map, of: {type: or-set}}', ''));
  assert.match((await verify(t, { ...hub, file: other })).told, sound);
});

const damages = [
  ["UPDATE entries SET value = 77 WHERE document = 1 AND typeof(value) = 'integer' AND field = 0", /entries: post\/1, field 0, key : ; value is 77, and comes to 1/],
  ["UPDATE entries SET value = 9, detail = x'39' WHERE document = 2 AND field = 0", /entries \(a counter's total is not what its replicas have counted\): post\/2/],
  ["DELETE FROM entries WHERE document = 3 AND field = 0", /entries \(a counter's total[^]*post\/3/],
  ["UPDATE entries SET position = position + 1000 WHERE document = 1 AND field = 3", /entries: post\/1: a row has position/],
  ["UPDATE entries SET detail = x'c1' WHERE document = 2 AND field = 3", /entries: post\/2, position \d+: makes no sense/],
  ["DELETE FROM document_fields WHERE document = 1 AND field = 3", /document_fields: post\/1, field 3: the row is missing/],
  ["UPDATE document_fields SET horizon = position WHERE document = 1 AND field = 3", /(removals|document_fields): post\/1, field 3/],
  ["DELETE FROM replicas WHERE document = 2", /replicas \(the row of a dot's replica is missing\): post\/2/],
  ["UPDATE replicas SET seq = 1 WHERE document = 2", /replicas \(the ledger lacks a dot that is there\): post\/2/],
  ["UPDATE replicas SET number = 5 WHERE document = 3", /replicas: post\/3: number 5, and the next is 1/],
  ["UPDATE replicas SET detail = x'00' WHERE document = 1", /replicas: post\/1, position \d+: makes no sense/],
  ["UPDATE documents SET position = position + 1000 WHERE id = 1", /documents: post\/1: position \d+, and the journal has given \d+/],
  ["UPDATE documents SET next_index = 0 WHERE id = 1", /replicas: post\/1: number 0, and the next is 0/],
  ["INSERT INTO entries SELECT 99, field, key, value, detail, position FROM entries WHERE document = 1", /entries: \d+ rows of document 99, which is not there/],
  ["INSERT INTO entries SELECT document, 77, key, value, detail, position FROM entries WHERE document = 1 AND field = 0", /entries: post\/1: a row of field 77, which was never declared/],
  ["INSERT INTO removals SELECT document, field, key, position FROM entries WHERE document = 1 AND field = 3 LIMIT 1", /removals: post\/1: field 3, key .* is removed, and there/],
  ["INSERT INTO journal(at, batch) VALUES (1, x'00')", /the replay ended|cannot be read|journal/],
  ["INSERT INTO journal(at, batch) VALUES (1, x'920100'); INSERT INTO journal(position, at, batch) SELECT seq + 2, 1, x'920100' FROM sqlite_sequence", /the table journal is damaged/],
];

test('each damage is told with its row', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  await fill(t, hub);
  await hub.stop();
  for (const [sql, expected] of damages) {
    const data = join(folder(t), 'hub.db');
    copyFileSync(hub.data, data);
    execFileSync('sqlite3', [data, sql]);
    const { code, told } = await verify(t, hub, data);
    assert.match(told, expected, sql);
    assert.match(told, /hub\.db: \d+ differences\n$/);
    assert.equal(code, 1, sql);
  }
});

test('a page that was overwritten is told of, and never brings it down', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  await fill(t, hub);
  await hub.stop();
  const pages = statSync(hub.data).size / 4096;
  let found = 0;
  for (let page = 1; page <= pages; page++) {
    const data = join(folder(t), 'hub.db');
    copyFileSync(hub.data, data);
    const file = openSync(data, 'r+');
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096);
    closeSync(file);
    const { code, told } = await verify(t, hub, data);
    assert.ok(code === 0 || code === 1, `page ${page}: ${told}`);
    found += code;
  }
  const [{ free }] = await sql(hub.data, 'SELECT freelist_count AS free FROM pragma_freelist_count');
  assert.ok(found >= pages - free, `${found} of ${pages} pages, of which ${free} are free`);
  const { code, told } = await verify(t, hub, join(hub.dir, 'nowhere.db'));
  assert.equal(code, 1);
  assert.match(told, /nowhere\.db/);
});
