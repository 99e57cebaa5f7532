/**
 * Goal:   what is acknowledged survives kills of hub and clients, exactly once; and the test of that (tests/crash) can tell.
 * Method: a short run of it, `./dev crash` plays long ones; its model is shown values that are wrong in one thing each; and what it
 *         writes behind a log is shown to SQLite, whole and torn.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createModel, findWrong, stockRange } from '../crash/model.mjs';
import { play } from '../crash/run.mjs';
import { tearLog, tears, wholeFrame } from '../crash/wal.mjs';
import { folder } from './support.mjs';

test('nothing acknowledged is lost, and nothing counts twice, when hub and clients are killed', { timeout: 120000 }, async (t) => {
  const { figures, counts } = await play(t, { seed: 3, kills: 10 });
  assert.ok(figures.kills >= 10 && figures.starting > 0 && figures.members > 0, JSON.stringify(figures));
  assert.ok(counts.acknowledged > 0, JSON.stringify(counts));
});

/** Two makers, of whom the second has seen the first one's first edit, and has been refused one thing of two. */
function twoMakers() {
  const model = createModel();
  model.hear('a.1', { edit: 'shop/0', number: 1, seen: {}, calls: [['likes', 'increment', 3], ['tags', 'add', 'x']] });
  model.hear('a.1', { edit: 'shop/0', number: 2, seen: { 'a.1': 1 }, calls: [['title', 'set', 'first'], ['cart', 'put', 'k', 'increment', 2]] });
  model.hear('a.1', { take: 'shop/0', amount: 5 });
  model.hear('a.1', { saved: 'shop/0', edits: 2, takes: 1 });
  model.hear('b.1', { edit: 'shop/0', number: 1, seen: { 'a.1': 1 }, calls: [['tags', 'remove', 'x'], ['note', 'set', 'n']] });
  model.hear('b.1', { take: 'shop/0', amount: -4 });
  model.hear('b.1', { take: 'shop/0', amount: -3 });
  model.hear('b.1', { refused: 'shop/0', seq: 3, amount: -3 });
  model.hear('b.1', { saved: 'shop/0', edits: 1, takes: 2 });
  return model;
}

const right = { edits: ['a.1:1', 'a.1:2', 'b.1:1'], likes: 3, balance: 0, tags: [], title: 'first', note: ['n'], open: false, cart: { k: 2 }, stock: 1 };

test('what is lost, doubled or made up is found', () => {
  const model = twoMakers();
  const wrong = (value) => findWrong({ ...right, ...value }, model.historyOf('shop/0'), [model.least('shop/0', 'saved'), 'acknowledged']);
  assert.deepEqual(wrong({}), []);
  for (const [value, text] of [
    [{ edits: ['a.1:1', 'b.1:1'], title: null, cart: {} }, "a.1's edits up to 2 were acknowledged, and those behind 1 are lost"],
    [{ edits: ['a.1:2', 'b.1:1'], likes: 0 }, 'a.1:1 is not there, though a later one is'],
    [{ edits: [...right.edits, 'c.1:1'] }, 'c.1:1 was never made'],
    [{ likes: 6 }, 'likes is 6, expected 3'],
    [{ tags: ['x'] }, 'tags is ["x"], expected []'],
    [{ title: 'other' }, 'title is other, which others had replaced'],
    [{ note: ['n', 'm'] }, 'note is ["n","m"], expected ["n"]'],
    [{ cart: { k: 4 } }, 'cart is {"k":4}, expected {"k":2}'],
    [{ stock: -1 }, 'stock is -1'],
  ]) {
    assert.deepEqual(wrong(value), [text]);
  }
  assert.deepEqual(stockRange(model.historyOf('shop/0')), { least: 1, most: 1 });
});

test('a client that is killed leaves open what it was not told', () => {
  const model = twoMakers();
  model.hear('b.1', { take: 'shop/0', amount: 6 });
  model.hear('b.2', { refused: 'shop/0', seq: 3, amount: -3 });
  assert.deepEqual(stockRange(model.historyOf('shop/0')), { least: 1, most: 10 });
});

test('SQLite drops what a power loss leaves behind the last commit, and would take the same frame whole', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const database = join(dir, 'log.db');
  const writer = spawn('sqlite3', [database], { stdio: ['pipe', 'pipe', 'inherit'] });
  writer.stdin.write("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(9000)); SELECT 'there';\n");
  await once(writer.stdout, 'data');
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  for (const [name, tear] of [...Object.entries(tears), ['whole', wholeFrame]]) {
    const copy = join(dir, `${name}.db`);
    for (const end of ['', '-wal']) copyFileSync(database + end, copy + end);
    assert.ok(tearLog(copy, tear), name);
    const seen = execFileSync('sqlite3', [copy, 'PRAGMA integrity_check; SELECT count(*) FROM t'], { encoding: 'utf8' });
    if (name === 'whole') assert.notEqual(seen, 'ok\n1\n');
    else assert.equal(seen, 'ok\n1\n', name);
  }
});
