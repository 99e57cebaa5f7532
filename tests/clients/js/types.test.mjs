/**
 * Goal:   replicas that have seen the same edits show the same values, those of the types' definitions, whatever the network did.
 * Method: for each type three or four replicas take random steps: a delta of one to three edits, the arrival of any delta (late,
 *         repeated, out of order) or of a peer's full state. After each step each replica is compared with an oracle that keeps the
 *         whole history (tests/clients/oracle.mjs). Then each delta reaches each replica, and all must agree; written as a hub's
 *         content and read back they are the same. A failure names its seed; SYNCLINE_SEED=n runs that one alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldType } from '../../../clients/js/dist/crdt/registry.js';
import { declarationOf } from '../../../clients/js/dist/protocol/declarations.js';
import { decodeValues, encodeValue, fromHex } from '../../../clients/js/dist/protocol/values.js';
import { callOf, stampOf, valueOf } from '../oracle.mjs';
import { callEdit, generator, Replica } from '../replicas.mjs';

const SEEDS = 150;
const FIRST = Number(process.env.SYNCLINE_SEED ?? 1);
const LAST = process.env.SYNCLINE_SEED === undefined ? SEEDS : FIRST;

const map = (of) => ({ type: 'map', of });
const plain = ['g-counter', 'pn-counter', 'bounded-counter', 'g-set', '2p-set', 'or-set', 'flag', { type: 'flag', wins: 'disable' },
  'mv-register', 'lww-register'];
const options = [...plain, ...plain.map(map), map(map('or-set')), map(map('lww-register')), map(map('pn-counter')), map(map('2p-set')),
  map(map(map('mv-register'))), map(map(map({ type: 'flag', wins: 'disable' })))];

class World {
  step = 0;
  history = [];
  deltas = [];

  constructor(declared, random) {
    const type = fieldType(declared);
    Object.assign(this, { declared, random });
    this.replicas = ['#0', '#1', '#2', '#3'].slice(0, 3 + random(2)).map((name) => new Replica(name, type, this));
  }

  known({ seen }) {
    return this.history.filter(({ replica, seq }) => seq <= (seen.get(replica) ?? 0));
  }

  edit(replica) {
    const delta = replica.transact((api, last) => {
      const known = this.known(replica);
      for (let n = this.random(3); n >= 0; n--) {
        const call = callOf(this.random, this.declared);
        const before = last();
        const stamp = stampOf(this.declared, known, call, this.now);
        callEdit(api, call[0], call.slice(1));
        if (last() === before) continue; // there was nothing to do
        const seen = new Map(replica.seen).set(replica.name, before);
        const edit = { replica: replica.name, seq: last(), seen, call, stamp };
        known.push(edit);
        this.history.push(edit);
      }
    }, this.now = 1 + this.random(20));
    if (delta !== undefined) this.deltas.push(delta);
  }

  check(replica, seed) {
    assert.deepEqual(replica.value(), valueOf(this.declared, this.known(replica)), `seed ${seed}, step ${this.step}: ${replica.name}`);
  }
}

function writtenAndRead(type, state) {
  const read = type.create();
  type.readContent(read, decodeValues(encodeValue(type.writeContent(state)))[0]);
  return read;
}

function run(declared, seed) {
  const random = generator(seed);
  const world = new World(declared, random);
  const any = (items) => items[random(items.length)];
  for (let steps = 20 + random(30); steps > 0; steps--) {
    const replica = any(world.replicas);
    const dice = random(10);
    if (dice < 4 || world.deltas.length === 0) world.edit(replica);
    else if (dice < 8) replica.deliver(any(world.deltas));
    else replica.merge(any(world.replicas));
    world.check(replica, seed);
  }
  for (const replica of world.replicas) {
    for (const delta of [...world.deltas].sort(() => random(3) - 1)) replica.deliver(delta);
    assert.equal(replica.waiting.length, 0, `seed ${seed}: what waits at ${replica.name}`);
    world.check(replica, seed);
    assert.deepEqual(replica.value(), world.replicas[0].value(), `seed ${seed}: ${replica.name}`);
    assert.deepEqual(writtenAndRead(replica.type, replica.state), replica.state, `seed ${seed}: ${replica.name}, read back`);
  }
  for (const replica of world.replicas) {
    replica.merge(any(world.replicas));
    world.check(replica, seed);
  }
}

test('an entry has as many dots as it has concurrent edits, not as many as it ever had', () => {
  const calls = { 'g-set': ['add', 'a'], 'or-set': ['add', 'a'], flag: ['enable'], 'mv-register': ['set', 'a'], 'lww-register': ['set', 'a'] };
  const dots = (entries) => [...entries.dots.values()].flat().length;
  for (const [name, call] of Object.entries(calls)) {
    const world = { step: 0 };
    const [top, nested] = [name, map(name)].map((option) => new Replica('A', fieldType(declarationOf(option)), world));
    for (let i = 0; i < 5; i++) {
      top.edit(call[0], call.slice(1), i);
      nested.edit('put', ['k', ...call], i);
    }
    assert.equal(dots(top.state), 1, name);
    const [[, { dots: ofKey, field }]] = nested.state.keys;
    assert.deepEqual([ofKey.length, dots(field)], [1, 1], name);
  }
  const removed = new Replica('A', fieldType({ type: '2p-set' }));
  removed.edit('add', ['a']);
  removed.edit('remove', ['a']);
  assert.equal(dots(removed.state), 1, 'the removal alone');
});

test('a register keeps one write, and in a map the sixteen greatest', () => {
  const world = { step: 0 };
  const writes = (option, count) => {
    const type = fieldType(declarationOf(option));
    const hub = new Replica('H', type, world);
    const peers = Array.from({ length: count }, (_, i) => new Replica(`A${i}`, type, world));
    const edit = option === 'lww-register' ? ['set', ['x']] : ['put', ['k', 'set', 'x']];
    for (const [i, peer] of peers.entries()) hub.deliver(peer.edit(...edit, i));
    const { dots } = option === 'lww-register' ? hub.state : [...hub.state.keys.values()][0].field;
    return [...dots.values()].flat().map(({ replica }) => Number(replica.slice(1))).sort((a, b) => a - b);
  };
  assert.deepEqual(writes('lww-register', 2), [1]);
  assert.deepEqual(writes('lww-register', 3), [2]);
  assert.deepEqual(writes(map('lww-register'), 20), Array.from({ length: 16 }, (_, i) => i + 4));
});

test('a write below one that it had seen takes no effect', () => {
  const type = fieldType(declarationOf('lww-register'));
  const nested = fieldType(declarationOf(map('lww-register')));
  const update = (seq) => ({ replica: 'A', first: seq, last: seq, position: seq, context: { position: 0, seen: new Map() } });
  const [top, held] = [type.create(), nested.create()];
  for (const [seq, ms, value] of [[1, 20, 'late'], [2, 10, 'early']]) {
    type.apply(top, {}, type.decodeChange([ms, 0, value]), update(seq));
    nested.apply(held, {}, nested.decodeChange([['k', false, [ms, 0, value]]]), update(seq));
  }
  assert.equal(type.look(top).value, 'late');
  const [{ field: { dots } }] = held.keys.values();
  assert.deepEqual([...dots.values()].flat().map(({ seq }) => seq), [1]);
});

test('leases are read back as they were written', () => {
  const type = fieldType(declarationOf({ type: 'bounded-counter', min: 0, max: 50 }));
  const state = type.create();
  type.readContent(state, [40, [[fromHex('0102'), 7, 1700000000000], [fromHex('ff'), 1, 5]]]);
  assert.equal(state.leases.size, 2);
  assert.deepEqual(writtenAndRead(type, state), state);
});

const nameOf = (option) => (typeof option === 'string' ? option : [option.type, option.wins, option.of && nameOf(option.of)].filter(Boolean).join(' of '));

for (const option of options) {
  test(`${nameOf(option)}: replicas converge on what its definition says, from the seeds ${FIRST} to ${LAST}`, () => {
    for (let seed = FIRST; seed <= LAST; seed++) run(declarationOf(option), seed);
  });
}
