/**
 * Goal:   what is kept of a session is enough for another to show the same and to flush what waits, once, under its own replica.
 * Method: one session and the packets that a hub would send; then its saved bytes in a fresh session with a fresh replica.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { declarationOf } from '../../../clients/js/dist/protocol/declarations.js';
import { keyOfElement } from '../../../clients/js/dist/protocol/elements.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/every.js';
import { encodeValue, fromHex, ProtocolError, toHex } from '../../../clients/js/dist/protocol/values.js';
import { decodeSession, inOrder, newestOf, VersionError } from '../../../clients/js/dist/session/saved.js';
import { adopt, save, show } from '../../../clients/js/dist/session/saving.js';
import { createSession } from '../../../clients/js/dist/session/session.js';

const JOURNAL = new Uint8Array(16).fill(1);
const schema = (options) => Object.entries(options).map(([name, option], number) => ({ number, name, ...declarationOf(option) }));
const FIELDS = schema({ likes: 'g-counter', tags: 'or-set', title: 'lww-register', cart: { type: 'map', of: 'pn-counter' }, stock: { type: 'bounded-counter', min: 0 } });
const [LIKES, TAGS, TITLE, CART, STOCK] = [0, 1, 2, 3, 4];
const CONTENT = {
  0: 5, 1: [[[[0, 1, 1], [1, 2, 2]], ['a', 'b']], [[[0, 3, 3]], ['c']]], 2: [[[[0, 4, 4]], [[10, 0, 'old']]]],
  3: [[[[0, 5, 5]], 'apple', true, [[0, 5, 5, 3]]]], 4: [9, [[fromHex('aa'), 2, 99]]],
};
const keyOf = (text) => keyOfElement(text, 'string');
const replicaOf = (first) => Uint8Array.of(first, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0);

function start(first, fields = FIELDS) {
  let minted = first - 1;
  const session = createSession('post/1', () => replicaOf(++minted));
  session.declare(fields);
  return session;
}

function open(session, id, { position = 9, ledger = {}, fields = FIELDS, content = CONTENT } = {}) {
  const packet = session.open(id, JOURNAL);
  const told = session.receive({
    type: 'OPENED', id, fields, rights: 3, position,
    ledger: packet.replicas.map((replica) => {
      const [index, seq] = ledger[replica[0]] ?? [null, 0];
      return { index, seq };
    }),
  });
  session.receive({ type: 'SNAPSHOT', id, position, fields: content });
  return { replicas: packet.replicas.map(([one]) => one), cursor: packet.cursor, told };
}

const count = (session, amount, number = LIKES) =>
  session.edit(number, (change, entry) => { entry.up += amount; change.entry.up = entry.up; });
const remove = (session, text) => session.edit(TAGS, (change) => change.removed.add(keyOf(text)));
const sent = (session) => session.takeSends().frozen.flatMap((bytes) => decodeMessage(bytes));
const views = (session) => [...session.fields()].map(([number, { type }]) => type.look(session.view(number)).value);

function load(saved, first, fields = []) {
  const session = createSession('post/1', () => replicaOf(first++));
  session.declare(fields);
  const sessions = inOrder([saved].flat().map(decodeSession));
  show(session.state, newestOf(sessions));
  for (const one of sessions) adopt(session.state, one);
  return session;
}

function editAll(session) {
  count(session, 2);
  remove(session, 'a');
  session.edit(TITLE, (change) => Object.assign(change, { ms: 20, count: 1, value: keyOf('new') }));
  session.edit(CART, (change) => change.set(keyOf('apple'), { removed: true, nested: { amount: 7 } }));
  session.edit(STOCK, (change, entry) => { entry.down += 1; change.entry.down += 1; change.lease = { key: 'aa', drawn: 1, reserved: 0, ttlMs: 0 }; });
}

test('a fresh session shows the same, with the edits that wait', () => {
  const before = start(1);
  open(before, 1);
  editAll(before);
  const after = load(save(before.state), 2);
  assert.deepEqual(views(after), views(before));
  assert.deepEqual(views(after)[LIKES], 7);
  assert.equal(after.pending(), before.pending());
  assert.deepEqual(toHex(after.identity()), toHex(before.identity()), 'whose leases it goes on with');
  assert.notDeepEqual(toHex(after.replica()), toHex(before.replica()));
});

test('what waits is flushed as it was sent, under its own replica, and before what is made here', () => {
  const before = start(1);
  open(before, 1);
  editAll(before);
  const first = sent(before);
  const after = load(save(before.state), 2);
  count(after, 1);
  const { replicas, cursor } = open(after, 1);
  assert.deepEqual(replicas, [2, 1]);
  assert.deepEqual(cursor, [JOURNAL, 9]);
  const again = sent(after);
  assert.deepEqual(again.slice(0, -1), first.map((delta) => ({ ...delta, replica: replicaOf(1) })));
  const last = again.at(-1);
  assert.deepEqual([last.replica, last.first, last.changes.get(LIKES)], [null, 1, 1]);
  assert.deepEqual(last.context.seen.map(({ replica, seq }) => [replica[0], seq]), [[1, 5]]);
});

test('what the hub has by then counts once', () => {
  const before = start(1);
  open(before, 1);
  count(before, 2);
  const after = load(save(before.state), 2);
  assert.equal(after.view(LIKES).total, 7);
  open(after, 1, { position: 10, ledger: { 1: [0, 1] }, content: { ...CONTENT, 0: 7 } });
  assert.equal(after.view(LIKES).total, 7);
  assert.deepEqual(sent(after), []);
  assert.equal(after.pending(), 0);
});

test('a part that was acknowledged is not counted again', () => {
  const before = start(1);
  open(before, 1);
  count(before, 2);
  sent(before);
  count(before, 3);
  before.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 10, index: 4 });
  before.receive({ type: 'UPDATE', id: 1, from: 9, to: 10, fields: { 0: 7 } });
  const after = load(save(before.state), 2);
  assert.equal(after.view(LIKES).total, 10);
  open(after, 1, { position: 10, ledger: { 1: [4, 1] }, content: { ...CONTENT, 0: 7 } });
  assert.deepEqual(sent(after).map(({ first, last, changes }) => [first, last, changes.get(LIKES)]), [[2, 2, 5]]);
});

test('what a copy of the store has sent meanwhile counts once, and the rest is sent', () => {
  const owner = start(1);
  open(owner, 1);
  owner.disconnect();
  count(owner, 2);
  const copy = load(save(owner.state), 2);
  count(owner, 3);
  open(copy, 1);
  assert.deepEqual(sent(copy).map(({ replica, first, last }) => [replica?.[0], first, last]), [[1, 1, 1]]);
  open(owner, 2, { position: 10, ledger: { 1: [4, 1] }, content: { ...CONTENT, 0: 7 } });
  assert.equal(owner.view(LIKES).total, 10);
  assert.deepEqual(sent(owner).map(({ first, last, changes }) => [first, last, changes.get(LIKES)]), [[2, 2, 5]]);
});

test('edits of one transaction share an update, and however often it is stored there are not many', () => {
  const session = start(1);
  open(session, 1);
  session.disconnect();
  for (let i = 0; i < 3; i++) count(session, 1);
  save(session.state);
  for (let i = 0; i < 100; i++) {
    count(session, 1);
    save(session.state);
  }
  const deltas = session.state.outboxes[0].deltas;
  assert.equal(deltas[0].last, 3);
  assert.equal(deltas[1].last, 4);
  assert.deepEqual([deltas.length, deltas.at(-1).last], [64, 103]);
});

test('what was rejected stays rejected', () => {
  const before = start(1);
  open(before, 1);
  count(before, 2);
  sent(before);
  before.receive({ type: 'REJECT', id: 1, replica: null, seq: 1, code: 'OVERFLOW', text: '', details: { field: 0 } });
  const after = load(save(before.state), 2);
  assert.deepEqual([after.view(LIKES).total, after.pending()], [5, 0]);
});

test('outboxes of several sessions are sent oldest first, over the newest state', () => {
  const sessions = [1, 3, 2].map((first) => {
    const session = start(first);
    open(session, 1, { position: 9 + first, content: { ...CONTENT, 0: first } });
    count(session, 10);
    return save(session.state);
  });
  const after = load(sessions, 4);
  assert.equal(after.view(LIKES).total, 33);
  assert.deepEqual(open(after, 1).replicas, [4, 1, 2, 3]);
  assert.deepEqual(sent(after).map(({ replica }) => replica[0]), [1, 2, 3]);
});

test('an outbox goes from session to session until it is flushed', () => {
  const before = start(1);
  open(before, 1);
  count(before, 2);
  const second = load(save(before.state), 2);
  count(second, 3);
  remove(second, 'c');
  const third = load(save(second.state), 3);
  assert.deepEqual(views(third), views(second));
  assert.deepEqual(open(third, 1).replicas, [3, 1, 2]);
  assert.deepEqual(sent(third).map(({ replica, first, last }) => [replica[0], first, last]), [[1, 1, 1], [2, 1, 2]]);
});

test('edits of fields that the hub lacks are kept, and those made meanwhile too', () => {
  const guess = [{ number: 0, name: 'gone', type: 'g-counter' }, { number: 1, name: 'likes', type: 'g-counter' }];
  const before = start(1, guess);
  count(before, 4, 0);
  const later = load(save(before.state), 2, schema({ likes: 'g-counter', gone: 'g-counter' }));
  count(later, 1, 0);
  const { told } = open(later, 1);
  assert.deepEqual(told.rejected.map(({ code, field, edits }) => [code, field, edits]), [['UNKNOWN_FIELD', 'gone', { gone: { increment: 4 } }]]);
  assert.equal(later.view(LIKES).total, 6);
});

test('an edit made before the load stays, on top', () => {
  const before = start(1);
  open(before, 1);
  count(before, 2);
  const after = createSession('post/1', () => replicaOf(2));
  after.declare(schema({ tags: 'or-set', likes: 'g-counter', more: 'flag' }));
  count(after, 1, 1);
  const saved = decodeSession(save(before.state));
  assert.equal(show(after.state, saved), true);
  adopt(after.state, saved);
  assert.equal(after.view(after.numberOf({ name: 'likes', type: 'g-counter' })).total, 8);
  assert.deepEqual(after.view(after.numberOf({ name: 'more', type: 'flag' })).dots.size, 0);
  assert.deepEqual(toHex(after.identity()), toHex(replicaOf(2)), 'whose leases it may have begun');
});

test('what the hub has told by now is not replaced', () => {
  const before = start(1);
  open(before, 1);
  const after = start(2);
  open(after, 1, { position: 12, content: { ...CONTENT, 0: 12 } });
  assert.equal(show(after.state, decodeSession(save(before.state))), false);
  assert.equal(after.view(LIKES).total, 12);
});

test('bytes that are no session, or a later client’s, are refused', () => {
  const session = start(1);
  open(session, 1);
  editAll(session);
  const { confirmed, outbox } = save(session.state);
  const bytes = Uint8Array.of(...confirmed, ...outbox);
  const decode = (whole) => decodeSession({ confirmed: whole, outbox: new Uint8Array() });
  assert.deepEqual(decode(bytes), decodeSession({ confirmed, outbox }), 'both parts in one, as version 1 of the store had it');
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decode(bytes.slice(0, length)), ProtocolError, `${length} of ${bytes.length}`);
  }
  assert.throws(() => decode(encodeValue([2, 'anything'])), VersionError);
});
