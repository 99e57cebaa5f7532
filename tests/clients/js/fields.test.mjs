/**
 * Goal:   fields behave as their types promise, and each edit leaves in an update of its own or with others, as its type asks.
 * Method: a document without a client; the test gives it the hub's packets and takes what it would send.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDocument } from '../../../clients/js/dist/document.js';
import { declarationOf, optionsOf, readDeclaration } from '../../../clients/js/dist/protocol/declarations.js';
import { fieldType } from '../../../clients/js/dist/crdt/registry.js';
import { decodeMessage, encodePacket } from '../../../clients/js/dist/protocol/every.js';
import { asMap, decodeValues, encodeValue, toHex } from '../../../clients/js/dist/protocol/values.js';

const JOURNAL = new Uint8Array(16);
const SELF = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 9);
const map = (of) => ({ type: 'map', of });

/** A document that is open and empty; `schema` as in a configuration. */
function start(schema, { content = {}, now = () => 1000 } = {}) {
  const fields = Object.entries(schema).map(([name, option], number) => ({ number, name, ...declarationOf(option) }));
  const handle = createDocument('a/1', () => SELF, fields, () => {}, () => {}, now);
  const told = [];
  handle.document.on('rejected', (rejection) => told.push(rejection));
  const receive = (packet) => handle.receive(decodeMessage(encodePacket({ id: 1, ...packet }))[0]);
  handle.session.open(1, JOURNAL);
  receive({ type: 'OPENED', fields, rights: 3, position: 5, ledger: [{ index: 1, seq: 0 }] });
  receive({ type: 'SNAPSHOT', position: 5, fields: content });
  const sent = () => handle.session.takeSends().frozen.map((bytes) => decodeMessage(bytes)[0]);
  const changes = () => sent().map(({ first, last, changes: all }) => [first, last, ...all.values()]);
  const reject = (seq, code, details = {}) => receive({ type: 'REJECT', replica: null, seq, code, text: '', details });
  let position = 5;
  const update = (fieldContents, seq) => {
    if (seq !== undefined) receive({ type: 'ACK', replica: null, seq, position: position + 1, index: 1 });
    receive({ type: 'UPDATE', from: position, to: ++position, fields: fieldContents });
  };
  return { doc: handle.document, handle, told, receive, sent, changes, reject, update };
}

const dot = (seq, position = 5, index = 0) => [index, seq, position];

/* --- declarations --- */

const declarations = [
  ['lww-register', 'lww-register', {}],
  [{ type: 'lww-register', of: 'any' }, 'lww-register', { of: 'any' }],
  [{ type: 'flag', wins: 'disable' }, 'flag', { wins: 'disable' }],
  [{ type: 'bounded-counter', min: 0, max: 100 }, 'bounded-counter', { min: 0, max: 100 }],
  [map('pn-counter'), 'map', { of: ['pn-counter', {}] }],
  [map(map({ type: 'or-set', of: 'int' })), 'map', { of: ['map', { of: ['or-set', { of: 'int' }] }] }],
];

test('a declaration is the same in a schema and in a packet', () => {
  for (const [option, type, options] of declarations) {
    const read = readDeclaration(type, asMap(decodeValues(encodeValue(options))[0]));
    assert.deepEqual(read, declarationOf(option));
    assert.deepEqual(optionsOf(read), options);
    assert.notEqual(fieldType(read), undefined, type);
  }
});

test('fields of types or options that are not known are left out, and the others work', () => {
  const fields = [
    [0, 'a', 'flag', {}], [1, 'b', 'flag', { wins: 'both' }], [2, 'c', 'list', {}], [3, 'd', 'map', { of: ['list', {}] }],
    [4, 'e', 'or-set', { of: 'string', later: 1 }], [5, 'f', 'or-set', { of: 'decimal' }], [6, 'g', 'map', { of: ['or-set', { of: 'decimal' }] }],
    [7, 'h', 'map', {}], [8, 'i', 'bounded-counter', { min: 'low' }], [9, 'j', 'map', { of: 'string' }],
    [10, 'k', 'bounded-counter', { min: 1 }], [11, 'l', 'g-set', {}],
  ];
  const bytes = encodeValue([5, 1, fields, 3, 0, [[null, 0]]]);
  const handle = createDocument('a/1', () => SELF, undefined, () => {}, () => {});
  handle.session.open(1, JOURNAL);
  handle.receive(decodeMessage(bytes)[0]);
  assert.deepEqual([...handle.session.fields().keys()], [0, 11]);
  handle.receive({ type: 'SNAPSHOT', id: 1, position: 0, fields: { 0: [], 2: [1, 2], 11: [] } });
  assert.deepEqual(handle.document.value, { a: false, l: [] });
});

test('what the hub declares takes the place of what was guessed, and the edits stay', () => {
  const guess = { number: 0, name: 'f', ...declarationOf('flag') };
  const told = { number: 3, name: 'f', ...declarationOf({ type: 'flag', wins: 'disable' }) };
  const handle = createDocument('a/1', () => SELF, [guess], () => {}, () => {});
  const { document: doc } = handle;
  const early = doc.f;
  doc.f.disable();
  handle.session.open(1, JOURNAL);
  handle.receive({ type: 'OPENED', id: 1, fields: [told], rights: 3, position: 1, ledger: [{ index: 1, seq: 0 }] });
  handle.receive({ type: 'SNAPSHOT', id: 1, position: 1, fields: { 3: [[[[0, 1, 1]], [true]]] } });
  assert.deepEqual([doc.f.value, doc.value.f, doc.pending], [false, false, 1], 'the disable had not seen the enable, and wins');
  early.enable();
  assert.equal(doc.f.value, true);
  const before = doc.f;
  handle.session.open(2, JOURNAL);
  handle.receive({ type: 'OPENED', id: 2, fields: [told], rights: 3, position: 1, ledger: [{ index: 1, seq: 0 }] });
  assert.equal(doc.f, before);
});

test('maps stand in each other up to eight deep', () => {
  const deep = (depth) => (depth === 0 ? 'flag' : map(deep(depth - 1)));
  assert.notEqual(fieldType(declarationOf(deep(8))), undefined);
  assert.equal(fieldType(declarationOf(deep(9))), undefined);
});

/* --- what the objects do, and what leaves --- */

test('a g-set is like a Set from which nothing is deleted', () => {
  const { doc: { f }, changes } = start({ f: 'g-set' }, { content: { 0: [[[dot(1)], ['b']]] } });
  f.add('a');
  f.add('b');
  assert.deepEqual([[...f], f.size, f.has('a'), f.has('c'), f.value, 'delete' in f], [['a', 'b'], 2, true, false, ['a', 'b'], false]);
  assert.throws(() => f.add(7), TypeError);
  assert.deepEqual(changes(), [[1, 2, ['a', 'b']]]);
});

test('a 2p-set does not take an element back', () => {
  const { doc: { f }, changes, update } = start({ f: '2p-set' }, { content: { 0: [[[dot(1)], [[0, 'a'], [0, 'b']]], [[dot(2)], [[1, 'c'], [0, 'c']]]] } });
  assert.deepEqual(f.value, ['a', 'b']);
  assert.equal(f.delete('a'), true);
  assert.equal(f.delete('a'), false);
  assert.equal(f.delete('c'), false);
  f.add('a');
  f.add('d');
  f.delete('d');
  assert.deepEqual([[...f], f.size, f.has('a'), f.has('b')], [['b'], 1, false, true]);
  assert.deepEqual(changes(), [[1, 4, [['a'], ['a', 'd']]]]);
  update({ 0: [[[], [[0, 'b']]], [[dot(9, 6)], [[0, 'e']]]] });
  assert.deepEqual(f.value, ['e']);
});

test('a flag is set, enabled and disabled, and what is told replaces it', () => {
  const { doc: { e, d }, changes, update } = start({ e: 'flag', d: { type: 'flag', wins: 'disable' } });
  assert.deepEqual([e.value, d.value], [false, false]);
  e.enable();
  d.set(true);
  assert.deepEqual([e.value, d.value], [true, true]);
  e.disable();
  assert.equal(e.value, false);
  assert.throws(() => e.set(1), TypeError);
  assert.deepEqual(changes(), [[1, 3, false, true]]);
  const both = [[[dot(1, 6)], [true]], [[dot(2, 6)], [false]]];
  update({ 0: both, 1: both }, 3);
  assert.deepEqual([e.value, d.value], [true, false]);
  update({ 0: [[[dot(3, 7)], [false]]], 1: [[[dot(3, 7)], [true]]] });
  assert.deepEqual([e.value, d.value], [false, true]);
});

test('an mv-register holds all concurrent values, and a set replaces those that are seen', () => {
  const { doc: { f }, changes, update } = start({ f: { type: 'mv-register', of: 'any' } });
  assert.deepEqual([f.values, f.value], [[], null]);
  update({ 0: [[[dot(1, 6)], ['b']], [[dot(2, 6, 3)], [['a']]]] });
  assert.deepEqual([f.values, f.value], [['b', ['a']], 'b']);
  f.set(1);
  f.set({ a: [2] });
  assert.deepEqual([f.values, f.value], [[{ a: [2] }], { a: [2] }]);
  assert.deepEqual(changes().map(([first, last, [value]]) => [first, last, Object.fromEntries(value)]), [[1, 2, { a: [2] }]]);
  update({ 0: [[[dot(7, 7)], ['c']], [[dot(2, 7, 1)], ['mine']]] }, 2);
  assert.deepEqual(f.values, ['c', 'mine']);
});

test('a register takes 64 KiB', () => {
  const { doc } = start({ m: 'mv-register', l: 'lww-register', x: map('lww-register'), s: 'or-set' });
  const text = 'x'.repeat(65000);
  doc.m.set(text);
  doc.l.set(text);
  doc.x.set('k', text);
  assert.deepEqual([doc.m.value, doc.l.value, doc.x.get('k')], [text, text, text]);
  for (const field of [doc.m, doc.l]) assert.throws(() => field.set('x'.repeat(65536)), RangeError);
  assert.throws(() => doc.s.add(text), RangeError);
});

test('a write takes the hybrid logical clock of what it has seen', () => {
  let now = 1000.5;
  const { doc: { f }, sent, update } = start({ f: 'lww-register' }, { now: () => now });
  const clocks = () => sent().map(({ changes }) => changes.get(0));
  assert.equal(f.value, null);
  f.set('a');
  assert.deepEqual(clocks(), [[1000, 0, 'a']]);
  f.set('b');
  assert.deepEqual(clocks(), [[1000, 1, 'b']]);
  update({ 0: [[[dot(4, 6)], [[5000, 7, 'other']]]] }, 2);
  assert.equal(f.value, 'other');
  f.set('c');
  assert.deepEqual(clocks(), [[5000, 8, 'c']]);
  assert.equal(f.value, 'c');
  now = 6000;
  f.set('d');
  assert.deepEqual(clocks(), [[6000, 0, 'd']]);
});

test('of equal clocks the greater replica wins, and of replicas one without an index', () => {
  const { doc: { f }, update } = start({ f: 'lww-register' });
  update({ 0: [[[dot(1, 6, 2)], [[9, 0, 'x']]], [[dot(1, 6, 10)], [[9, 0, 'y']]]] });
  assert.equal(f.value, 'y');
  const type = fieldType({ type: 'lww-register' });
  const state = type.create();
  const write = (replica, value) => type.apply(state, {}, { ms: 9, count: 0, value: toHex(encodeValue(value)) },
    { replica, first: 1, last: 1, position: 1, context: { position: 0, seen: new Map() } });
  write('#7', 'a');
  write('00ff', 'b');
  write('#8', 'c');
  assert.equal(type.look(state).value, 'b');
  write('0100', 'd');
  assert.equal(type.look(state).value, 'd');
});

test('a bounded counter refuses at once what its view does not allow', () => {
  const { doc: { f }, changes } = start({ f: { type: 'bounded-counter', min: -1, max: 3 } }, { content: { 0: [2, []] } });
  assert.deepEqual([f.value, f.available, f.leased], [2, 3, 0]);
  assert.throws(() => f.increment(2), RangeError);
  assert.throws(() => f.decrement(4), RangeError);
  for (const amount of [0, -1, 0.5, '1']) assert.throws(() => f.decrement(amount), RangeError);
  f.increment();
  f.decrement(4);
  assert.throws(() => f.decrement(), RangeError);
  assert.equal(f.value, -1);
  assert.deepEqual(changes(), [[1, 1, [1, 0, null]], [2, 2, [1, 4, null]]]);
});

test('a refused count rolls back alone, and the app hears which value stands', () => {
  const { doc, sent, reject, told, update } = start({ f: { type: 'bounded-counter', min: 0 }, likes: 'g-counter' }, { content: { 0: [1, []], 1: 0 } });
  doc.transact(() => { doc.f.decrement(); doc.likes.increment(); });
  assert.equal(sent().length, 2);
  reject(1, 'OUT_OF_BOUNDS', { field: 0, value: 0 });
  assert.deepEqual(told, [{ code: 'OUT_OF_BOUNDS', text: '', field: 'f', seq: 1, details: { value: 0 }, edits: { f: { increment: 0, decrement: 1 } } }]);
  assert.deepEqual(doc.value, { f: 1, likes: 1 });
  update({ 0: [0, []], 1: 1 }, 2);
  assert.deepEqual(doc.value, { f: 0, likes: 1 });
  doc.f.increment(2);
  assert.deepEqual(sent()[0].changes.get(0), [2, 1, null], 'what was refused is spent');
});

test('what waits is not shown beyond a bound that others have reached meanwhile', () => {
  const { doc: { f }, update, reject, sent } = start({ f: { type: 'bounded-counter', min: 0 } }, { content: { 0: [2, []] } });
  f.decrement(2);
  sent();
  update({ 0: [1, []] });
  assert.equal(f.value, 1);
  update({ 0: [5, []] });
  assert.equal(f.value, 3);
  reject(1, 'OUT_OF_BOUNDS', { field: 0, value: 1 });
  assert.equal(f.value, 5);
});

test('a lease sets aside what its session can still take when nobody else can', () => {
  let now = 1000;
  const { doc: { f }, changes, update } = start({ f: { type: 'bounded-counter', min: 0 } }, { content: { 0: [10, [[Uint8Array.of(7), 3, 9000]]] }, now: () => now });
  assert.deepEqual([f.available, f.leased], [7, 0]);
  assert.throws(() => f.reserve(8, { seconds: 60 }), RangeError);
  for (const seconds of [0, 0.5, 7 * 86400 + 1, NaN]) assert.throws(() => f.reserve(1, { seconds }), RangeError);
  f.reserve(5, { seconds: 1.5 });
  assert.deepEqual([f.value, f.available, f.leased], [10, 2, 5]);
  assert.deepEqual(changes(), [[1, 1, [0, 0, [SELF, 0, 5, 1500]]]]);
  update({ 0: [10, [[Uint8Array.of(7), 3, 9000], [SELF, 5, 2500]]] }, 1);
  f.decrement(4);
  assert.deepEqual([f.value, f.available, f.leased], [6, 2, 1]);
  f.decrement(3);
  assert.deepEqual([f.value, f.available, f.leased], [3, 0, 0]);
  assert.throws(() => f.decrement(), RangeError);
  assert.deepEqual(changes(), [[2, 2, [0, 4, [SELF, 4, 0, 0]]], [3, 3, [0, 7, [SELF, 1, 0, 0]]]]);
  f.increment(2);
  f.decrement();
  assert.deepEqual(changes(), [[4, 4, [2, 7, null]], [5, 5, [2, 8, null]]]);
  update({ 0: [4, [[SELF, 2, 2500]]] }, 5);
  assert.deepEqual([f.available, f.leased], [2, 2]);
  now = 2500;
  assert.equal(f.leased, 0, 'it has expired');
  f.release();
  assert.deepEqual([f.value, f.available], [4, 4]);
  f.release();
  assert.deepEqual(changes(), [[6, 6, [2, 8, [SELF, 0, 0, 0]]]]);
});

test('a lease that waits is not shown once there is not enough left for it', () => {
  const { doc: { f }, update } = start({ f: { type: 'bounded-counter', min: 0 } }, { content: { 0: [5, []] } });
  f.reserve(4, { seconds: 60 });
  assert.deepEqual([f.available, f.leased], [1, 4]);
  update({ 0: [3, []] });
  assert.deepEqual([f.available, f.leased], [3, 0]);
});

/* --- maps --- */

test('a map is like a Map of plain values, and `at` gives the live field', () => {
  const { doc: { f }, changes } = start({ f: map('or-set') }, { content: { 0: [[[dot(1)], 'b', false, [[[dot(1)], ['x']]]]] } });
  assert.deepEqual(f.get('b'), ['x']);
  assert.equal(f.get('a'), undefined);
  f.at('a').add('y');
  f.at('b').add('z');
  assert.deepEqual([...f], [['a', ['y']], ['b', ['x', 'z']]]);
  assert.deepEqual([...f.keys()], ['a', 'b']);
  assert.deepEqual([...f.values()], [['y'], ['x', 'z']]);
  assert.deepEqual([...f.entries()], [...f]);
  assert.deepEqual([f.size, f.has('a'), f.has('c')], [2, true, false]);
  const seen = [];
  f.forEach((value, key) => seen.push([key, value]));
  assert.deepEqual(seen, [...f]);
  assert.deepEqual(f.value, { a: ['y'], b: ['x', 'z'] });
  const live = f.at('b');
  assert.equal(f.delete('b'), true);
  assert.equal(f.delete('b'), false);
  assert.deepEqual([live.value, f.has('b')], [[], false]);
  live.add('w');
  assert.deepEqual(f.get('b'), ['w']);
  assert.equal(f.at('c').delete('x'), false);
  assert.equal(f.has('c'), false, 'nothing was done there');
  assert.throws(() => f.set('a', 'x'), TypeError);
  assert.throws(() => f.at(7), TypeError);
  assert.deepEqual(changes(), [[1, 4, [['a', false, [false, ['y'], []]], ['b', true, [false, ['w'], []]]]]]);
  f.clear();
  assert.equal(f.size, 0);
  f.clear();
  assert.deepEqual(changes(), [[5, 5, [['b', true, null], ['a', true, null]]]]);
});

test('a map of what can be set is set by key', () => {
  const { doc, sent } = start({ flags: map('flag'), mv: map('mv-register'), lww: map('lww-register') });
  doc.flags.set('a', true);
  doc.mv.set('a', 'x');
  doc.lww.set('a', 'y');
  doc.lww.set('a', 'z');
  assert.deepEqual(doc.value, { flags: { a: true }, mv: { a: ['x'] }, lww: { a: 'z' } });
  assert.deepEqual(sent().map(({ changes }) => Object.fromEntries(changes)), [
    { 0: [['a', false, true]], 1: [['a', false, ['x']]] }, { 2: [['a', false, [1000, 1, 'z']]] }]);
});

test('counters in a map count, within their bounds, each edit alone where there are some', () => {
  const { doc: { n, b }, changes, update } = start({ n: map('pn-counter'), b: map({ type: 'bounded-counter', min: 0, max: 5 }) });
  n.at('k').increment(3);
  n.at('k').decrement(5);
  b.at('k').increment(4);
  b.at('k').decrement();
  assert.deepEqual([n.value, b.value, b.at('k').available], [{ k: -2 }, { k: 3 }, 3]);
  for (const act of [() => b.at('k').increment(3), () => b.at('k').decrement(4), () => b.at('new').decrement(), () => n.at('k').increment(0)]) {
    assert.throws(act, RangeError);
  }
  assert.equal(b.has('new'), false);
  assert.deepEqual(changes(), [[1, 2, [['k', false, -2]]], [3, 3, [['k', false, 4]]], [4, 4, [['k', false, -1]]]]);
  update({ 0: [[[dot(9, 6)], 'k', true, [[0, 9, 6, 5], [0, 3, 6, 5], [1, 2, 6, -2]]]] }, 2);
  assert.deepEqual(n.value, { k: 8 });
});

test('a map takes what has changed of a field, and forgets it first where that is said', () => {
  const { doc: { f }, update } = start({ f: map(map('or-set')) });
  const content = (fresh, nested) => ({ 0: [[[dot(1, 6)], 'k', fresh, nested]] });
  update(content(false, [[[dot(1, 6)], 'a', false, [[[dot(1, 6)], ['x']]]]]));
  update(content(false, [[[dot(2, 6)], 'b', false, [[[dot(2, 6)], ['y']]]]]));
  assert.deepEqual(f.value, { k: { a: ['x'], b: ['y'] } });
  update(content(false, [[[], 'a', true, null]]));
  assert.deepEqual(f.value, { k: { b: ['y'] } });
  update(content(true, [[[dot(3, 7)], 'c', false, [[[dot(3, 7)], ['z']]]]]));
  assert.deepEqual(f.value, { k: { c: ['z'] } });
  update({ 0: [[[], 'k', true, null]] });
  assert.deepEqual(f.value, {});
});

test('a key that is the name of a trap is a key', () => {
  const { doc, update } = start({ f: map('pn-counter') });
  for (const key of ['__proto__', 'constructor', 'toString', '']) doc.f.at(key).increment();
  update({ 0: [[[dot(1, 6)], '__proto__', true, [[0, 1, 6, 41]]]] });
  assert.deepEqual(Object.keys(doc.f.value), ['', '__proto__', 'constructor', 'toString']);
  assert.deepEqual(Object.entries(doc.value.f)[1], ['__proto__', 42]);
  assert.equal(Object.getPrototypeOf(doc.f.value), Object.prototype);
  assert.equal({}.polluted, undefined);
  assert.deepEqual([doc.f.get('valueOf'), doc.f.has('valueOf')], [undefined, false]);
});

test('a set is walked as a Set is', () => {
  for (const type of ['g-set', '2p-set', 'or-set']) {
    const { doc: { f } } = start({ f: type });
    for (const element of ['b', 'a']) f.add(element);
    const twin = new Set(['a', 'b']);
    for (const walk of ['keys', 'values', 'entries']) assert.deepEqual([...f[walk]()], [...twin[walk]()], walk);
    const [seen, expected] = [[], []];
    f.forEach((...visited) => seen.push(visited));
    twin.forEach((element, again) => expected.push([element, again]));
    assert.deepEqual(seen, expected);
    assert.deepEqual(new Set(f), twin);
  }
});

test('keys come in the order of their bytes', () => {
  const { doc: { f } } = start({ f: map('flag') });
  const keys = ['b', 'aa', '9', '10', 'a', '🛫', '\uffee', 'é', 'Z'];
  for (const key of keys) f.set(key, true);
  assert.deepEqual([...f.keys()], [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  assert.deepEqual([...f].map(([key]) => key), [...f.keys()]);
});

test('a rejected map edit is told by key', () => {
  const { doc: { f }, reject, told, sent } = start({ f: map('g-set') });
  f.at('a').add('x');
  f.at('b').add('y');
  f.delete('b');
  sent();
  reject(3, 'BAD_ELEMENT', { field: 0 });
  assert.deepEqual(told[0].edits, { f: { a: { delete: false, edit: { add: ['x'] } }, b: { delete: true } } });
  assert.equal('details' in told[0], false);
  assert.deepEqual(f.value, {});
});

/* --- which edits share an update --- */

test('edits share an update as their types allow', () => {
  const { doc, sent } = start({ tags: 'or-set', lit: 'flag', title: 'lww-register', body: map('lww-register'), stock: 'bounded-counter', n: map('g-counter') });
  doc.transact(() => {
    doc.tags.add('a');
    doc.n.at('k').increment();
    doc.lit.enable();
    doc.title.set('x');
    doc.title.set('y');
    doc.tags.add('b');
    doc.body.set('k', '1');
    doc.body.set('l', '2');
    doc.title.set('z');
    doc.stock.increment();
    doc.stock.increment();
    doc.tags.add('c');
  });
  assert.deepEqual(sent().map(({ first, last, changes }) => [first, last, [...changes.keys()]]), [
    [1, 3, [0, 1, 5]], [4, 5, [2]], [6, 6, [0]], [7, 8, [3]], [9, 9, [2]], [10, 10, [4]], [11, 11, [4]], [12, 12, [0]]]);
});

/* --- clocks --- */

test('a write that the hub finds ahead is made again under its clock, in order, and the app hears nothing', () => {
  const { doc, sent, reject, told, update } = start({ f: 'lww-register' }, { now: () => 1000000 });
  const clocks = () => sent().map(({ first, changes }) => [first, ...changes.get(0)]);
  doc.f.set('a');
  assert.deepEqual(clocks(), [[1, 1000000, 0, 'a']]);
  doc.f.set('b');
  assert.deepEqual(clocks(), [[2, 1000000, 1, 'b']]);
  reject(1, 'CLOCK_AHEAD', { field: 0, now_ms: 5000 });
  doc.f.set('c');
  assert.equal(doc.f.value, 'c');
  assert.equal(doc.pending, 3);
  reject(2, 'CLOCK_AHEAD', { field: 0, now_ms: 5001 });
  assert.equal(doc.f.value, 'c');
  const made = clocks();
  assert.deepEqual(made, [[3, 5000, 0, 'a'], [4, 1000000, 2, 'c'], [5, 5001, 0, 'b']]);
  reject(4, 'CLOCK_AHEAD', { field: 0, now_ms: 5002 });
  assert.deepEqual(clocks(), [[6, 5002, 0, 'c']]);
  assert.equal(doc.f.value, 'c');
  update({ 0: [[[[1, 6, 6]], [[5002, 0, 'c']]]] }, 6);
  assert.deepEqual([doc.f.value, doc.pending, told.length], ['c', 0, 0]);
  doc.f.set('d');
  assert.deepEqual(clocks(), [[7, 5002, 1, 'd']], 'the offset is kept');
});

test('the count of a clock goes round to the next millisecond', () => {
  const { doc, sent } = start({ f: 'lww-register' },
    { content: { 0: [[[dot(1)], [[1000000, 0xffffffff, 'last']]]] }, now: () => 1000000 });
  doc.f.set('a');
  assert.equal(doc.f.value, 'a');
  assert.deepEqual(sent().map(({ changes }) => changes.get(0)), [[1000001, 0, 'a']]);
});

test('`saved` waits for the write that was made again', async () => {
  const { doc, sent, reject, update } = start({ f: 'lww-register' }, { now: () => 1000000 });
  doc.f.set('a');
  let saved = false;
  const waiting = doc.saved.then(() => { saved = true; });
  sent();
  reject(1, 'CLOCK_AHEAD', { field: 0, now_ms: 5000 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(saved, false);
  sent();
  update({ 0: [[[[1, 2, 6]], [[5000, 0, 'a']]]] }, 2);
  await waiting;
});

test('a remove that is made again takes only what it had seen at first', () => {
  const { doc: { f }, sent, reject, update } = start({ f: map('lww-register') },
    { content: { 0: [[[dot(1)], 'k', false, [[[dot(1)], [[10, 0, 'old']]]]]] }, now: () => 1000000 });
  f.delete('k');
  f.set('l', 'x');
  sent();
  update({ 0: [[[dot(1), dot(2, 6, 4)], 'k', true, [[[dot(2, 6, 4)], [[11, 0, 'unseen']]]]]] });
  reject(2, 'CLOCK_AHEAD', { field: 0, now_ms: 5000 });
  assert.deepEqual(f.value, { k: 'unseen', l: 'x' });
  const [{ context, changes }] = sent();
  assert.equal(context.position, 5);
  assert.deepEqual(changes.get(0), [['k', true, null], ['l', false, [5000, 0, 'x']]]);
});

test('CLOCK_AHEAD without the hub\'s time is an ordinary refusal', () => {
  const { doc, sent, reject, told } = start({ f: 'lww-register' });
  doc.f.set('a');
  sent();
  reject(1, 'CLOCK_AHEAD', { field: 0 });
  assert.deepEqual([told.length, told[0].edits, doc.f.value], [1, { f: { set: 'a' } }, null]);
});
