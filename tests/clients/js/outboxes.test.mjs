/**
 * Goal:   nothing that an outbox holds is lost or counted twice when the session, the connection or the journal changes.
 * Method: one session and the packets that a hub would send, each test the shortest way to one mistake.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfElement } from '../../../clients/js/dist/protocol/elements.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/every.js';
import { encodeValue, ProtocolError, toHex } from '../../../clients/js/dist/protocol/values.js';
import { createSession } from '../../../clients/js/dist/session/session.js';

const JOURNAL = new Uint8Array(16).fill(1);
const OTHER_JOURNAL = new Uint8Array(16).fill(2);
const FIELDS = [{ number: 0, name: 'likes', type: 'g-counter' }, { number: 2, name: 'tags', type: 'or-set', of: 'string' }];
const keyOf = (text) => keyOfElement(text, 'string');

/** A UUIDv7 that begins with `first`. */
const replicaOf = (first) => Uint8Array.of(first, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0);

function start() {
  let minted = 0;
  const session = createSession('post/1', () => replicaOf(++minted));
  session.declare(FIELDS);
  return session;
}

/** Opens a stream, and the hub answers with `ledger` ([index, seq] for each replica named) and a snapshot. */
function open(session, id, { position = 0, ledger = {}, fields = { 0: 0, 2: [] }, journal = JOURNAL, reply = 'SNAPSHOT' } = {}) {
  const packet = session.open(id, journal);
  session.receive({
    type: 'OPENED', id, fields: FIELDS, rights: 3, position,
    ledger: packet.replicas.map((replica) => {
      const [index, seq] = ledger[replica[0]] ?? [null, 0];
      return { index, seq };
    }),
  });
  session.receive(reply === 'SNAPSHOT'
    ? { type: 'SNAPSHOT', id, position, fields }
    : { type: 'UPDATE', id, from: packet.cursor[1], to: position, fields });
  return packet;
}

const add = (session, text) => session.edit(2, (change) => { change.removed.delete(keyOf(text)); change.added.add(keyOf(text)); });
const remove = (session, text) => session.edit(2, (change) => { change.added.delete(keyOf(text)); change.removed.add(keyOf(text)); });
const count = (session, amount) => session.edit(0, (change, entry) => { entry.up += amount; change.entry.up = entry.up; });
const likes = (session) => session.view(0).total;
const tags = (session) => [...session.view(2).dots.keys()].sort();
const sent = (session) => session.takeSends().frozen.flatMap((bytes) => decodeMessage(bytes));
const inUse = (session, id) => session.receive({ type: 'CLOSE', id, code: 'REPLICA_IN_USE', text: '' });

/** A session that has added `a` and sent it, before another one took over its replica. */
function takenOver() {
  const session = start();
  open(session, 1);
  add(session, 'a');
  sent(session);
  inUse(session, 1);
  return session;
}

test('what was sent as a session’s own names its replica once another session has taken over', () => {
  const session = start();
  open(session, 1);
  add(session, 'a');
  assert.equal(sent(session)[0].replica, null);
  inUse(session, 1);
  const { replicas } = open(session, 2);
  assert.deepEqual(replicas.map(([first]) => first), [2, 1]);
  const [again] = sent(session);
  assert.equal(again.replica?.[0], 1);
});

test('a second session’s edits have seen those of the first', () => {
  const session = takenOver();
  remove(session, 'a');
  assert.deepEqual(tags(session), []);
  open(session, 2);
  const [, delta] = sent(session);
  assert.deepEqual(delta.context.seen.map(({ replica, seq }) => [replica[0], seq]), [[1, 1]]);
  assert.equal(delta.replica, null);
});

test('OPEN names the replicas of held contexts, also when their own outbox is empty', () => {
  const session = takenOver();
  remove(session, 'a');
  open(session, 2, { position: 1, ledger: { 1: [0, 1] }, fields: { 0: 0, 2: [[[[0, 1, 1]], ['a']]] } });
  assert.deepEqual(tags(session), [], 'the pending remove still covers the first session’s add');
  session.disconnect();
  const { replicas } = open(session, 3, { position: 1, ledger: { 1: [0, 1] }, reply: 'UPDATE', fields: {} });
  assert.deepEqual(replicas.map(([first]) => first), [2, 1]);
  assert.deepEqual(tags(session), []);
  session.receive({ type: 'ACK', id: 3, replica: null, seq: 1, position: 2, index: 1 });
  session.receive({ type: 'UPDATE', id: 3, from: 1, to: 2, fields: { 2: [[[], ['a']]] } });
  session.disconnect();
  assert.deepEqual(session.open(4, JOURNAL).replicas.map(([first]) => first), [2], 'and not for ever');
});

test('OPEN names the replica whose refused write was made again under another', () => {
  let minted = 0;
  const fields = [{ number: 0, name: 'title', type: 'lww-register' }];
  const session = createSession('post/1', () => replicaOf(++minted));
  session.declare(fields);
  const reopen = (id, position, seq, content) => {
    const packet = session.open(id, JOURNAL);
    const ledger = packet.replicas.map(([first]) => ({ index: first, seq: first === 1 ? seq : 0 }));
    session.receive({ type: 'OPENED', id, fields, rights: 3, position, ledger });
    session.receive(content);
    return packet.replicas.map(([first]) => first);
  };
  session.edit(0, (change) => Object.assign(change, { ms: 1000000, count: 0, value: keyOf('a') }));
  reopen(1, 0, 0, { type: 'SNAPSHOT', id: 1, position: 0, fields: {} });
  inUse(session, 1);
  reopen(2, 0, 0, { type: 'UPDATE', id: 2, from: 0, to: 0, fields: {} });
  assert.equal(sent(session)[0].replica[0], 1);
  session.receive({ type: 'REJECT', id: 2, replica: replicaOf(1), seq: 1, code: 'CLOCK_AHEAD', text: '', details: { field: 0, now_ms: 5000 } });
  session.receive({ type: 'ACK', id: 2, replica: replicaOf(1), seq: 1, position: 1, index: 1 });
  session.receive({ type: 'UPDATE', id: 2, from: 0, to: 1, fields: {} });
  assert.deepEqual(reopen(3, 1, 1, { type: 'UPDATE', id: 3, from: 1, to: 1, fields: {} }), [2, 1]);
  assert.deepEqual(sent(session).map(({ context }) => context.seen.map(({ replica, seq }) => [replica[0], seq])), [[[1, 1]]]);
});

test('an update forgets exactly what it includes, though more is acknowledged', () => {
  const session = start();
  open(session, 1);
  count(session, 5);
  sent(session);
  count(session, 1);
  sent(session);
  session.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 1, index: 0 });
  session.receive({ type: 'ACK', id: 1, replica: null, seq: 2, position: 2, index: 0 });
  assert.equal(likes(session), 6);
  session.receive({ type: 'UPDATE', id: 1, from: 0, to: 1, fields: { 0: 5 } });
  assert.equal(likes(session), 6);
  assert.equal(session.pending(), 1);
  session.receive({ type: 'UPDATE', id: 1, from: 1, to: 2, fields: { 0: 6 } });
  assert.equal(likes(session), 6);
  assert.equal(session.pending(), 0);
});

test('a repeated acknowledgement at a later position does not delay the first', () => {
  const session = start();
  open(session, 1);
  count(session, 5);
  sent(session);
  session.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 1, index: 0 });
  session.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 4, index: 0 });
  session.receive({ type: 'UPDATE', id: 1, from: 0, to: 1, fields: { 0: 5 } });
  assert.equal(likes(session), 5);
});

test('a snapshot replaces fields that it does not name', () => {
  const session = start();
  open(session, 1, { position: 3, fields: { 0: 7, 2: [[[[0, 1, 3]], ['a']]] } });
  session.disconnect();
  open(session, 2, { position: 4, fields: {} });
  assert.equal(likes(session), 0);
  assert.deepEqual(tags(session), []);
});

test('edits do not gather across journals', () => {
  const session = start();
  open(session, 1, { position: 5 });
  add(session, 'a');
  session.disconnect();
  open(session, 2, { position: 5, journal: OTHER_JOURNAL });
  add(session, 'b');
  const [first, second] = sent(session);
  assert.deepEqual(first.context.journal, JOURNAL);
  assert.equal(second?.context.journal, undefined);
  assert.deepEqual(second?.changes.get(2), [false, ['b'], []]);
});

test('after READ_ONLY or BUSY nothing is sent until it is time, and then everything from the first unacknowledged', () => {
  for (const code of ['READ_ONLY', 'BUSY']) {
    for (const details of [{ retry_ms: 700 }, {}]) {
      const session = start();
      open(session, 1);
      count(session, 1);
      sent(session);
      session.receive({ type: 'ACK', id: 1, replica: null, seq: 1, position: 1, index: 0 });
      count(session, 1);
      sent(session);
      count(session, 1);
      sent(session);
      const { error } = session.receive({ type: 'ERROR', id: 1, code, text: '', details });
      assert.equal(error.retryMs, details.retry_ms ?? 1000);
      session.receive({ type: 'GAP', id: 1, replica: null, next: 2 });
      count(session, 1);
      assert.deepEqual(sent(session), []);
      session.resend();
      assert.deepEqual(sent(session).map(({ first }) => first), [2, 3, 4]);
    }
  }
});

test('a new stream does not wait for what the last one was told', () => {
  const session = start();
  open(session, 1);
  count(session, 1);
  sent(session);
  session.receive({ type: 'ERROR', id: 1, code: 'READ_ONLY', text: '', details: { retry_ms: 700 } });
  session.disconnect();
  open(session, 2);
  assert.equal(sent(session).length, 1);
});

/* --- what the hub cannot take any more --- */

const ack = (session, id, seq, index = 0) => session.receive({ type: 'ACK', id, replica: null, seq, position: seq, index });
const gap = (session, id, next, replica = null) => session.receive({ type: 'GAP', id, replica, next });
const expired = (session, id, seq, replica = null) =>
  session.receive({ type: 'REJECT', id, replica, seq, code: 'REPLICA_EXPIRED', text: 'late', details: {} });

/** Updates 1 and 2 are forgotten, 3 and 4 held; then the hub comes back as it was after update 1. */
function restored() {
  const session = start();
  open(session, 1);
  for (const [seq, text] of [[1, 'a'], [2, 'b']]) {
    session.edit(0, (change, entry) => { entry.up += 5; change.entry.up = entry.up; });
    sent(session);
    ack(session, 1, seq);
    session.receive({ type: 'UPDATE', id: 1, from: seq - 1, to: seq, fields: { 0: 5 * seq } });
  }
  count(session, 2);
  sent(session);
  remove(session, 'a');
  sent(session);
  session.disconnect();
  open(session, 2, { journal: OTHER_JOURNAL, position: 1, ledger: { 1: [4, 1] }, fields: { 0: 5, 2: [[[[4, 1, 1]], ['a']]] } });
  return session;
}

test('edits that a restored hub cannot take under their replica go on under a fresh one, once', () => {
  const session = restored();
  assert.equal(likes(session), 7);
  assert.deepEqual(sent(session).map(({ first }) => first), [3, 4], 'the hub is asked');
  const news = gap(session, 2, 2);
  assert.equal(news.renewed, true);
  assert.deepEqual(news.rejected, []);
  assert.deepEqual(sent(session), []);
  assert.deepEqual([likes(session), tags(session)], [7, []]);
  const { replicas } = open(session, 3, { journal: OTHER_JOURNAL, position: 1, ledger: { 1: [4, 1] }, reply: 'UPDATE', fields: {} });
  assert.deepEqual(replicas.map(([first]) => first), [2, 1]);
  const deltas = sent(session);
  assert.deepEqual(deltas.map(({ replica, first, last }) => [replica, first, last]), [[null, 1, 1], [null, 2, 2]]);
  assert.equal(deltas[0].changes.get(0), 2, 'counted from nothing');
  for (const { context } of deltas) {
    assert.deepEqual(context.seen.map(({ replica, seq }) => [replica[0], seq]), [[1, 1]], 'what the hub still has of it');
    assert.deepEqual(context.journal, JOURNAL);
  }
  assert.deepEqual([likes(session), tags(session)], [7, []]);
  ack(session, 3, 2, 5);
  session.receive({ type: 'UPDATE', id: 3, from: 1, to: 2, fields: { 0: 7, 2: [[[], ['a']]] } });
  assert.equal(session.pending(), 0);
  count(session, 1);
  assert.deepEqual(sent(session).map(({ first, changes }) => [first, changes.get(0)]), [[3, 3]]);
});

test('what follows a refusal that a restored hub has lost is sent, and goes on under a fresh replica', () => {
  const session = start();
  open(session, 1);
  for (let i = 0; i < 3; i++) {
    count(session, 1);
    sent(session);
  }
  session.receive({ type: 'REJECT', id: 1, replica: null, seq: 2, code: 'OVERFLOW', text: '', details: { field: 0 } });
  session.disconnect();
  open(session, 2, { journal: OTHER_JOURNAL });
  assert.deepEqual(sent(session).map(({ first }) => first), [1, 3]);
  assert.equal(gap(session, 2, 2).renewed, true);
  open(session, 3, { journal: OTHER_JOURNAL, reply: 'UPDATE', fields: {} });
  assert.deepEqual(sent(session).map(({ replica, first }) => [replica?.[0], first]), [[1, 1], [undefined, 1]]);
});

test('an edit that is made behind lost ones goes on under a fresh replica, too', () => {
  const session = start();
  open(session, 1);
  count(session, 1);
  sent(session);
  ack(session, 1, 1);
  session.receive({ type: 'UPDATE', id: 1, from: 0, to: 1, fields: { 0: 1 } });
  session.disconnect();
  open(session, 2, { journal: OTHER_JOURNAL });
  count(session, 5);
  assert.deepEqual(sent(session).map(({ first }) => first), [2], 'the hub is asked');
  assert.equal(gap(session, 2, 1).renewed, true);
  open(session, 3, { journal: OTHER_JOURNAL, reply: 'UPDATE', fields: {} });
  assert.deepEqual(sent(session).map(({ first, changes }) => [first, changes.get(0)]), [[1, 5]]);
});

test('a later session’s edit that has seen them follows them', () => {
  const session = start();
  open(session, 1);
  count(session, 1);
  sent(session);
  ack(session, 1, 1);
  session.receive({ type: 'UPDATE', id: 1, from: 0, to: 1, fields: { 0: 1 } });
  add(session, 'a');
  sent(session);
  inUse(session, 1);
  open(session, 2, { position: 1, ledger: { 1: [0, 1] }, reply: 'UPDATE', fields: {} });
  remove(session, 'a');
  sent(session);
  inUse(session, 2);
  open(session, 3, { journal: OTHER_JOURNAL });
  assert.deepEqual(sent(session).map(({ replica }) => replica[0]), [1, 2]);
  assert.equal(gap(session, 3, 1, replicaOf(1)).renewed, true);
  assert.deepEqual(tags(session), []);
  const { replicas } = open(session, 4, { journal: OTHER_JOURNAL, reply: 'UPDATE', fields: {} });
  assert.deepEqual(replicas.map(([first]) => first), [4]);
  const [added, removed, ...more] = sent(session);
  assert.deepEqual([added.changes.get(2), removed.changes.get(2), more], [[false, ['a'], []], [false, [], ['a']], []]);
  assert.deepEqual([added.context.seen, removed.context.seen], [[], []]);
});

test('what the hub can still take under its replica stays there, and has been seen', () => {
  const session = takenOver();
  open(session, 2);
  count(session, 1);
  sent(session);
  ack(session, 2, 1, 1);
  session.receive({ type: 'UPDATE', id: 2, from: 0, to: 1, fields: { 0: 1 } });
  remove(session, 'a');
  sent(session);
  session.disconnect();
  open(session, 3, { journal: OTHER_JOURNAL });
  assert.deepEqual(sent(session).map(({ replica, first }) => [replica?.[0], first]), [[1, 1], [undefined, 2]]);
  gap(session, 3, 1);
  const { replicas } = open(session, 4, { journal: OTHER_JOURNAL, reply: 'UPDATE', fields: {} });
  assert.deepEqual(replicas.map(([first]) => first), [3, 1]);
  const [add1, remove1] = sent(session);
  assert.deepEqual([add1.replica[0], add1.first], [1, 1]);
  assert.deepEqual(remove1.context.seen.map(({ replica, seq }) => [replica[0], seq]), [[1, 1]]);
  assert.deepEqual(tags(session), []);
});

test('an update of which the hub has a part is not made again, but handed to the app', () => {
  const session = start();
  open(session, 1);
  count(session, 1);
  count(session, 2);
  add(session, 'a');
  sent(session);
  session.disconnect();
  open(session, 2, { ledger: { 1: [0, 2] } });
  sent(session);
  const news = gap(session, 2, 3);
  assert.deepEqual(news.rejected.map(({ code, seq, edits }) => [code, seq, edits]),
    [['GAP', 3, { likes: { increment: 3 }, tags: { clear: false, add: ['a'], delete: [] } }]]);
  assert.deepEqual([session.pending(), likes(session), tags(session)], [0, 0, []]);
});

test('an update turned away twice waits', () => {
  const session = start();
  open(session, 1);
  count(session, 1);
  sent(session);
  assert.equal(gap(session, 1, 1).error, undefined);
  assert.equal(sent(session).length, 1);
  assert.equal(gap(session, 1, 1).error.retryMs, 1000);
  assert.deepEqual(sent(session), []);
  session.resend();
  assert.equal(sent(session).length, 1);
});

test('once its replica has expired a session goes on under another', () => {
  const session = start();
  open(session, 1);
  count(session, 3);
  sent(session);
  remove(session, 'a');
  add(session, 'b');
  sent(session);
  count(session, 2); // not sent yet
  const news = expired(session, 1, 1);
  assert.deepEqual(news.rejected.map(({ code, seq, edits }) => [code, seq, edits]), [
    ['REPLICA_EXPIRED', 1, { likes: { increment: 3 } }],
    ['REPLICA_EXPIRED', 3, { tags: { clear: false, add: ['b'], delete: ['a'] } }],
  ]);
  assert.equal(news.renewed, true);
  count(session, 1);
  assert.deepEqual([likes(session), session.pending()], [3, 2]);
  const { replicas } = open(session, 2);
  assert.deepEqual(replicas.map(([first]) => first), [2]);
  const deltas = sent(session);
  assert.deepEqual(deltas.map(({ replica, first, last, changes }) => [replica, first, last, changes.get(0)]), [[null, 1, 2, 3]]);
  assert.deepEqual(deltas[0].context.seen, []);
});

test('of another principal’s replica all is the app’s again, also what was not sent', () => {
  const session = start();
  open(session, 1);
  count(session, 3);
  sent(session);
  count(session, 2); // its owner may send that, too
  const news = session.receive({ type: 'REJECT', id: 1, replica: null, seq: 1, code: 'FORBIDDEN', text: 'no', details: { replica: true } });
  assert.deepEqual(news.rejected.map(({ code, seq, edits }) => [code, seq, edits]), [
    ['FORBIDDEN', 1, { likes: { increment: 3 } }],
    ['FORBIDDEN', 2, { likes: { increment: 2 } }],
  ]);
  assert.equal(news.renewed, true);
  assert.deepEqual([likes(session), session.pending()], [0, 0]);
  const { replicas } = open(session, 2);
  assert.deepEqual(replicas.map(([first]) => first), [2]);
  assert.deepEqual(sent(session), []);
  count(session, 1);
  assert.deepEqual(sent(session).map(({ first, changes }) => [first, changes.get(0)]), [[1, 1]]);
});

test('an earlier session’s expired outbox holds nobody up', () => {
  const session = takenOver();
  remove(session, 'a');
  open(session, 2);
  assert.equal(sent(session).length, 2);
  const news = expired(session, 2, 1, replicaOf(1));
  assert.deepEqual(news.rejected.map(({ seq }) => seq), [1]);
  assert.equal(session.pending(), 1);
  const { replicas } = open(session, 3);
  assert.deepEqual(replicas.map(([first]) => first), [3]);
  assert.deepEqual(sent(session).map(({ replica, first, context }) => [replica, first, context.seen]), [[null, 1, []]]);
});

/* --- transfers --- */

function transferring(bytes) {
  const session = start();
  const { id } = session.open(1, JOURNAL);
  session.receive({ type: 'OPENED', id, fields: FIELDS, rights: 3, position: 9, ledger: [{ index: null, seq: 0 }] });
  session.receive({ type: 'SNAPSHOT', id, position: 9, fields: null, transfer: -1, bytes });
  return session;
}
const chunk = (session, bytes) => session.receive({ type: 'CHUNK', id: -1, bytes });
const end = (session, status = 0) => session.receive({ type: 'END', id: -1, status });
const BODY = encodeValue({ 0: 4, 2: [[[[0, 1, 9]], ['a', 'b']]] });

test('a body in chunks is the body', () => {
  const session = transferring(BODY.length);
  for (const byte of BODY) chunk(session, Uint8Array.of(byte));
  assert.equal(session.arrived(), false);
  assert.equal(end(session).arrived, true);
  assert.equal(likes(session), 4);
  assert.deepEqual(tags(session), ['a', 'b'].map(keyOf));
});

test('credit is granted for all that came, and nothing else', () => {
  const session = transferring(300000);
  let granted = 0;
  for (let i = 0; i < 20; i++) {
    chunk(session, new Uint8Array(10000));
    for (const { type, bytes } of session.takeSends().packets) {
      assert.equal(type, 'CREDIT');
      granted += bytes;
    }
    assert.ok(granted <= (i + 1) * 10000 && granted > (i + 1) * 10000 - 65536);
  }
});

test('a transfer that is cut, too long, aborted or of nobody is refused', () => {
  const cut = transferring(BODY.length);
  chunk(cut, BODY.slice(0, -1));
  assert.throws(() => end(cut), ProtocolError);
  const long = transferring(BODY.length - 1);
  assert.throws(() => chunk(long, BODY), ProtocolError);
  const aborted = transferring(BODY.length);
  chunk(aborted, BODY);
  assert.throws(() => end(aborted, 1), ProtocolError);
  assert.throws(() => chunk(start(), BODY), ProtocolError);
  assert.throws(() => end(start()), ProtocolError);
});

/** Confirmed at 3, with the element a. */
function atThree() {
  const session = start();
  open(session, 1, { position: 3, fields: { 0: 2, 2: [[[[0, 1, 2]], ['a']]] } });
  return session;
}
const update = (session, from, to, fields = {}, id = 1) => session.receive({ type: 'UPDATE', id, from, to, fields });

test('an update that starts after the cursor is refused', () => {
  assert.throws(() => update(atThree(), 4, 5), ProtocolError);
});

test('an update that starts before the cursor holds at its end', () => {
  const session = atThree();
  update(session, 1, 4, { 0: 7, 2: [[[], ['a']], [[[0, 2, 4]], ['b']]] });
  assert.deepEqual([likes(session), tags(session)], [7, [keyOf('b')]]);
  update(session, 4, 5, { 0: 8 });
  assert.equal(likes(session), 8);
  assert.throws(() => update(session, 6, 7), ProtocolError);
});

test('an update from the beginning tells all that there is', () => {
  const session = atThree();
  update(session, 0, 4, { 0: 7, 2: [[[[0, 2, 4]], ['b']]] });
  assert.deepEqual([likes(session), tags(session)], [7, [keyOf('b')]]);
});

test('an update that ends before the cursor is passed over, and the stream has begun', () => {
  const session = atThree();
  session.open(2, JOURNAL);
  session.receive({ type: 'OPENED', id: 2, fields: FIELDS, rights: 3, position: 2, ledger: [{ index: null, seq: 0 }] });
  const news = update(session, 1, 2, { 0: 1, 2: [[[], ['a']]] }, 2);
  assert.deepEqual([likes(session), tags(session), news.arrived, news.changed], [2, [keyOf('a')], true, false]);
  update(session, 2, 3, { 0: 2 }, 2);
  update(session, 3, 4, { 0: 5 }, 2);
  assert.equal(likes(session), 5);
});

test('an update of another journal starts at the cursor or is refused', () => {
  const session = atThree();
  session.open(2, OTHER_JOURNAL);
  session.receive({ type: 'OPENED', id: 2, fields: FIELDS, rights: 3, position: 9, ledger: [{ index: null, seq: 0 }] });
  assert.throws(() => update(session, 2, 9, {}, 2), ProtocolError);
  update(session, 3, 9, { 0: 5 }, 2);
  update(session, 8, 10, { 0: 6 }, 2);
  assert.equal(likes(session), 6);
});
