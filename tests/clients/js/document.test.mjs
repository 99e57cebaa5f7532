/**
 * Goal:   a document behaves as its types promise: sets like `Set`, one change for a transaction, and the view after a refusal.
 * Method: a document without a client; the test gives it the hub's packets and takes what it would send.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDocument } from '../../../clients/js/dist/document.js';
import { declarationOf } from '../../../clients/js/dist/protocol/declarations.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/every.js';

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

/* --- a schema that is not the hub's --- */

/** A document with fields as the app believes them, edited, and then told those of the hub; `ledger` of the replica. */
function guessed(guess, edit, ledger = { index: null, seq: 0 }) {
  const told = [];
  const declarations = Object.entries(guess).map(([name, option], number) => ({ number, name, ...declarationOf(option) }));
  const handle = createDocument('post/1', () => new Uint8Array(16).fill(1), declarations, () => {}, () => {});
  const { document } = handle;
  document.on('rejected', (rejection) => told.push(rejection));
  edit(document);
  handle.session.open(1, JOURNAL);
  handle.receive({ type: 'OPENED', id: 1, fields: FIELDS, rights: 3, position: 0, ledger: [ledger] });
  handle.receive({ type: 'SNAPSHOT', id: 1, position: 0, fields: { 0: 0, 1: 0, 2: [], 3: [] } });
  const sent = () => handle.session.takeSends().frozen.flatMap((bytes) => decodeMessage(bytes));
  const changes = () => sent().map(({ first, last, changes: all }) => [first, last, Object.fromEntries(all)]);
  return { document, handle, told, changes };
}

test('an edit of a field that the hub lacks lands in no other, and the app has it back', async () => {
  const { document: doc, handle, told, changes } = guessed({ likes: 'g-counter', extra: 'g-counter', tags: 'or-set' }, (early) => {
    early.extra.increment(5);
    early.likes.increment(2);
    early.tags.add('a');
  });
  assert.deepEqual(told, [{
    code: 'UNKNOWN_FIELD', text: 'post/1 has no field extra at the hub', field: 'extra', seq: 3, edits: { extra: { increment: 5 } },
  }]);
  assert.deepEqual(doc.rejected, told);
  assert.deepEqual(doc.value, { likes: 2, stock: 0, tags: ['a'], things: [] });
  assert.deepEqual(changes(), [[1, 3, { 0: 2, 2: [false, ['a'], []] }]]);
  assert.throws(() => doc.extra.increment(), /has no field extra at the hub/);
  const { saved } = doc;
  handle.receive({ type: 'ACK', id: 1, replica: null, seq: 3, position: 0, index: 0 });
  await saved;
  doc.stock.increment(1);
  assert.deepEqual(changes(), [[4, 4, { 1: [1, 0] }]], 'nothing of the other field counts here');
});

test('each of the edits that the hub cannot know is told with what it did itself', () => {
  const { document: doc, told, changes } = guessed({ extra: 'pn-counter', alone: 'lww-register' }, (early) => {
    early.extra.increment(5);
    early.alone.set('x');
    early.extra.decrement(2);
  });
  assert.deepEqual(told.map(({ seq, edits }) => [seq, edits]), [
    [1, { extra: { increment: 5, decrement: 0 } }], [2, { alone: { set: 'x' } }], [3, { extra: { increment: 0, decrement: 2 } }]]);
  assert.deepEqual(changes(), [[1, 1, {}], [2, 2, {}], [3, 3, {}]], 'seqs have no gaps');
  doc.likes.increment();
  assert.deepEqual(changes(), [[4, 4, { 0: 1 }]]);
});

test('edits of a field that the hub declares otherwise are handed back', () => {
  let early;
  const { document: doc, told, changes } = guessed({ likes: 'pn-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'int' } }, (made) => {
    early = made.likes;
    made.transact(() => { made.likes.increment(3); made.likes.decrement(); made.stock.decrement(4); });
    made.tags.add(7);
  });
  assert.deepEqual(told.map(({ code, text, edits }) => [code, text, edits]), [
    ['UNKNOWN_FIELD', 'the hub declares likes of post/1 as g-counter, not as pn-counter', { likes: { increment: 3, decrement: 1 } }],
    ['UNKNOWN_FIELD', 'the hub declares tags of post/1 as or-set, not as or-set of int', { tags: { clear: false, add: [7], delete: [] } }],
  ]);
  assert.deepEqual(doc.value, { likes: 0, stock: -4, tags: [], things: [] });
  assert.deepEqual(changes(), [[1, 4, { 1: [0, 4] }]]);
  assert.throws(() => early.decrement(), /declares likes of post\/1 as g-counter/);
  doc.likes.increment(2);
  assert.deepEqual(changes(), [[5, 5, { 0: 2 }]]);
});

test('an update that the hub has refused for a field that is gone tells what it did to that field', () => {
  const made = online(start());
  const { document: doc, handle, sent } = made;
  doc.likes.increment(2);
  sent();
  doc.transact(() => { doc.stock.decrement(3); doc.likes.increment(4); });
  sent();
  handle.session.open(2, JOURNAL);
  handle.receive({ type: 'OPENED', id: 2, fields: FIELDS.slice(1), rights: 3, position: 2, ledger: [{ index: 0, seq: 3 }] });
  handle.receive({ type: 'REJECT', id: 2, replica: null, seq: 3, code: 'UNKNOWN_FIELD', text: 'no', details: { field: 0 } });
  assert.deepEqual(doc.rejected, [{
    code: 'UNKNOWN_FIELD', text: 'no', field: 'likes', seq: 3,
    edits: { likes: { increment: 4 }, stock: { increment: 0, decrement: 3 } },
  }]);
});

test('a field that comes back has its state and counts on', () => {
  const made = online(start(), { 0: 4, 1: 0, 2: [], 3: [] }, 3);
  const { document: doc, handle, sent, told } = made;
  doc.likes.increment(5);
  sent();
  handle.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 4, index: 0 });
  handle.receive({ type: 'UPDATE', id: 1, from: 3, to: 4, fields: { 0: 9 } });
  const reopen = (id, fields, seq) => {
    handle.session.open(id, JOURNAL);
    handle.receive({ type: 'OPENED', id, fields, rights: 3, position: 4, ledger: [{ index: 0, seq }] });
    handle.receive({ type: 'UPDATE', id, from: 4, to: 4, fields: {} });
  };
  doc.likes.increment();
  reopen(2, FIELDS.slice(1), 1);
  assert.deepEqual(told.rejected.map(({ edits }) => edits), [{ likes: { increment: 1 } }]);
  assert.deepEqual(doc.value, { stock: 0, tags: [], things: [] });
  assert.deepEqual(sent().map(({ first, changes }) => [first, changes.size]), [[2, 0]]);
  reopen(3, FIELDS, 2);
  assert.equal(doc.likes.value, 9);
  doc.likes.increment();
  assert.deepEqual(sent().map(({ first, changes }) => [first, changes.get(0)]), [[3, 7]], 'what was refused is spent');
});
