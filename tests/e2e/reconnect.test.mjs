/**
 * Goal:   edits made around a kill of the hub arrive exactly once, and what was acknowledged is still there.
 * Method: two clients of the package against a real hub, which is killed while edits are under way, started again on the same
 *         file, and at last restored from a copy taken before; then one whose schema is not the hub's. The oracle counts the edits.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { good, run, sleep, startHub, until } from './support.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

function member(t, hub) {
  const client = connect(hub.url, { schema });
  t.after(() => client.close());
  return { client, doc: client.open('post/1') };
}

test('edits made while the hub is killed and started again arrive exactly once', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const a = member(t, hub);
  const b = member(t, hub);
  await Promise.all([a.doc.synced, b.doc.synced]);
  let likes = 0;
  const edit = () => {
    for (const { doc } of [a, b]) {
      doc.likes.increment();
      doc.tags.add(`tag ${likes++}`);
    }
  };
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 20; i++) {
      edit();
      if (i === 10) await hub.kill(); // some are under way, some acknowledged, some not sent
      await sleep(5);
    }
    await hub.start();
    await Promise.all([a.doc.saved, b.doc.saved]);
  }
  const fresh = member(t, hub);
  await fresh.doc.synced;
  for (const { doc } of [a, b, fresh]) {
    await until(() => doc.likes.value === likes, 'all likes, once');
    assert.equal(doc.tags.size, likes);
    assert.equal(doc.pending, 0);
  }
});

test('after an older backup is restored, edits that the hub never had arrive once, though what they follow is lost', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const a = member(t, hub);
  const b = member(t, hub);
  const edit = ({ doc }, tag) => {
    doc.likes.increment(3);
    doc.tags.add(tag);
  };
  for (const tag of ['kept', 'also kept']) {
    edit(a, tag);
    await a.doc.saved;
  }
  const copy = join(hub.dir, 'copy.db');
  execFileSync('sqlite3', [hub.data, `.backup ${copy}`]);
  for (const tag of ['lost', 'lost too']) {
    edit(a, tag);
    await a.doc.saved;
  }
  await until(() => b.doc.likes.value === 12, 'all is seen');
  await hub.kill();
  edit(a, 'made meanwhile');
  edit(b, 'made by the other');
  a.doc.tags.delete('kept');
  await good(run('synclined', ['restore', '--from', copy, '--config', hub.file]));
  await hub.start();
  await Promise.all([a.doc.saved, b.doc.saved]);
  const fresh = member(t, hub);
  await fresh.doc.synced;
  for (const { doc } of [fresh, a, b]) {
    await until(() => doc.likes.value === 12 && doc.tags.size === 3, 'the kept and the new');
    assert.deepEqual(doc.tags.value, ['also kept', 'made by the other', 'made meanwhile']);
    assert.deepEqual(doc.rejected, []);
  }
});

test('a schema that is not the hub’s moves no edit to another field and loses none', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const client = connect(hub.url, { schema: { post: { likes: 'pn-counter', extra: 'g-counter', tags: 'or-set' } } });
  t.after(() => client.close());
  const doc = client.open('post/1');
  doc.extra.increment(5);
  doc.likes.decrement();
  doc.tags.add('known by both');
  await doc.saved;
  assert.deepEqual(doc.rejected.map(({ code, edits }) => [code, edits]), [
    ['UNKNOWN_FIELD', { extra: { increment: 5 } }], ['UNKNOWN_FIELD', { likes: { increment: 0, decrement: 1 } }]]);
  doc.stock.increment();
  doc.likes.increment(2);
  await doc.saved;
  const other = member(t, hub);
  await other.doc.synced;
  assert.deepEqual(other.doc.value, { likes: 2, stock: 1, tags: ['known by both'] });
});
