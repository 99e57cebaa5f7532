/**
 * Goal:   the view of every type is exact while edits wait, and edits that the hub refuses roll back alone.
 * Method: random runs of two or three documents against a hub that merges deltas in one order with the types' own rules, and tells what
 *         is confirmed by the layouts of docs/protocol.md, section 3. Packets are lost with their connection, deltas repeated or
 *         refused, by chance, for a bound or for a clock that is ahead. The oracle is tests/clients/oracle.mjs over the true history.
 *         A failure names its seed; SYNCLINE_SEED=n runs that one alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldType } from '../../../clients/js/dist/crdt/registry.js';
import { createDocument } from '../../../clients/js/dist/document.js';
import { declarationOf } from '../../../clients/js/dist/protocol/declarations.js';
import { decodeMessage, encodePacket } from '../../../clients/js/dist/protocol/every.js';
import { elementOfKey } from '../../../clients/js/dist/protocol/elements.js';
import { toHex } from '../../../clients/js/dist/protocol/values.js';
import { callOf, stampOf, valueOf } from '../oracle.mjs';
import { callEdit, generator } from '../replicas.mjs';

const SEEDS = 100;
const FIRST = Number(process.env.SYNCLINE_SEED ?? 1);
const LAST = process.env.SYNCLINE_SEED === undefined ? SEEDS : FIRST;
const JOURNAL = new Uint8Array(16);
const MINUTE_MS = 60000;
const wireDots = (dots) => dots.map(({ replica, seq, position }) => [Number(replica.slice(1)), seq, position]);

function entryOf({ type }, key) {
  if (type !== 'lww-register') return elementOfKey(key);
  const [ms, count] = key.split(',', 2);
  return [Number(ms), Number(count), elementOfKey(key.slice(`${ms},${count},`.length))];
}

/** A field's content, whole; `ever` remembers what must be told to be gone. */
function contentOf(declared, state, ever, nested, random) {
  const dead = (keys) => {
    for (const key of keys) ever.keys.add(key);
    return [...ever.keys].filter((key) => !keys.includes(key));
  };
  if (declared.type === 'map') {
    const keys = [...state.keys.keys()];
    const gone = dead(keys).map((key) => [[], elementOfKey(key), true, null]);
    return [...gone, ...keys.map((key) => {
      const { dots, field } = state.keys.get(key);
      const held = ever.held.get(key) ?? newEver();
      ever.held.set(key, held);
      return [wireDots(dots), elementOfKey(key), random(2) === 0, contentOf(declared.inner, field, held, true, random)];
    })];
  }
  if (!nested && state.dots === undefined) {
    return declared.type === 'bounded-counter' ? [state.total, []] : state.total;
  }
  if (/counter/.test(declared.type)) {
    return [...state.dots].flatMap(([key, dots]) => wireDots(dots).map((dot) => [...dot, elementOfKey(key)]));
  }
  const groups = [...state.dots].map(([key, dots]) => [wireDots(dots), [entryOf(declared, key)]]);
  const gone = /set/.test(declared.type) ? dead([...state.dots.keys()]) : [];
  return gone.length === 0 ? groups : [[[], gone.map(elementOfKey)], ...groups];
}
const newEver = () => ({ keys: new Set(), held: new Map() });

/** The greatest time that a change carries. */
function clockOf(declared, change) {
  if (declared.type === 'lww-register') return change[0];
  if (declared.type !== 'map') return 0;
  return Math.max(0, ...change.map(([, , nested]) => (nested === null ? 0 : clockOf(declared.inner, nested))));
}

class Hub {
  position = 0;
  now = 10 * MINUTE_MS;
  ever = newEver();
  ledger = new Map();
  accepted = [];
  refusals = 0;
  clocks = 0;

  constructor(declared, random) {
    const type = fieldType(declared);
    Object.assign(this, { declared, random, type, state: type.create() });
  }

  row(replica) {
    const name = toHex(replica);
    if (!this.ledger.has(name)) {
      this.ledger.set(name, { name, index: replica[0], seq: 0, entry: { up: 0, down: 0 }, refused: [], at: [] });
    }
    return this.ledger.get(name);
  }

  /** Why the update takes no effect, or undefined. */
  refusal(row, raw, change, update) {
    if (this.random(12) === 0) return { code: 'OVERFLOW', details: {} };
    if (clockOf(this.declared, raw) > this.now + MINUTE_MS) return { code: 'CLOCK_AHEAD', details: { now_ms: this.now } };
    if (this.type.check?.(this.state, row.entry, change, update) ?? true) return undefined;
    return { code: 'OUT_OF_BOUNDS', details: { field: 0, value: this.state.total ?? null } };
  }

  merge(delta, replica) {
    const row = this.row(replica);
    if (delta.last <= row.seq) return;
    assert.equal(delta.first, row.seq + 1);
    this.position += 1;
    row.seq = delta.last;
    row.at.push({ last: delta.last, position: this.position });
    const raw = delta.changes.get(0);
    const change = this.type.decodeChange(raw);
    const update = {
      replica: `#${row.index}`, first: delta.first, last: delta.last, position: this.position,
      context: { position: delta.context.position, seen: new Map() },
    };
    const refusal = this.refusal(row, raw, change, update);
    if (refusal === undefined) {
      this.type.apply(this.state, row.entry, change, update);
      this.accepted.push({ replica: row.name, first: delta.first, last: delta.last, position: this.position });
    } else {
      this.type.spend(row.entry, change);
      this.refusals += 1;
      this.clocks += refusal.code === 'CLOCK_AHEAD' ? 1 : 0;
      row.refused.push({ seq: delta.last, first: delta.first, ...refusal });
    }
  }

  content(since) {
    const ever = since === 0 ? newEver() : this.ever;
    contentOf(this.declared, this.state, this.ever, false, this.random);
    return { 0: contentOf(this.declared, this.state, ever, false, this.random) };
  }
}

class Client {
  cursor = 0;
  id = 0;
  told = new Set();
  rejected = [];
  connected = false;

  constructor(hub, random, number, skew) {
    const replica = new Uint8Array(16).fill(number);
    replica[6] = 0x70;
    replica[8] = 0x80;
    const fields = [{ number: 0, name: 'f', ...hub.declared }];
    Object.assign(this, { hub, random, replica, fields, name: toHex(replica), history: [], seq: 0 });
    this.now = () => hub.now + skew;
    this.handle = createDocument('a/1', () => replica, fields, () => {}, () => {}, this.now);
    this.handle.document.on('rejected', (rejection) => this.rejected.push(rejection));
  }

  /** What the hub writes is what we read. */
  receive(packet) {
    const [read] = decodeMessage(encodePacket({ id: this.id, ...packet }));
    this.handle.receive(read);
  }

  value() {
    return this.handle.document.value.f;
  }

  connect() {
    this.id += 1;
    const { session } = this.handle;
    session.open(this.id, JOURNAL);
    const row = this.hub.row(this.replica);
    const { position } = this.hub;
    this.receive({ type: 'OPENED', fields: this.fields, rights: 3, position, ledger: [{ index: row.index, seq: row.seq }] });
    this.tellRefused();
    const fresh = this.cursor === 0 || this.random(3) === 0;
    if (fresh) this.receive({ type: 'SNAPSHOT', position, fields: this.hub.content(0) });
    else this.tellChanges();
    this.cursor = position;
    this.connected = true;
  }

  /** From the cursor, or as to another session on the same connection, whose cursor is older. */
  tellChanges() {
    const from = this.random(3) === 0 ? this.random(this.cursor + 1) : this.cursor;
    this.receive({ type: 'UPDATE', from, to: this.hub.position, fields: this.hub.content(from) });
  }

  tellRefused() {
    for (const { seq, first, code, details } of this.hub.row(this.replica).refused) {
      if (this.told.has(seq)) continue;
      this.receive({ type: 'REJECT', replica: null, seq, code, text: '', details });
      this.told.add(seq);
      this.history = this.history.filter((edit) => edit.seq < first || edit.seq > seq);
      if (code === 'OUT_OF_BOUNDS') assert.equal(this.rejected.at(-1).details.value, details.value);
    }
  }

  send() {
    const { frozen } = this.handle.session.takeSends();
    for (const bytes of frozen.flatMap((one) => (this.random(4) === 0 ? [one, one] : [one]))) {
      const [delta] = decodeMessage(bytes);
      this.hub.merge(delta, this.replica);
    }
    if (this.random(4) === 0) this.disconnect();
    else this.update();
  }

  update() {
    this.tellRefused();
    const { seq, index } = this.hub.row(this.replica);
    const { position } = this.hub;
    if (seq > 0) this.receive({ type: 'ACK', replica: null, seq, position, index });
    if (position > this.cursor) {
      this.tellChanges();
      this.cursor = position;
    }
  }

  disconnect() {
    this.handle.session.disconnect();
    this.connected = false;
  }

  settle() {
    for (let round = 0; round < 60 && (round < 3 || this.handle.session.pending() > 0); round++) {
      if (!this.connected) this.connect();
      this.send();
    }
    if (!this.connected) this.connect();
    this.update();
  }
}

/** Every edit made, by its maker; a refused one is forgotten when its maker hears of it. */
class World {
  constructor(declared, random, skew = () => 0) {
    this.hub = new Hub(declared, random);
    this.declared = declared;
    this.random = random;
    this.clients = Array.from({ length: 2 + random(2) }, (_, i) => new Client(this.hub, random, i + 1, skew(i)));
  }

  positionOf({ replica, seq }) {
    return this.hub.accepted.find((one) => one.replica === replica && one.first <= seq && seq <= one.last)?.position ?? Infinity;
  }

  visible(client) {
    return this.clients.flatMap(({ history }) => history).filter(
      (edit) => edit.replica === client.name || this.positionOf(edit) <= client.cursor);
  }

  edit(client) {
    const call = callOf(this.random, this.declared);
    const { session } = client.handle;
    const visible = this.visible(client);
    const stamp = stampOf(this.declared, visible, call, client.now());
    const before = session.edits();
    try {
      callEdit(client.handle.document.field('f'), call[0], call.slice(1));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // beyond a bound
    }
    if (session.edits() === before) return;
    const seen = new Map(this.clients.map((other) => [other.name, other === client ? client.seq
      : Math.max(0, ...this.hub.row(other.replica).at.filter(({ position }) => position <= client.cursor).map(({ last }) => last))]));
    client.seq += 1;
    client.history.push({ replica: client.name, seq: client.seq, seen, call, stamp });
  }

  /** A bounded counter shows what waits as far as the hub would take it now. */
  expected(client) {
    const visible = this.visible(client);
    const { min, max, type } = this.declared;
    if (type !== 'bounded-counter') return valueOf(this.declared, visible);
    const counted = visible.filter((edit) => this.positionOf(edit) <= client.cursor);
    return visible.filter((edit) => !counted.includes(edit)).reduce((total, edit) => {
      const next = total + valueOf(this.declared, [edit]);
      return min <= next && next <= max ? next : total;
    }, valueOf(this.declared, counted));
  }

  check(client, where) {
    assert.deepEqual(client.value(), this.expected(client), `${where}: client ${client.replica[0]}`);
  }

  step() {
    const client = this.clients[this.random(this.clients.length)];
    const dice = this.random(20);
    this.hub.now += this.random(3);
    if (dice < 9) this.edit(client);
    else if (!client.connected) client.connect();
    else if (dice < 15) client.send();
    else if (dice < 18) client.update();
    else client.disconnect();
    return client;
  }

  settle() {
    for (const client of [...this.clients, ...this.clients]) client.settle();
  }
}

function run(declared, seed) {
  const world = new World(declared, generator(seed));
  for (let step = 0; step < 50; step++) world.check(world.step(), `seed ${seed}, step ${step}`);
  world.settle();
  for (const client of world.clients) {
    world.check(client, `seed ${seed}, at the end`);
    assert.deepEqual(client.value(), world.hub.type.look(world.hub.state).value, `seed ${seed}: what the hub has`);
    assert.equal(client.handle.session.pending(), 0);
  }
  return world.hub.refusals;
}

const map = (of) => ({ type: 'map', of });
const options = ['g-counter', 'pn-counter', { type: 'bounded-counter', min: -2, max: 4 }, 'g-set', '2p-set', 'or-set', 'flag',
  { type: 'flag', wins: 'disable' }, 'mv-register', 'lww-register', map('g-counter'), map('pn-counter'), map('g-set'), map('2p-set'),
  map('or-set'), map('flag'), map('mv-register'), map('lww-register'), map(map('or-set')), map(map(map('pn-counter')))];
const nameOf = (option) => (typeof option === 'string' ? option : [option.type, option.wins, option.of && nameOf(option.of)].filter(Boolean).join(' of '));

for (const option of options) {
  test(`${nameOf(option)}: the view is exact in random runs from the seeds ${FIRST} to ${LAST}`, () => {
    let refusals = 0;
    for (let seed = FIRST; seed <= LAST; seed++) refusals += run(declarationOf(option), seed);
    if (FIRST !== LAST) assert.ok(refusals > 50, `the runs are too tame: ${refusals} refused`);
  });
}

test('bounded counters in a map end where the hub has them, inside their bounds', () => {
  const declared = declarationOf(map({ type: 'bounded-counter', min: 0, max: 3 }));
  for (let seed = FIRST; seed <= LAST; seed++) {
    const world = new World(declared, generator(seed));
    for (let step = 0; step < 50; step++) {
      const value = world.step().value();
      for (const total of Object.values(value)) assert.ok(total >= 0 && total <= 3, `seed ${seed}, step ${step}: ${total}`);
    }
    world.settle();
    for (const client of world.clients) {
      assert.deepEqual(client.value(), world.hub.type.look(world.hub.state).value, `seed ${seed}`);
      assert.equal(client.handle.session.pending(), 0, `seed ${seed}`);
    }
  }
});

for (const option of ['lww-register', map('lww-register'), map(map('lww-register'))]) {
  test(`${nameOf(option)}: with clocks up to an hour ahead every edit arrives, and no app hears of it`, () => {
    let refusals = 0;
    for (let seed = FIRST; seed <= LAST; seed++) {
      const world = new World(declarationOf(option), generator(seed), (i) => i * 30 * MINUTE_MS);
      for (let step = 0; step < 50; step++) world.step();
      world.settle();
      refusals += world.hub.clocks;
      for (const client of world.clients) {
        assert.deepEqual(client.value(), world.hub.type.look(world.hub.state).value, `seed ${seed}`);
        assert.equal(client.handle.session.pending(), 0, `seed ${seed}`);
        assert.deepEqual(client.rejected.filter(({ code }) => code === 'CLOCK_AHEAD'), [], `seed ${seed}`);
      }
    }
    if (FIRST !== LAST) assert.ok(refusals > 100, `the runs are too tame: ${refusals} refused`);
  });
}
