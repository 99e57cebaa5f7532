/**
 * Goal:   a document behaves as its types promise: sets like `Set`, one change for a transaction, and the view after a refusal.
 * Method: a document without a client; the test gives it the hub's packets and takes what it would send.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDocument } from '../../../clients/js/dist/document.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/packets.js';

const JOURNAL = new Uint8Array(16);
const FIELDS = [
  { number: 0, name: 'likes', type: 'g-counter' }, { number: 1, name: 'stock', type: 'pn-counter' },
  { number: 2, name: 'tags', type: 'or-set', of: 'string' }, { number: 3, name: 'things', type: 'or-set', of: 'any' },
];

function start() {
  let minted = 0;
  const told = { change: [], pending: [], rejected: [], error: [], status: [] };
  const made = { told, flushes: 0, closed: 0 };
  const handle = createDocument('post/1', () => new Uint8Array(16).fill(++minted), FIELDS,
    () => { made.flushes += 1; }, () => { made.closed += 1; });
  for (const name of Object.keys(told)) handle.document.on(name, (event) => told[name].push(event));
  const sent = () => handle.session.takeSends().frozen.flatMap((bytes) => decodeMessage(bytes));
  return Object.assign(made, { handle, document: handle.document, sent });
}

function online(made, fields = { 0: 0, 1: 0, 2: [], 3: [] }, position = 0) {
  made.handle.session.open(1, JOURNAL);
  made.handle.receive({ type: 'OPENED', id: 1, fields: FIELDS, rights: 3, position, ledger: [{ index: null, seq: 0 }] });
  made.handle.receive({ type: 'SNAPSHOT', id: 1, position, fields });
  made.told.change.length = 0;
  return made;
}

test('a set is like a Set', () => {
  const { document: { tags } } = online(start(), { 2: [[[[0, 1, 1]], ['b', 'a']]] }, 1);
  assert.deepEqual([...tags], ['a', 'b']);
  assert.equal(tags.size, 2);
  assert.equal(tags.has('a'), true);
  assert.equal(tags.has('c'), false);
  tags.add('c');
  tags.add('c');
  assert.deepEqual([...tags.values()], ['a', 'b', 'c']);
  assert.equal(tags.delete('a'), true);
  assert.equal(tags.delete('a'), false);
  const seen = [];
  tags.forEach((element) => seen.push(element));
  assert.deepEqual(seen, ['b', 'c']);
  tags.clear();
  assert.equal(tags.size, 0);
  tags.add('d');
  assert.deepEqual(tags.value, ['d']);
});

test('bytes, lists and maps are elements by value', () => {
  const { document: { things } } = online(start());
  things.add({ a: [1, { b: null }] });
  things.add(Uint8Array.of(1, 2));
  assert.equal(things.has({ a: [1, { b: null }] }), true);
  assert.equal(things.delete(Uint8Array.of(1, 2)), true);
  assert.deepEqual(things.value, [{ a: [1, { b: null }] }]);
});

test('a transaction is one update and one change', () => {
  const made = online(start());
  const { document: doc, told } = made;
  doc.transact(() => {
    doc.likes.increment(2);
    doc.transact(() => { doc.stock.decrement(3); doc.tags.add('a'); });
    doc.tags.add('b');
    doc.tags.delete('a');
    assert.deepEqual(told.change, [], 'not before it ends');
    assert.deepEqual(doc.tags.value, ['b'], 'but shown inside');
  });
  assert.deepEqual(told.change, [{ local: true }]);
  assert.deepEqual(told.pending, [5]);
  assert.equal(made.flushes, 1);
  const [delta, ...more] = made.sent();
  assert.deepEqual(more, []);
  assert.deepEqual([delta.first, delta.last], [1, 5]);
  assert.deepEqual([...delta.changes], [[0, 2], [1, [0, 3]], [2, [false, ['b'], ['a']]]]);
});

test('an empty transaction is nothing, and one that throws tells what it did', () => {
  const { document: doc, told } = online(start());
  doc.transact(() => {});
  assert.deepEqual(told.change, []);
  assert.throws(() => doc.transact(() => { doc.likes.increment(); throw new Error('mine'); }), /mine/);
  assert.deepEqual(told.change, [{ local: true }]);
  doc.likes.increment();
  assert.equal(told.change.length, 2);
});

test('a refused update rolls back and is told', () => {
  const { document: doc, told, handle, sent } = online(start(), { 0: 4, 2: [[[[0, 1, 1]], ['a']]] }, 1);
  doc.transact(() => { doc.likes.increment(3); doc.tags.delete('a'); doc.tags.add('b'); });
  assert.equal(sent().length, 1);
  assert.deepEqual(doc.value, { likes: 7, stock: 0, tags: ['b'], things: [] });
  handle.receive({ type: 'REJECT', id: 1, replica: null, seq: 3, code: 'BAD_ELEMENT', text: 'no', details: { field: 2 } });
  assert.deepEqual(doc.value, { likes: 4, stock: 0, tags: ['a'], things: [] });
  assert.deepEqual(told.rejected, [{ code: 'BAD_ELEMENT', text: 'no', field: 'tags', seq: 3,
    edits: { likes: { increment: 3 }, tags: { clear: false, add: ['b'], delete: ['a'] } } }]);
  assert.deepEqual(told.change.at(-1), { local: false });
  assert.equal(doc.pending, 0);
});

test('what the hub could not judge is kept for the app', () => {
  const { document: doc, told, handle, sent } = online(start());
  const reject = (seq, code) => handle.receive({ type: 'REJECT', id: 1, replica: null, seq, code, text: 'no', details: {} });
  doc.likes.increment();
  sent();
  doc.stock.decrement(2);
  sent();
  reject(1, 'OVERFLOW');
  assert.deepEqual(doc.rejected, []);
  reject(2, 'REPLICA_EXPIRED');
  assert.deepEqual(doc.rejected, [
    { code: 'REPLICA_EXPIRED', text: 'no', field: undefined, seq: 2, edits: { stock: { increment: 0, decrement: 2 } } }]);
  assert.deepEqual(told.rejected.at(-1), doc.rejected[0]);
  assert.equal(doc.pending, 0);
});

test('an edit that cannot be made changes nothing', () => {
  const { document: doc, told, sent } = online(start());
  for (const amount of [0, -1, 0.5, NaN, '1', 2 ** 53]) assert.throws(() => doc.likes.increment(amount), RangeError);
  assert.throws(() => doc.tags.add(7), TypeError);
  assert.throws(() => doc.things.add(undefined), TypeError);
  assert.equal(doc.tags.delete('never'), false);
  doc.likes.increment(Number.MAX_SAFE_INTEGER);
  assert.throws(() => doc.likes.increment(), RangeError);
  assert.equal(told.change.length, 1);
  assert.equal(sent().length, 1);
});

test('promises: ready, saved, synced', async () => {
  const made = start();
  const { document: doc, handle } = made;
  await doc.ready;
  doc.likes.increment();
  let saved = false;
  const saving = doc.saved.then(() => { saved = true; });
  online(made);
  made.sent();
  await Promise.resolve();
  assert.equal(saved, false);
  handle.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 1, index: 0 });
  handle.receive({ type: 'UPDATE', id: 1, from: 0, to: 1, fields: { 0: 1 } });
  await Promise.all([saving, doc.synced]);
  assert.equal(doc.likes.value, 1);
});

test('saved and synced wait for what was edited before, and not for what is edited since', async () => {
  const made = start();
  const { document: doc, handle, sent } = made;
  doc.likes.increment();
  online(made);
  const done = [];
  doc.synced.then(() => done.push('synced'));
  doc.saved.then(() => done.push('first'));
  for (let seq = 1; seq <= 3; seq++) {
    sent();
    doc.likes.increment(); // there is always something pending
    if (seq === 1) doc.saved.then(() => done.push('second'));
    handle.receive({ type: 'ACK', id: 1, replica: null, seq, position: seq, index: 0 });
    handle.receive({ type: 'UPDATE', id: 1, from: seq - 1, to: seq, fields: { 0: seq } });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(done, seq === 1 ? ['synced', 'first'] : ['synced', 'first', 'second']);
  }
});

test('closing ends everything that waits', { timeout: 5000 }, async () => {
  const made = start();
  const { document: doc } = made;
  const seen = [];
  const reading = (async () => { for await (const change of doc.changes()) seen.push(change); })();
  doc.likes.increment();
  const saving = assert.rejects(doc.saved, /was closed/);
  doc.close();
  await assert.rejects(doc.synced, /was closed/);
  await Promise.all([reading, saving]);
  await assert.rejects(doc.saved, /was closed/);
  assert.equal(doc.status, 'closed');
  assert.equal(made.closed, 1);
  assert.throws(() => doc.likes.increment(), /closed/);
});
