/**
 * Goal:   subscribers hear of each change of what they look at once, and of nothing else; values are the same objects until then.
 * Method: a document without a client, which the test gives the hub's packets; listeners count their calls. Last, random edits and
 *         confirmations from printed seeds against values that are kept as JSON.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDocument } from '../../../clients/js/dist/document.js';

const JOURNAL = new Uint8Array(16);
const FIELDS = [
  { number: 0, name: 'likes', type: 'g-counter' },
  { number: 1, name: 'stock', type: 'bounded-counter', min: 0, max: 100 },
  { number: 2, name: 'tags', type: 'or-set', of: 'string' },
  { number: 3, name: 'title', type: 'lww-register', of: 'any' },
  { number: 4, name: 'owners', type: 'mv-register', of: 'any' },
  { number: 5, name: 'cart', type: 'map', inner: { type: 'pn-counter' } },
  { number: 6, name: 'notes', type: 'map', inner: { type: 'map', inner: { type: 'or-set', of: 'string' } } },
  { number: 7, name: 'open', type: 'flag' },
  { number: 8, name: 'seats', type: '2p-set', of: 'string' },
];
const NAMES = FIELDS.map(({ name }) => name);
const EMPTY = { 0: 0, 1: [50, []], 2: [], 3: [], 4: [], 5: [], 6: [], 7: [], 8: [] };

function start(declarations) {
  let minted = 0;
  const handle = createDocument('post/1', () => new Uint8Array(16).fill(++minted), declarations, () => {}, () => {}, () => 1000);
  return { handle, doc: handle.document, position: 0, seq: 0 };
}

function online(fields = EMPTY, position = 0) {
  const made = start(FIELDS);
  made.handle.session.open(1, JOURNAL);
  made.position = position;
  made.handle.receive({ type: 'OPENED', id: 1, fields: FIELDS, rights: 3, position, ledger: [{ index: 0, seq: 0 }] });
  made.handle.receive({ type: 'SNAPSHOT', id: 1, position, fields });
  return made;
}

function update(made, fields) {
  made.handle.receive({ type: 'UPDATE', id: 1, from: made.position, to: made.position + 1, fields });
  made.position += 1;
}

/** Counts the calls for the document and each of its fields; `heard()` gives those since it was asked last. */
function listen({ doc, handle }) {
  let calls = {};
  const count = (name) => () => { calls[name] = (calls[name] ?? 0) + 1; };
  const undos = [doc.subscribe(count('doc')), ...NAMES.map((name) => doc[name].subscribe(count(name)))];
  assert.equal(handle.listeners(), 1 + NAMES.length);
  return {
    heard() {
      const before = calls;
      calls = {};
      return before;
    },
    undo() {
      for (const undo of undos) undo();
      for (const undo of undos) undo();
    },
  };
}

const makers = {
  likes: (doc) => doc.likes.increment(),
  stock: (doc) => doc.stock.decrement(),
  tags: (doc) => doc.tags.add('red'),
  title: (doc) => doc.title.set({ text: 'hello' }),
  owners: (doc) => doc.owners.set(['ada']),
  cart: (doc) => doc.cart.at('apple').increment(2),
  notes: (doc) => doc.notes.at('a').at('b').add('c'),
  open: (doc) => doc.open.enable(),
  seats: (doc) => doc.seats.add('1A'),
};

test('an edit is told to its field and the document, once, and to no other field', () => {
  const made = online();
  const { heard } = listen(made);
  for (const [name, make] of Object.entries(makers)) {
    const before = Object.fromEntries(NAMES.map((field) => [field, made.doc[field].value]));
    const whole = made.doc.value;
    make(made.doc);
    assert.deepEqual(heard(), { doc: 1, [name]: 1 }, name);
    assert.notEqual(made.doc.value, whole, name);
    assert.notEqual(made.doc[name].value, before[name], name);
    for (const field of NAMES) if (field !== name) assert.equal(made.doc[field].value, before[field], `${name}: ${field}`);
  }
});

test('values are the same objects until they change, and frozen', () => {
  const { doc } = online();
  for (const make of Object.values(makers)) make(doc);
  for (const field of [doc, ...NAMES.map((name) => doc[name]), doc.cart.at('apple'), doc.notes.at('a'), doc.notes.at('a').at('b')]) {
    assert.equal(field.value, field.value);
  }
  assert.equal(doc.owners.values, doc.owners.values);
  assert.equal(doc.value.tags, doc.tags.value);
  assert.equal(doc.notes.get('a'), doc.notes.value.a);
  assert.equal(doc.notes.at('a').value, doc.notes.get('a'));
  for (const value of [doc.value, doc.tags.value, doc.cart.value, doc.notes.get('a'), doc.owners.values]) assert.ok(Object.isFrozen(value));
  assert.throws(() => doc.tags.value.push('mine'), TypeError);
});

test('a change from the hub is told to the fields that it changes', () => {
  const made = online();
  const { heard } = listen(made);
  update(made, { 0: 5, 2: [[[[1, 1, 1]], ['blue']]] });
  assert.deepEqual(heard(), { doc: 1, likes: 1, tags: 1 });
  update(made, { 0: 5 });
  assert.deepEqual(heard(), {}, 'nothing to see');
});

test('the confirmation of an edit is nothing new', () => {
  const made = online();
  made.doc.tags.add('red');
  made.doc.title.set({ text: 'hello' });
  const { heard } = listen(made);
  const before = made.doc.value;
  assert.equal(made.handle.session.takeSends().frozen.length, 2);
  made.handle.receive({ type: 'ACK', id: 1, replica: null, seq: 2, position: 1, index: 0 });
  update(made, { 2: [[[[0, 1, 1]], ['red']]], 3: [[[[0, 2, 1]], [[1000, 0, { text: 'hello' }]]]] });
  assert.equal(made.doc.pending, 0);
  assert.deepEqual(heard(), {});
  assert.equal(made.doc.value, before);
});

test('a transaction is told once, when it ends, and not if all is as before', () => {
  const made = online();
  const { heard } = listen(made);
  made.doc.transact(() => {
    for (let i = 0; i < 3; i++) made.doc.likes.increment();
    made.doc.tags.add('a');
    made.doc.tags.add('b');
    assert.deepEqual(heard(), {});
    assert.deepEqual(made.doc.tags.value, ['a', 'b'], 'but shown inside');
  });
  assert.deepEqual(heard(), { doc: 1, likes: 1, tags: 1 });
  made.doc.transact(() => { made.doc.tags.add('c'); made.doc.tags.delete('c'); });
  assert.deepEqual(heard(), {});
});

test('an edit that is refused is told again as it is undone', () => {
  const made = online();
  const { heard } = listen(made);
  const before = made.doc.tags.value;
  made.doc.tags.add('red');
  made.handle.session.takeSends();
  heard();
  made.handle.receive({ type: 'REJECT', id: 1, replica: null, seq: 1, code: 'NO', text: '', details: {} });
  assert.deepEqual(heard(), { doc: 1, tags: 1 });
  assert.deepEqual(made.doc.tags.value, before);
});

test('what is set aside is seen, though the total stays', () => {
  const made = online();
  const { heard } = listen(made);
  made.doc.stock.reserve(5, { seconds: 10 });
  assert.deepEqual(heard(), { doc: 1, stock: 1 });
  assert.equal(made.doc.stock.available, 45);
  assert.equal(made.doc.stock.value, 50);
});

test('a register that is set to what it holds is as before', () => {
  const made = online();
  made.doc.title.set({ text: 'hello' });
  const { heard } = listen(made);
  made.doc.title.set({ text: 'hello' });
  assert.deepEqual(heard(), {});
});

test('a key of a map is told of its own changes only', () => {
  const made = online();
  const calls = { apple: 0, pear: 0, deep: 0 };
  const undos = [
    made.doc.cart.at('apple').subscribe(() => { calls.apple += 1; }),
    made.doc.cart.at('pear').subscribe(() => { calls.pear += 1; }),
    made.doc.notes.at('a').at('b').subscribe(() => { calls.deep += 1; }),
  ];
  made.doc.cart.at('apple').increment(2);
  assert.deepEqual(calls, { apple: 1, pear: 0, deep: 0 });
  assert.equal(made.doc.cart.at('apple').value, 2);
  made.doc.cart.at('pear').increment();
  assert.deepEqual(calls, { apple: 1, pear: 1, deep: 0 });
  const pears = made.doc.notes.at('x').value;
  made.doc.notes.at('a').at('b').add('c');
  made.doc.notes.at('a').at('other').add('c');
  made.doc.notes.at('y').at('b').add('c');
  assert.deepEqual(calls, { apple: 1, pear: 1, deep: 1 });
  assert.equal(made.doc.notes.at('x').value, pears);
  made.doc.cart.delete('apple');
  assert.deepEqual(calls, { apple: 2, pear: 1, deep: 1 });
  update(made, { 5: [[[[1, 1, 1]], 'apple', true, [[1, 1, 1, 7]]]] });
  assert.deepEqual(calls, { apple: 3, pear: 1, deep: 1 });
  assert.equal(made.doc.cart.at('apple').value, 7);
  for (const undo of undos) undo();
  assert.equal(made.handle.listeners(), 0);
});

test('one who has left hears nothing, also in the middle of a change; no listener stays', () => {
  const made = online();
  const { heard, undo } = listen(made);
  undo();
  assert.equal(made.handle.listeners(), 0);
  for (const make of Object.values(makers)) make(made.doc);
  assert.deepEqual(heard(), {});

  const calls = [];
  const first = made.doc.likes.subscribe(() => { calls.push('first'); second(); });
  const second = made.doc.likes.subscribe(() => calls.push('second'));
  made.doc.likes.increment();
  assert.deepEqual(calls, ['first']);
  first();
  assert.equal(made.handle.listeners(), 0);
});

test('the same listener twice is two subscriptions', () => {
  const made = online();
  let calls = 0;
  const listener = () => { calls += 1; };
  const [first, second] = [made.doc.likes.subscribe(listener), made.doc.likes.subscribe(listener)];
  made.doc.likes.increment();
  assert.equal(calls, 2);
  first();
  first();
  made.doc.likes.increment();
  assert.equal(calls, 3);
  second();
  assert.equal(made.handle.listeners(), 0);
});

test('an edit made by a listener is told to all, and a listener that throws keeps nobody from hearing', (t) => {
  const made = online();
  const [seen, mistakes] = [[], []];
  t.mock.method(globalThis, 'queueMicrotask', (tell) => mistakes.push(tell));
  made.doc.likes.subscribe(() => { if (made.doc.likes.value < 3) made.doc.likes.increment(); });
  made.doc.likes.subscribe(() => { throw new Error('mine'); });
  made.doc.likes.subscribe(() => seen.push(made.doc.likes.value));
  made.doc.likes.increment(2);
  assert.deepEqual(seen, [3], 'who hears of 2 last sees 3 already, and hears of it once');
  assert.equal(mistakes.length, 1);
  assert.throws(mistakes[0], /mine/);
});

test('the schema that the hub tells is a change of the document', () => {
  const made = start();
  assert.deepEqual(made.doc.fields, []);
  let calls = 0;
  made.doc.subscribe(() => { calls += 1; });
  made.handle.session.open(1, JOURNAL);
  made.handle.receive({ type: 'OPENED', id: 1, fields: FIELDS, rights: 3, position: 0, ledger: [{ index: 0, seq: 0 }] });
  assert.equal(calls, 1);
  assert.deepEqual(made.doc.fields, NAMES);
  const told = [];
  made.doc.seats.subscribe(() => told.push('seats'));
  made.handle.receive({ type: 'OPENED', id: 1, fields: FIELDS.slice(0, 3), rights: 3, position: 0, ledger: [{ index: 0, seq: 0 }] });
  assert.equal(calls, 2);
  assert.deepEqual(made.doc.fields, ['likes', 'stock', 'tags']);
  assert.deepEqual(told, []);
});

test('listeners hear exactly when the values differ, from the seeds 1 to 60', () => {
  for (let seed = 1; seed <= 60; seed++) {
    let state = seed;
    const below = (bound) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
    const made = online();
    const { doc } = made;
    const known = new Map(NAMES.map((name) => [name, { value: doc.value[name], text: JSON.stringify(doc.value[name]) }]));
    const { heard } = listen(made);
    const word = () => 'abc'[below(3)];
    const steps = [
      () => doc.tags.add(word()), () => doc.tags.delete(word()), () => doc.tags.clear(), () => doc.title.set([word()]),
      () => doc.owners.set(word()), () => doc.cart.at(word()).increment(), () => doc.cart.at(word()).decrement(),
      () => doc.cart.delete(word()), () => doc.notes.at(word()).at(word()).add(word()), () => doc.notes.at(word()).delete(word()),
      () => doc.open.set(below(2) === 1), () => doc.seats.add(word()), () => doc.seats.delete(word()), () => doc.likes.increment(),
      () => update(made, { 2: below(2) ? [] : [[[[1, ++made.seq, made.position + 1]], [word()]]] }),
      () => update(made, { 7: [[[[1, ++made.seq, made.position + 1]], [below(2) === 1]]] }),
      () => doc.transact(() => { doc.tags.add(word()); doc.cart.at(word()).increment(); doc.tags.delete(word()); }),
    ];
    for (let step = 0; step < 60; step++) {
      steps[below(steps.length)]();
      const calls = heard();
      let changed = 0;
      for (const name of NAMES) {
        const value = doc.value[name];
        const text = JSON.stringify(value);
        const differs = text !== known.get(name).text;
        assert.equal(calls[name] ?? 0, Number(differs), `seed ${seed}, step ${step}: ${name} from ${known.get(name).text} to ${text}`);
        if (!differs) assert.equal(value, known.get(name).value, `seed ${seed}, step ${step}: ${name} is another object`);
        changed += Number(differs);
        known.set(name, { value, text });
      }
      assert.equal(calls.doc ?? 0, Number(changed > 0), `seed ${seed}, step ${step}`);
    }
  }
});
