/**
 * Goal:   the view is exact while edits wait, and everything counts once, whatever the network does.
 * Method: random runs of 2 to 4 clients, with the real session code, against a hub of forty lines that follows the model's rules
 *         (tests/hub/record_model.py). Packets are lost with their connection, deltas are repeated or turned away for a while,
 *         refused, updates conflated, sessions renewed because their replica is in use, the hub restored from an older backup: what
 *         clients have forgotten by then is lost, and what they hold is not. The oracle applies the OR-set's
 *         definition to the true history. A failure names its seed; SYNCLINE_SEED=n runs that one alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSession } from '../../../clients/js/dist/session/session.js';
import { keyOfElement } from '../../../clients/js/dist/protocol/elements.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/every.js';
import { toHex } from '../../../clients/js/dist/protocol/values.js';
import { generator } from '../replicas.mjs';

const SEEDS = 1500;
const FIRST = Number(process.env.SYNCLINE_SEED ?? 1);
const LAST = process.env.SYNCLINE_SEED === undefined ? SEEDS : FIRST;
const JOURNAL = new Uint8Array(16);
const same = (a, b) => toHex(a) === toHex(b);
const FIELDS = [{ number: 0, name: 'likes', type: 'g-counter' }, { number: 2, name: 'tags', type: 'or-set', of: 'string' }];
const keyOf = (element) => keyOfElement(element, 'string');

/** The model's hub: a ledger, totals, dots with positions; one position for each delta. */
class Hub {
  position = 0;
  gaps = 0;
  total = 0;
  totalAt = 0;
  ledger = new Map();
  dots = new Map();
  changed = new Map();

  journal = JOURNAL;
  ancestors = [];
  restores = 0;

  backup() {
    const { position, total, totalAt, ledger, dots, changed } = this;
    return structuredClone({ position, total, totalAt, ledger, dots, changed });
  }

  /** The old journal's positions mean at most the restore point. */
  restore(backup) {
    const shared = (position) => Math.min(position, backup.position);
    this.ancestors = [
      ...this.ancestors.map(({ journal, position }) => ({ journal, position: shared(position) })),
      { journal: this.journal, position: backup.position }];
    Object.assign(this, structuredClone(backup));
    this.restores += 1;
    this.journal = new Uint8Array(16).fill(this.restores);
  }

  resolve(journal, position) {
    if (same(journal, this.journal)) return position;
    return Math.min(position, this.ancestors.find((ancestor) => same(ancestor.journal, journal)).position);
  }

  row(replica) {
    const name = toHex(replica);
    if (!this.ledger.has(name)) this.ledger.set(name, { seq: 0, up: 0, index: null, refused: [] });
    return this.ledger.get(name);
  }

  merge(delta, replica, refuse) {
    const row = this.row(replica);
    if (delta.last <= row.seq) return 'repeat';
    if (delta.first !== row.seq + 1 || delta.context.seen.some((s) => s.seq > this.row(s.replica).seq)) return 'gap';
    this.position += 1;
    row.index ??= [...this.ledger.values()].filter(({ index }) => index !== null).length;
    row.seq = delta.last;
    const up = delta.changes.get(0);
    if (refuse) {
      row.up = Math.max(row.up, up ?? 0); // spent
      row.refused.push(delta.last);
      return 'refused';
    }
    if (up > row.up) {
      this.total += up - row.up;
      this.totalAt = this.position;
      row.up = up;
    }
    const [clear, added, removed] = delta.changes.get(2) ?? [false, [], []];
    const position = this.resolve(delta.context.journal ?? this.journal, delta.context.position);
    const seen = (dot) => dot.position <= position ||
      (dot.row === row && dot.seq < delta.first) ||
      delta.context.seen.some((s) => this.row(s.replica) === dot.row && dot.seq <= s.seq);
    for (const element of new Set([...(clear ? this.dots.keys() : []), ...removed, ...added])) {
      const before = this.dots.get(element) ?? [];
      const kept = before.filter((dot) => !seen(dot));
      if (added.includes(element)) kept.push({ row, seq: delta.last, position: this.position });
      if (kept.length !== before.length || added.includes(element)) this.changed.set(element, this.position);
      this.dots.set(element, kept);
    }
    return 'merged';
  }

  content(since) {
    const groups = [...this.changed].filter(([element, at]) => at > since && (since > 0 || this.dots.get(element).length > 0))
      .map(([element]) => [this.dots.get(element).map(({ row, seq, position }) => [row.index, seq, position]), [element]]);
    return { ...(since === 0 || this.totalAt > since ? { 0: this.total } : {}), 2: groups };
  }
}

class Client {
  constructor(hub, random, history) {
    Object.assign(this, { hub, random, history, lastId: 0, connected: false });
    let minted = 0;
    const tag = random(1 << 30);
    this.session = createSession('post/1', () => {
      const id = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, ++minted);
      new DataView(id.buffer).setUint32(0, tag);
      return id;
    });
    this.session.declare(FIELDS);
  }

  cursor = 0;
  /**
   * It shows what a restore has lost, until it connects; and until the hub has what it holds, it does not know how much of what that
   * had seen was lost too.
   */
  stale = false;

  connect() {
    const open = this.session.open(++this.lastId, this.hub.journal);
    this.named = open.replicas;
    this.cursor = open.cursor?.[1] ?? 0;
    const position = this.hub.position;
    this.session.receive({
      type: 'OPENED', id: this.lastId, fields: FIELDS, rights: 3, position,
      ledger: open.replicas.map((replica) => ({ index: this.hub.row(replica).index, seq: this.hub.row(replica).seq })),
    });
    this.tellRefused();
    const lost = open.cursor !== undefined && this.hub.resolve(...open.cursor) !== open.cursor[1];
    if (open.cursor === undefined || lost || this.random(4) === 0) {
      this.session.receive({ type: 'SNAPSHOT', id: this.lastId, position, fields: this.hub.content(0) });
    } else {
      this.session.receive({ type: 'UPDATE', id: this.lastId, from: this.cursor, to: position, fields: this.hub.content(this.cursor) });
    }
    this.cursor = position;
    this.connected = true;
  }

  disconnect() {
    this.session.disconnect();
    this.connected = false;
  }

  /** Everything that can be sent arrives, some of it twice; the answers may be lost with the connection. */
  send() {
    const { frozen } = this.session.takeSends();
    let deaf = false; // what is on its way arrives, though the stream was closed meanwhile
    const lost = this.random(4) === 0;
    for (const bytes of frozen.flatMap((b) => (this.random(4) === 0 ? [b, b] : [b]))) {
      const [delta] = decodeMessage(bytes);
      const replica = delta.replica ?? this.named[0];
      const names = new Set(this.named.map(toHex));
      for (const { replica: other } of [{ replica }, ...delta.context.seen]) assert.ok(names.has(toHex(other)), 'UNKNOWN_REPLICA');
      if (this.random(12) === 0) {
        if (!deaf) this.receive({ type: 'ERROR', code: 'READ_ONLY', text: '', details: { retry_ms: 1 } });
        this.retry = true;
        continue;
      }
      const result = this.hub.merge(delta, replica, this.random(12) === 0);
      if (result === 'merged') this.history.merged(toHex(replica), delta.first, delta.last, this.hub.position);
      if (result === 'refused') this.history.refused(toHex(replica), delta.first, delta.last, this.hub.position);
      if (result === 'gap' && !deaf) {
        this.hub.gaps += 1;
        const news = this.receive({ type: 'GAP', replica: this.random(2) === 0 ? delta.replica : replica, next: this.hub.row(replica).seq + 1 });
        assert.deepEqual(news.rejected, []);
        if (news.error !== undefined) this.retry = true;
        deaf = news.renewed;
        if (deaf) this.history.move(this);
      }
    }
    if (deaf) {
      this.connected = false;
      return;
    }
    if (this.retry) this.session.resend();
    this.retry = false;
    if (lost) this.disconnect();
    else if (this.random(3) === 0) this.answer();
    else this.update();
  }

  receive(packet) {
    return this.session.receive({ id: this.lastId, ...packet });
  }

  /** REJECTs come before the ACK that covers them, and again on the next stream. */
  tellRefused() {
    for (const replica of this.named) {
      for (const seq of this.hub.row(replica).refused) {
        this.receive({ type: 'REJECT', replica, seq, code: 'OVERFLOW', text: '', details: { field: 0 } });
        this.history.tell(toHex(replica), seq);
      }
    }
  }

  answer() {
    this.tellRefused();
    for (const replica of this.named) {
      const { seq, index } = this.hub.row(replica);
      if (index !== null) this.receive({ type: 'ACK', replica, seq, position: this.hub.position, index });
    }
  }

  /** Another connection has the replica. */
  renew() {
    const before = toHex(this.session.replica());
    this.receive({ type: 'CLOSE', code: 'REPLICA_IN_USE', text: '' });
    assert.notEqual(toHex(this.session.replica()), before);
    this.connected = false;
  }

  update() {
    this.answer();
    if (this.hub.position > this.cursor) {
      this.session.receive({ type: 'UPDATE', id: this.lastId, from: this.cursor, to: this.hub.position, fields: this.hub.content(this.cursor) });
      this.cursor = this.hub.position;
    }
  }

  edit() {
    const element = 'abc'[this.random(3)];
    const kind = ['inc', 'add', 'add', 'rem', 'rem', 'clear'][this.random(6)];
    const seen = this.history.visible(this);
    const seq = this.history.record(this, kind, element, seen);
    if (kind === 'inc') {
      this.session.edit(0, (change, entry) => { entry.up += 2; change.entry.up = entry.up; });
    } else {
      this.session.edit(2, (change) => {
        if (kind === 'clear') { change.clear = true; change.added.clear(); change.removed.clear(); }
        if (kind === 'add') { change.removed.delete(keyOf(element)); change.added.add(keyOf(element)); }
        if (kind === 'rem') { change.added.delete(keyOf(element)); if (!change.clear) change.removed.add(keyOf(element)); }
      });
    }
    return seq;
  }

  view() {
    return { likes: this.session.view(0).total, tags: [...this.session.view(2).dots.keys()].sort() };
  }
}

/** The true edits, and what each had seen: the definition itself. */
class History {
  edits = new Map();
  at = new Map();
  updates = new Map();
  told = new Set();
  /** The last seq of each replica. */
  seqs = new Map();
  moves = 0;

  /** A client forgets an edit once its cursor has passed it. */
  isHeld(dot) {
    return (this.at.get(dot) ?? this.spentAt.get(dot) ?? Infinity) > this.edits.get(dot).client.cursor;
  }

  /** What came after the backup never was, and what its client has forgotten is lost. Nobody has seen what will come again. */
  restored(position, clients) {
    const undone = [...this.edits.keys()].filter((dot) => (this.at.get(dot) ?? this.spentAt.get(dot)) > position);
    for (const dot of undone) {
      const { client } = this.edits.get(dot);
      if (!this.isHeld(dot)) this.edits.delete(dot);
      for (const edit of this.edits.values()) if (edit.client !== client) edit.seen.delete(dot);
    }
    for (const dot of undone) {
      this.at.delete(dot);
      this.spentAt.delete(dot);
    }
    for (const client of clients) {
      client.stale = client.stale || client.cursor > position;
      client.cursor = Math.min(client.cursor, position);
    }
  }

  /** How far the ledger can come with what each of the client's replicas still holds; what is beyond goes on under the fresh one. */
  move(client) {
    const fresh = toHex(client.session.replica());
    const mine = [...this.edits].filter(([, edit]) => edit.client === client);
    const reach = new Map();
    const broken = new Set();
    const stuck = [];
    for (const [dot, { replica, seq, held }] of mine) {
      const reached = reach.get(replica) ?? client.hub.ledger.get(replica)?.seq ?? 0;
      reach.set(replica, reached);
      if (seq <= reached) continue;
      const follows = seq === reached + 1 && !this.told.has(dot) && !broken.has(replica) &&
        [...held].every(([other, need]) => need <= (reach.get(other) ?? client.hub.ledger.get(other)?.seq ?? 0));
      if (follows) reach.set(replica, seq);
      else broken.add(replica);
      if (!follows && !this.told.has(dot)) stuck.push(dot);
    }
    for (const dot of stuck) {
      const edit = this.edits.get(dot);
      const held = [...edit.held, [edit.replica, edit.seq]].map(
        ([other, seq]) => [other, Math.min(seq, reach.get(other) ?? client.hub.ledger.get(other)?.seq ?? 0)]);
      const seq = (this.seqs.get(fresh) ?? 0) + 1;
      this.seqs.set(fresh, seq);
      this.edits.delete(dot);
      this.edits.set(`${fresh}:${seq}`, { ...edit, replica: fresh, seq, held: new Map(held) });
      for (const { seen } of this.edits.values()) if (seen.delete(dot)) seen.add(`${fresh}:${seq}`);
    }
    this.moves += stuck.length;
  }

  spentAt = new Map();

  record(client, kind, element, seen) {
    const replica = toHex(client.session.replica());
    const seq = (this.seqs.get(replica) ?? 0) + 1;
    this.seqs.set(replica, seq);
    const held = new Map();
    for (const [dot, other] of this.edits) {
      if (other.client === client && other.replica !== replica && this.isHeld(dot)) held.set(other.replica, other.seq);
    }
    this.edits.set(`${replica}:${seq}`, { replica, seq, client, kind, element, seen, held });
    return seq;
  }

  merged(replica, first, last, position) {
    for (let seq = first; seq <= last; seq++) this.at.set(`${replica}:${seq}`, position);
  }

  /** An update takes no effect; its maker sees it until it is told. */
  refused(replica, first, last, position) {
    const dots = Array.from({ length: last - first + 1 }, (_, i) => `${replica}:${first + i}`);
    this.updates.set(`${replica}:${last}`, dots);
    for (const dot of dots) this.spentAt.set(dot, position);
  }

  tell(replica, last) {
    for (const dot of this.updates.get(`${replica}:${last}`)) this.told.add(dot);
  }

  visible(client) {
    return new Set([...this.edits.keys()].filter((dot) => !this.told.has(dot) && (
      this.edits.get(dot).client === client || (this.at.get(dot) ?? Infinity) <= client.cursor)));
  }

  value(dots) {
    const edits = [...dots].map((dot) => [dot, this.edits.get(dot)]);
    const tags = new Set();
    for (const [dot, { kind, element }] of edits) {
      const gone = edits.some(([, other]) =>
        (other.kind === 'clear' || (other.kind === 'rem' && other.element === element)) && other.seen.has(dot));
      if (kind === 'add' && !gone) tags.add(keyOf(element));
    }
    return { likes: 2 * edits.filter(([, { kind }]) => kind === 'inc').length, tags: [...tags].sort() };
  }
}

function run(seed) {
  const random = generator(seed);
  const hub = new Hub();
  const history = new History();
  const clients = Array.from({ length: 2 + random(3) }, () => new Client(hub, random, history));
  let backup;
  for (let step = 0; step < 10 + random(50); step++) {
    if (random(15) === 0) backup = hub.backup();
    if (backup !== undefined && random(30) === 0) {
      hub.restore(backup);
      history.restored(backup.position, clients);
      for (const client of clients) client.disconnect();
    }
    const client = clients[random(clients.length)];
    const dice = random(20);
    if (dice < 8) client.edit();
    else if (!client.connected) client.connect();
    else if (dice < 15) client.send();
    else if (dice < 17) client.update();
    else if (dice < 18) client.renew();
    else client.disconnect();
    if (client.connected && client.session.pending() === 0) client.stale = false;
    if (!client.stale) assert.deepEqual(client.view(), history.value(history.visible(client)), `seed ${seed}, step ${step}`);
  }
  for (let round = 0; round < 40; round++) {
    for (const client of clients) {
      if (!client.connected) client.connect();
      client.send();
    }
  }
  for (const client of clients) {
    if (!client.connected) client.connect();
    client.update();
    assert.deepEqual(client.view(), history.value(new Set([...history.edits.keys()].filter((dot) => !history.told.has(dot)))), `seed ${seed}, at the end`);
    assert.equal(client.session.pending(), 0, `seed ${seed}: pending`);
  }
  return { hub, history };
}

test(`the view is exact in random runs from the seeds ${FIRST} to ${LAST}`, () => {
  let gaps = 0;
  let refused = 0;
  let moves = 0;
  for (let seed = FIRST; seed <= LAST; seed++) {
    const { hub, history } = run(seed);
    gaps += hub.gaps;
    refused += history.updates.size;
    moves += history.moves;
  }
  if (FIRST !== LAST) assert.ok(gaps > 20 && refused > 100 && moves > 100, `the runs are too tame: ${gaps} gaps, ${refused} refused, ${moves} moved`);
});

test('a rejected update rolls back alone, and its amount never counts', () => {
  const session = createSession('post/1', () => new Uint8Array(16));
  session.declare(FIELDS);
  const { id } = session.open(1, JOURNAL);
  session.receive({ type: 'OPENED', id, fields: FIELDS, rights: 3, position: 0, ledger: [{ index: null, seq: 0 }] });
  session.receive({ type: 'SNAPSHOT', id, position: 0, fields: { 0: 10, 2: [] } });
  const count = (amount) => session.edit(0, (change, entry) => { entry.up += amount; change.entry.up = entry.up; });
  count(5);
  session.takeSends();
  count(1);
  assert.equal(session.view(0).total, 16);
  const news = session.receive({ type: 'REJECT', id, replica: null, seq: 1, code: 'OVERFLOW', text: 'too much', details: { field: 0 } });
  assert.deepEqual(news.rejected, [{ code: 'OVERFLOW', text: 'too much', field: 'likes', seq: 1, edits: { likes: { increment: 5 } } }]);
  assert.equal(session.view(0).total, 11);
  const [sent] = session.takeSends().frozen.map((bytes) => decodeMessage(bytes)[0]);
  assert.equal(sent.changes.get(0), 6);
});

test('edits gather until they are sent, and then never change', () => {
  const session = createSession('post/1', () => new Uint8Array(16));
  session.declare(FIELDS);
  const { id } = session.open(1, JOURNAL);
  session.receive({ type: 'OPENED', id, fields: FIELDS, rights: 3, position: 0, ledger: [{ index: null, seq: 0 }] });
  session.receive({ type: 'SNAPSHOT', id, position: 0, fields: { 0: 0, 2: [] } });
  const add = (element) => session.edit(2, (change) => change.added.add(keyOf(element)));
  add('a');
  add('b');
  const first = session.takeSends().frozen;
  add('c');
  session.resend();
  const again = session.takeSends().frozen;
  assert.equal(first.length, 1);
  assert.equal(toHex(again[0]), toHex(first[0]));
  assert.equal(again.length, 2);
});
