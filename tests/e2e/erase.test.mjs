/**
 * Goal:   what `syncline erase` takes leaves no byte in the hub's file and log, every client that syncs, and comes back by no outbox that
 *         had sent it; what else there is stays.
 * Method: a real hub with a secret in rows, journal, refused updates and free pages, beside other data; the files' bytes are searched for
 *         it, live, after a kill and after a stop. Clients are away meanwhile, with a copied store whose edits were taken already.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { good, run, sql, startHub, syncline, until } from './support.mjs';

const schemas = 'post: {likes: g-counter, seats: {type: bounded-counter, min: 0, max: 5}, tags: {type: or-set, of: string}, all: g-set, twice: 2p-set, last: lww-register, numbers: {type: or-set, of: int}}';
const get = async (hub, name) => JSON.parse(await good(syncline(hub, 'get', name)));

/** Where the text stands among the hub's bytes. */
function findsOf(hub, text) {
  return readdirSync(hub.dir, { withFileTypes: true }).filter((entry) => entry.isFile() && entry.name.startsWith('hub.db'))
    .map(({ name }) => name).filter((name) => readFileSync(join(hub.dir, name)).includes(text));
}

function open(t, hub, name) {
  const client = connect(hub.url);
  t.after(() => client.close());
  return client.open(name);
}

async function away(hub, name, document, ...edits) {
  const store = join(hub.dir, name);
  for (const edit of edits) await good(syncline(hub, '--store', store, ...edit));
  await good(syncline(hub, '--store', store, 'get', document));
  return store;
}

test('an element leaves every byte of the hub, every client, and does not come back', { timeout: 90000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const secret = 'secret-of-alice';
  const long = `${secret} ${'y'.repeat(3000)}`;
  const doc = open(t, hub, 'post/1');
  await doc.ready;
  for (let i = 0; i < 200; i++) doc.tags.add(`other ${i} ${'x'.repeat(500)}`);
  await doc.saved;
  const before = await away(hub, 'before', 'post/1', ['add', 'post/1', 'tags', secret, long], ['add', 'post/1', 'all', secret], ['add', 'post/1', 'twice', secret]);
  const copies = readdirSync(hub.dir).filter((name) => name.startsWith('before'));
  await good(syncline(hub, '--store', before, '--offline', 'add', 'post/1', 'tags', 'unsent'));
  await until(() => doc.tags.has(secret), 'all see it');
  doc.tags.delete(`other 0 ${'x'.repeat(500)}`);
  await doc.saved;
  await good(syncline(hub, 'remove', 'post/1', 'twice', secret));
  assert.ok(findsOf(hub, secret).length > 0);

  const told = await good(syncline(hub, 'erase', 'post/1', 'tags', secret));
  assert.match(told, /^post\/1: erased at position \d+\n {2}rows {7}the element, all removals, updates that were refused\n {2}journal {4}everything up to position \d+\n/);
  assert.match(await good(syncline(hub, 'erase', 'post/1', 'tags', long)), /erased at/);
  assert.match(await good(syncline(hub, 'erase', 'post/1', 'all', secret)), /erased at/);
  assert.match(await good(syncline(hub, 'erase', 'post/1', 'twice', secret)), /erased at/);
  assert.match(await good(syncline(hub, 'erase', 'post/1', 'tags', secret)), /nothing of it was there any more/);
  assert.deepEqual(findsOf(hub, secret), []);
  await until(() => !doc.tags.has(secret) && !doc.tags.has(long), 'the client that is connected');
  assert.equal(doc.tags.size, 199);

  for (const name of copies) cpSync(join(hub.dir, name), join(hub.dir, name.replace('before', 'copied')));
  await good(syncline(hub, '--store', before, 'sync'));
  for (const at of [before, join(hub.dir, 'copied')]) {
    const shown = JSON.parse(await good(syncline(hub, '--store', at, 'get', 'post/1')));
    assert.equal(shown.tags.includes(secret), false);
    assert.equal(shown.tags.includes('unsent'), true);
    assert.deepEqual([shown.all, shown.twice], [[], []]);
  }
  assert.deepEqual(findsOf(hub, secret), []);
  await hub.kill();
  await hub.start();
  assert.equal((await get(hub, 'post/1')).tags.length, 200);
  assert.deepEqual(findsOf(hub, secret), []);
  doc.tags.add(secret); // a new edit is a new edit
  await doc.saved;
  assert.equal((await get(hub, 'post/1')).tags.includes(secret), true);
  await hub.stop();
  assert.match((await run('synclined', ['verify', '--config', hub.file])).stdout, /is sound: 1 documents/);
});

test('a document leaves with all that it had, and replicas from before cannot bring it back', { timeout: 90000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const secret = 'secret-of-bob';
  const keeper = open(t, hub, 'post/2');
  await keeper.ready;
  for (let i = 0; i < 50; i++) keeper.tags.add(`kept ${i}`);
  keeper.likes.increment(5);
  await keeper.saved;
  // What a copied profile holds as sent and not acknowledged: it was taken.
  await good(syncline(hub, '--store', join(hub.dir, 'known'), 'get', 'post/1'));
  await good(syncline(hub, '--store', join(hub.dir, 'known'), '--offline', 'add', 'post/1', 'tags', `${secret} again`));
  for (const name of readdirSync(hub.dir).filter((file) => file.startsWith('known'))) cpSync(join(hub.dir, name), join(hub.dir, name.replace('known', 'copied')));
  await good(syncline(hub, '--store', join(hub.dir, 'known'), 'sync'));
  const doc = open(t, hub, 'post/1');
  await doc.ready;
  doc.likes.increment(3);
  doc.tags.add(secret);
  doc.last.set(`${secret} too`);
  await doc.saved;
  await syncline(hub, 'increment', 'post/1', 'seats', '9'); // refused
  assert.ok(findsOf(hub, secret).length > 0);

  const told = await good(syncline(hub, 'erase', 'post/1'));
  assert.match(told, /^post\/1: erased at position \d+\n {2}rows {7}all fields \(\d\) and \d replicas, updates that were refused\n/);
  assert.deepEqual(findsOf(hub, secret), []);
  const empty = { likes: 0, seats: 0, tags: [], all: [], twice: [], last: null, numbers: [] };
  assert.deepEqual(await get(hub, 'post/1'), empty);
  await until(() => doc.tags.size === 0 && doc.likes.value === 0, 'the client that is connected');
  const late = await syncline(hub, '--store', join(hub.dir, 'copied'), 'sync');
  assert.match(late.stderr, /REPLICA_EXPIRED|GAP|^$/);
  assert.deepEqual((await get(hub, 'post/1')).likes, 0);
  assert.deepEqual(await sql(hub.data, 'SELECT entries.* FROM entries JOIN documents ON documents.id = document WHERE documents.key = \'1\' AND value NOT IN (0, \'[]\', \'null\')'), []);
  assert.equal((await get(hub, 'post/2')).likes, 5);
  assert.equal((await get(hub, 'post/2')).tags.length, 50);
  doc.likes.increment(7); // of the session that was there before: its app's again
  await until(() => doc.rejected.length === 1, 'it is refused');
  assert.deepEqual(doc.rejected.map(({ code, edits }) => [code, edits]), [['REPLICA_EXPIRED', { likes: { increment: 7 } }]]);
  doc.likes.increment(2); // the session goes on under a fresh replica
  await until(async () => (await get(hub, 'post/1')).likes === 2, 'a new edit is a new edit');
  await hub.kill();
  await hub.start();
  assert.equal((await get(hub, 'post/1')).likes, 2);
  await hub.stop();
  assert.deepEqual(existsSync(`${hub.data}-wal`), false);
  assert.match((await run('synclined', ['verify', '--config', hub.file])).stdout, /is sound: 2 documents/);
});

test('erase is an operator’s, and says what it takes', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  await good(syncline(hub, 'add', 'post/1', 'numbers', '7', '8'));
  await good(syncline(hub, 'erase', 'post/1', 'numbers', '7'));
  assert.deepEqual((await get(hub, 'post/1')).numbers, [8]);
  for (const [words, code, why] of [
    [[], 2, /erase takes NAME/], [['post/1', 'tags'], 2, /erase takes NAME/], [['post'], 2, /schema\/key/],
    [['post/1', 'none', 'x'], 2, /no such field/], [['post/1', 'numbers', 'x'], 2, /no element/],
    [['post/1', 'likes', '1'], 1, /BAD_PARAMETERS: field is the name of a set/], [['other/1'], 1, /UNKNOWN_SCHEMA/],
  ]) {
    const result = await syncline(hub, 'erase', ...words);
    assert.match(result.stderr, why);
    assert.equal(result.code, code, words.join(' '));
  }
  const closed = await startHub(t, { schemas, config: 'console: off' });
  assert.match((await syncline(closed, 'erase', 'post/1')).stderr, /FORBIDDEN/);
});
