/**
 * Session: one document as a client holds it. Pure: packets and edits in, packets and news out.
 *
 * `confirmed` is the hub's state at the cursor; the outboxes hold what it does not include yet; the view is the outboxes applied to
 * confirmed by the hub's own rules (design of the C side: docs/protocol.md, section 2), so it is exact while edits wait.
 */
import { PENDING, type ReplicaName } from '../crdt/context.js';
import { fieldType } from '../crdt/registry.js';
import type { AnyFieldType, Entry, Sharing } from '../crdt/type.js';
import { optionsOf, type Declaration } from '../protocol/declarations.js';
import {
  freezeDelta, thawDelta, type FieldDeclaration, type Fields, type Packet, type Replica,
} from '../protocol/packets.js';
import { asMap, decodeValues, ProtocolError, toHex } from '../protocol/values.js';
import {
  canGather, canShare, contextOf, createOutbox, entryOf, oldestPending, pendingCount, reaches, rewind, type Delta, type Outbox,
} from './outbox.js';
import { encodeConfirmed, encodeSession, type Cursor, type SavedOutbox, type SavedSession } from './saved.js';

const IN_FLIGHT = 16;
/** When to try again, if a hub that cannot take an update now does not say. */
const RETRY_MS = 1000;
/** Grant the hub more of a transfer after this many bytes. */
const CREDIT_BYTES = 64 * 1024;

/** An update that took no effect; `edits` says for each field what it would have done, `details` what else the hub says of it. */
export type Rejection = {
  code: string; text: string; field: string | undefined; seq: number; edits: { [field: string]: unknown };
  details?: Fields;
};

/** What a packet or an edit changed, for the document to tell. */
export type News = {
  changed: boolean;
  pending: boolean;
  rejected: Rejection[];
  /** The hub's state is here for the first time on this stream. */
  arrived: boolean;
  /** The session goes on under a fresh replica: close the stream and open another. */
  renewed: boolean;
  /** The hub ended the stream, or cannot go on with it. */
  closed: { code: string; text: string } | undefined;
  error: { code: string; text: string; retryMs: number | undefined } | undefined;
};

type Field = { declaration: FieldDeclaration; type: AnyFieldType; state: unknown };
type Transfer = { packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }; parts: Uint8Array[]; got: number; granted: number };

export type Session = ReturnType<typeof createSession>;

function isSame(a: Declaration, b: Declaration): boolean {
  return a.type === b.type && JSON.stringify(optionsOf(a)) === JSON.stringify(optionsOf(b));
}

/** Fields of one shape hold the same states and take the same changes. */
function shapeOf({ type, of, inner }: Declaration): string {
  if (inner !== undefined) return `${type} of ${shapeOf(inner)}`;
  return of === undefined || of === 'string' ? type : `${type} of ${of}`;
}

export function createSession(name: string, mint: () => Replica) {
  let fields = new Map<number, Field>();
  /** Fields that the hub lacks, or declares otherwise, by numbers below 0 that no other field ever has. */
  let aside = new Map<number, Field>();
  let lastAside = 0;
  let cursor: Cursor | null = null;
  let journal: Uint8Array | null = null;
  let outboxes: Outbox[] = [createOutbox(mint())];
  let edits = 0;
  let named: Outbox[] = [];
  let stream: number | null = null;
  let opened = false;
  let arrived = false;
  let paused = false;
  let transfer: Transfer | null = null;
  let replies: Packet[] = [];
  let views = new Map<number, unknown>();
  /** The saved form of the confirmed state, while it stays the same. */
  let savedConfirmed: Uint8Array | null = null;
  /** The hub's clock is so far ahead of ours, as far as it has told. */
  let clockOffset = 0;

  const own = (): Outbox => outboxes[outboxes.length - 1] as Outbox;
  let identity = own().replica;
  /** An outbox whose dots a held context names stands by: the hub needs it named, the view its index. */
  const isHeld = (box: Outbox): boolean =>
    box === own() || box.deltas.length > 0 || outboxes.some(({ deltas }) =>
      deltas.some(({ seen }) => seen.some(({ replica }) => toHex(replica) === box.name)));

  function news(): News {
    return {
      changed: false, pending: false, rejected: [], arrived: false, renewed: false,
      closed: undefined, error: undefined,
    };
  }

  function nameOf(replica: Replica): ReplicaName {
    const hex = toHex(replica);
    const box = outboxes.find((candidate) => candidate.name === hex);
    return box?.index == null ? hex : `#${box.index}`;
  }

  function boxOf(replica: Replica | null): Outbox | undefined {
    if (replica === null) return named[0];
    const hex = toHex(replica);
    return outboxes.find((box) => box.name === hex);
  }

  /* --- schema --- */

  /** What is held moves to the hub's numbers, by name; what does not fit there stands aside, and may come back. */
  function renumber(declarations: readonly FieldDeclaration[]): void {
    const moves = new Map<number, number>();
    for (const [number, { declaration }] of [...aside, ...fields]) {
      const told = declarations.find((one) =>
        one.name === declaration.name && shapeOf(one) === shapeOf(declaration) && fieldType(one) !== undefined);
      moves.set(number, told?.number ?? (number < 0 ? number : --lastAside));
    }
    if ([...moves].every(([from, to]) => from === to)) return;
    const move = <T>(map: ReadonlyMap<number, T>) =>
      new Map([...map].map(([number, item]) => [moves.get(number) as number, item]));
    const moved = [...move(new Map([...aside, ...fields]))];
    aside = new Map(moved.filter(([number]) => number < 0));
    fields = new Map(moved.filter(([number]) => number >= 0));
    for (const box of outboxes) {
      box.claimed = move(box.claimed);
      box.settled = move(box.settled);
      for (const delta of box.deltas) delta.changes = move(delta.changes);
    }
  }

  function declare(declarations: readonly FieldDeclaration[]): void {
    renumber(declarations);
    const declared = new Map<number, Field>();
    for (const declaration of declarations) {
      const before = fields.get(declaration.number);
      const type = before !== undefined && isSame(before.declaration, declaration) ? before.type : fieldType(declaration);
      if (type === undefined) continue; // a type that a later client knows
      declared.set(declaration.number, { declaration, type, state: before?.state ?? type.create() });
    }
    fields = declared;
    savedConfirmed = null;
    views = new Map();
  }

  const fieldOf = (number: number): Field | undefined => fields.get(number) ?? aside.get(number);

  function fieldNamed(fieldName: string): Field | undefined {
    return [...fields.values()].find(({ declaration }) => declaration.name === fieldName);
  }

  /** Why an edit of a field so declared cannot be made; undefined: it can. */
  function misfit(declaration: FieldDeclaration): string | undefined {
    const field = fieldNamed(declaration.name);
    if (field === undefined) return `${name} has no field ${declaration.name} at the hub`;
    const [told, guessed] = [shapeOf(field.declaration), shapeOf(declaration)];
    return told === guessed ? undefined : `the hub declares ${declaration.name} of ${name} as ${told}, not as ${guessed}`;
  }

  /* --- the view --- */

  function viewOf(number: number): unknown {
    const cached = views.get(number);
    if (cached !== undefined) return cached;
    const field = fields.get(number);
    if (field === undefined) throw new Error(`no field has number ${number}`);
    const touched = outboxes.some((box) => box.deltas.some((d) => d.changes.has(number)));
    const view = touched ? applyPending(field, number) : field.state;
    views.set(number, view);
    return view;
  }

  function applyPending({ type, state }: Field, number: number, counts = (delta: Delta) => !delta.rejected): unknown {
    const view = type.copy(state);
    for (const box of outboxes) {
      const entry: Entry = { ...entryOf(box.settled, number) };
      for (const delta of box.deltas) {
        const change = delta.changes.get(number);
        if (change === undefined) continue;
        const update = {
          replica: nameOf(box.replica), first: delta.first, last: delta.last, position: PENDING,
          context: contextOf(delta, nameOf),
        };
        if (counts(delta) && (type.check?.(view, entry, change, update) ?? true)) type.apply(view, entry, change, update);
        else type.spend(entry, change);
      }
    }
    return view;
  }

  /* --- edits --- */

  function newDelta(box: Outbox, position: number, seen: Delta['seen'], sharing: Sharing): Delta {
    const delta: Delta = {
      first: box.seq + 1, last: box.seq, serial: edits + 1, position, seen, journal: cursor?.journal,
      changes: new Map(), sharing, restamped: false, sent: false, frozen: undefined, rejected: false,
    };
    box.deltas.push(delta);
    return delta;
  }

  /** Throws what `make` throws, and then nothing has changed. */
  function edit(number: number, make: (change: unknown, entry: Entry) => void): void {
    const field = fields.get(number);
    if (field === undefined) throw new Error(`no field has number ${number}`);
    const box = own();
    const position = cursor?.position ?? 0;
    const seen = outboxes
      .filter((other) => other !== box && other.deltas.length > 0)
      .map(({ replica, deltas }) => ({ replica, seq: (deltas[deltas.length - 1] as Delta).last }));
    const entry = { ...entryOf(box.claimed, number) };
    const last = box.deltas[box.deltas.length - 1];
    const { sharing } = field.type;
    const gathers = last !== undefined && canShare(last, number, sharing) &&
      canGather(last, position, cursor?.journal, seen);
    const change = (gathers ? last.changes.get(number) : undefined) ?? field.type.newChange();
    make(change, entry);
    const delta = gathers ? last : newDelta(box, position, seen, sharing);
    edits += 1;
    box.seq += 1;
    delta.last = box.seq;
    delta.changes.set(number, change);
    box.claimed.set(number, entry);
    views.delete(number);
  }

  /* --- the stream --- */

  function open(id: number, connectionJournal: Uint8Array): Packet & { type: 'OPEN' } {
    disconnect();
    stream = id;
    replies = [];
    const moved = journal !== null && toHex(journal) !== toHex(connectionJournal);
    if (moved || named[0] !== own()) refreeze();
    journal = connectionJournal;
    named = [own(), ...outboxes.filter((box) => box !== own() && isHeld(box))];
    const packet: Packet & { type: 'OPEN' } = {
      type: 'OPEN', id, name, replicas: named.map(({ replica }) => replica),
    };
    if (cursor !== null) packet.cursor = [cursor.journal, cursor.position];
    return packet;
  }

  /** A context says which journal it counts in, if not the connection's; an update, whose it is, if not the stream's own. */
  function refreeze(): void {
    for (const box of outboxes) for (const delta of box.deltas) delta.frozen = undefined;
  }

  function encode(box: Outbox, delta: Delta): Uint8Array {
    if (delta.frozen !== undefined) return delta.frozen;
    const changes = new Map<number, unknown>();
    for (const [number, change] of delta.changes) {
      changes.set(number, fields.get(number)?.type.encodeChange(change));
    }
    const foreign = delta.journal !== undefined && journal !== null &&
      toHex(delta.journal) !== toHex(journal);
    delta.frozen = freezeDelta({
      type: 'DELTA', id: 0, replica: box === named[0] ? null : box.replica, first: delta.first,
      last: delta.last, changes,
      context: {
        position: delta.position, seen: delta.seen,
        ...(foreign && delta.journal !== undefined ? { journal: delta.journal } : {}),
      },
    });
    return delta.frozen;
  }

  /** What can be sent now: outboxes oldest first, each in order. */
  function takeSends(): { packets: Packet[]; frozen: Uint8Array[] } {
    const packets = replies;
    const frozen: Uint8Array[] = [];
    replies = [];
    if (!arrived || paused || stream === null) return { packets, frozen };
    let room = IN_FLIGHT - outboxes.reduce(
      (sum, box) => sum + box.deltas.filter((d) => d.sent && d.last < box.next &&
        d.last > box.acked).length, 0);
    for (const box of outboxes) {
      for (const delta of box.deltas) {
        if (delta.first !== box.next || delta.rejected || room <= 0) continue;
        frozen.push(thawDelta(stream, encode(box, delta)));
        delta.sent = true;
        box.next = delta.last + 1;
        room -= 1;
      }
    }
    return { packets, frozen };
  }

  /** Drops what the confirmed state includes. */
  function settle(): void {
    for (const box of outboxes) {
      const position = cursor?.position ?? 0;
      const reached = box.acks.filter((ack) => ack.position <= position);
      if (reached.length === 0) continue;
      const included = Math.max(...reached.map(({ seq }) => seq));
      box.acks = box.acks.filter((ack) => ack.position > position);
      while (box.deltas[0] !== undefined && box.deltas[0].last <= included) {
        const delta = box.deltas.shift() as Delta;
        for (const [number, change] of delta.changes) {
          fieldOf(number)?.type.spend(entryOf(box.settled, number), change);
          views.delete(number);
        }
      }
    }
    outboxes = outboxes.filter(isHeld);
  }

  function acknowledge(box: Outbox | undefined, seq: number, position: number, index: number | null): void {
    if (box === undefined) return;
    if (index !== null && box.index === null) {
      box.index = index;
      views = new Map();
    }
    if (!box.acks.some((ack) => ack.seq >= seq && ack.position <= position)) {
      box.acks = [...box.acks, { seq, position }];
    }
    if (seq > box.acked) box.asked = null;
    box.acked = Math.max(box.acked, seq);
    box.next = Math.max(box.next, seq + 1);
    settle();
  }

  function onOpened(packet: Packet & { type: 'OPENED' }, told: News): void {
    declare(packet.fields);
    opened = true;
    for (const [i, { index, seq }] of packet.ledger.entries()) {
      const box = named[i];
      if (box === undefined) throw new ProtocolError('OPENED answers for a replica not named');
      box.index = index;
      box.acked = seq;
      box.acks = [{ seq, position: packet.position }];
      box.asked = null;
      rewind(box);
    }
    for (const box of outboxes) for (const delta of box.deltas) handBack(box, delta, told);
    views = new Map();
  }

  /**
   * What the hub cannot know would be refused with all that travels beside it, or be taken for another field's: the app has it back.
   * The rest is sent without it, be it nothing: seqs have no gaps.
   */
  function handBack(box: Outbox, delta: Delta, told: News): void {
    if (delta.rejected || delta.last <= box.acked) return;
    const before = entriesBefore(box, delta);
    for (const [number, change] of delta.changes) {
      const field = aside.get(number);
      if (field === undefined) continue;
      const { declaration, type } = field;
      told.rejected.push({
        code: 'UNKNOWN_FIELD', text: `${misfit(declaration)}`, field: declaration.name, seq: delta.last,
        edits: { [declaration.name]: type.edits(type.rename(change, entryOf(before, number), { up: 0, down: 0 })) },
      });
      type.spend(entryOf(box.settled, number), change);
      delta.changes.delete(number);
      delta.frozen = undefined;
      told.changed = true;
    }
  }

  /** The entries that the replica had before it made the delta. */
  function entriesBefore(box: Outbox, delta: Delta): Map<number, Entry> {
    const entries = new Map([...box.settled].map(([number, entry]) => [number, { ...entry }]));
    for (const { changes } of box.deltas.slice(0, box.deltas.indexOf(delta))) {
      for (const [number, change] of changes) fieldOf(number)?.type.spend(entryOf(entries, number), change);
    }
    return entries;
  }

  /** The delta's changes as those of a replica with these entries. */
  function rename(box: Outbox, delta: Delta, entries: Map<number, Entry>): Map<number, unknown> {
    const before = entriesBefore(box, delta);
    const changes = new Map<number, unknown>();
    for (const [number, change] of delta.changes) {
      const { type } = fieldOf(number) as Field;
      changes.set(number, type.rename(change, entryOf(before, number), entryOf(entries, number)));
    }
    return changes;
  }

  function reject(
    box: Outbox, delta: Delta, why: Omit<Rejection, 'seq' | 'edits'>, told: News,
  ): void {
    const edits = Object.fromEntries([...rename(box, delta, new Map())].map(([number, change]) => {
      const { declaration, type } = fieldOf(number) as Field;
      return [declaration.name, type.edits(change)];
    }));
    told.rejected.push({ ...why, seq: delta.last, edits });
    told.changed = true;
    delta.rejected = true;
    views = new Map();
  }

  /** The same edits once more, under the hub's clock. False: not all of them carry a time. */
  function restamp(box: Outbox, delta: Delta, now: number): boolean {
    const made = [...delta.changes].map(([number, change]) => ({ number, change, field: fields.get(number) }));
    if (made.some(({ field }) => field?.type.restamp === undefined)) return false;
    delta.rejected = true;
    // Others that the wrong clock stamped are on their way to be refused, and made again in this order: they set no time.
    const counts = (one: Delta): boolean => one.restamped && !one.rejected;
    const fresh = own();
    fresh.seq += 1;
    fresh.deltas.push({
      ...delta, first: fresh.seq, last: fresh.seq, sent: false, frozen: undefined, rejected: false, restamped: true,
      seen: box === fresh ? delta.seen : [...delta.seen, { replica: box.replica, seq: delta.last }],
      changes: new Map(made.map(({ number, change, field }) => [number,
        field?.type.restamp?.(change, applyPending(field, number, counts), now + clockOffset)])),
    });
    views = new Map();
    return true;
  }

  function onReject(packet: Packet & { type: 'REJECT' }, told: News, now: number): void {
    const box = boxOf(packet.replica);
    const delta = box?.deltas.find(({ last }) => last === packet.seq);
    if (box === undefined || delta === undefined || delta.rejected) return;
    const { field: number, now_ms: hubNow, ...details } = packet.details;
    if (packet.code === 'CLOCK_AHEAD' && typeof hubNow === 'number') {
      clockOffset = hubNow - now;
      told.changed = restamp(box, delta, now);
      if (told.changed) return;
    }
    // One that stands aside still knows the number that it had.
    const refused = [...delta.changes.keys()].map(fieldOf).find((field) => field?.declaration.number === number);
    const why = {
      code: packet.code, text: packet.text, field: refused?.declaration.name,
      ...(Object.keys(details).length > 0 ? { details } : {}),
    };
    if (packet.code !== 'REPLICA_EXPIRED') return reject(box, delta, why, told);
    // It will refuse all the replica's updates. What was sent it may have taken once, and forgotten since: the app decides.
    for (const one of box.deltas) {
      if (one.sent && one.last > box.acked && !one.rejected) reject(box, one, why, told);
    }
    moveStuck(told);
  }

  function onGap(packet: Packet & { type: 'GAP' }, told: News): void {
    const box = boxOf(packet.replica);
    if (box === undefined) return;
    const again = box.asked === packet.next;
    box.next = packet.next;
    box.asked = packet.next;
    const reach = reaches(outboxes);
    if (outboxes.some(({ name: replica, deltas }) => deltas.some((d) => isStuck(d, reach.get(replica))))) {
      moveStuck(told);
    } else if (again) {
      paused = true;
      told.error = {
        code: 'GAP', text: `The hub does not take update ${packet.next}.`, retryMs: RETRY_MS,
      };
    }
  }

  const isStuck = (delta: Delta, reached = 0): boolean => delta.last > reached && !delta.rejected;

  /**
   * The hub can never take some of what is held under the replica that made it: it has lost updates before it, or the replica has
   * expired. All that, in its order, goes on under a fresh replica (docs/protocol.md, section 2).
   */
  function moveStuck(told: News): void {
    const reach = reaches(outboxes);
    const fresh = createOutbox(mint());
    for (const box of outboxes) {
      const reached = reach.get(box.name) ?? 0;
      for (const delta of box.deltas.filter((one) => isStuck(one, reached))) {
        if (delta.first > box.acked) fresh.deltas.push(moved(box, delta, fresh, reach));
        else reject(box, delta, { code: 'GAP', text: 'The hub has only a part of this update.', field: undefined }, told);
      }
      box.deltas = box.deltas.filter(({ last }) => last <= reached);
    }
    begin(fresh);
    disconnect();
    told.renewed = true;
    told.changed = true;
  }

  function moved(box: Outbox, delta: Delta, fresh: Outbox, reach: Map<string, number>): Delta {
    const first = fresh.seq + 1;
    fresh.seq += delta.last - delta.first + 1;
    const seen = [...delta.seen, { replica: box.replica, seq: delta.first - 1 }].map(
      ({ replica, seq }) => ({ replica, seq: Math.min(seq, reach.get(toHex(replica)) ?? 0) }));
    return {
      ...delta, first, last: fresh.seq, seen: seen.filter(({ seq }) => seq > 0),
      changes: rename(box, delta, fresh.claimed), sent: false, frozen: undefined,
    };
  }

  function readContent(content: Fields, fresh: boolean): void {
    savedConfirmed = null;
    if (fresh) for (const field of fields.values()) field.state = field.type.create();
    for (const [key, value] of Object.entries(content)) {
      const field = fields.get(Number(key));
      if (field === undefined) continue; // of a type that a later client knows
      field.type.readContent(field.state, value);
    }
    views = new Map();
  }

  function onContent(packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }, told: News): void {
    if (packet.fields === null) {
      transfer = { packet, parts: [], got: 0, granted: 0 };
      return;
    }
    if (packet.type === 'UPDATE' && packet.from !== (cursor?.position ?? 0)) {
      throw new ProtocolError(`an UPDATE from ${packet.from}, but the cursor is ${cursor?.position}`);
    }
    readContent(packet.fields, packet.type === 'SNAPSHOT');
    cursor = {
      journal: journal as Uint8Array,
      position: packet.type === 'SNAPSHOT' ? packet.position : packet.to,
    };
    settle();
    told.arrived = !arrived;
    arrived = true;
    told.changed = true;
  }

  function onChunk(packet: Packet & { type: 'CHUNK' }): void {
    if (transfer === null || transfer.packet.transfer !== packet.id) {
      throw new ProtocolError('a CHUNK of no transfer');
    }
    transfer.parts.push(packet.bytes);
    transfer.got += packet.bytes.length;
    if (transfer.got > (transfer.packet.bytes ?? 0)) {
      throw new ProtocolError('a transfer longer than announced');
    }
    if (transfer.got - transfer.granted >= CREDIT_BYTES) {
      replies.push({ type: 'CREDIT', id: packet.id, bytes: transfer.got - transfer.granted });
      transfer.granted = transfer.got;
    }
  }

  function onEnd(packet: Packet & { type: 'END' }, told: News): void {
    if (transfer === null || transfer.packet.transfer !== packet.id) {
      throw new ProtocolError('an END of no transfer');
    }
    if (packet.status !== 0) throw new ProtocolError(`a transfer ended with status ${packet.status}`);
    if (transfer.got !== transfer.packet.bytes) {
      throw new ProtocolError('a transfer shorter than announced');
    }
    const whole = new Uint8Array(transfer.got);
    let at = 0;
    for (const part of transfer.parts) {
      whole.set(part, at);
      at += part.length;
    }
    const content = { ...transfer.packet, fields: asMap(decodeValues(whole)[0]) };
    transfer = null;
    onContent(content, told);
  }

  /** Goes on under a new replica; what is held under others is flushed under theirs. */
  function begin(fresh: Outbox): void {
    outboxes.push(fresh);
    outboxes = outboxes.filter(isHeld);
    views = new Map();
  }

  /** The stream is gone; what was under way is sent again on the next. */
  function disconnect(): void {
    stream = null;
    opened = false;
    arrived = false;
    paused = false;
    transfer = null;
  }

  /* --- what outlives the session --- */

  function save(): Uint8Array {
    savedConfirmed ??= encodeConfirmed(
      [...fields, ...aside].map(([number, { declaration }]) => ({ ...declaration, number })), cursor,
      new Map([...fields].map(([number, { type, state }]) => [number, type.writeContent(state)])));
    return encodeSession(savedConfirmed, outboxes.filter(isHeld), identity, (changes) => new Map(
      [...changes].map(([number, change]) => [number, (fieldOf(number) as Field).type.encodeChange(change)])));
  }

  /** Shows what another session had confirmed. Fields that only this one knows stay, until the hub says that it lacks them. */
  function showConfirmed(saved: SavedSession): void {
    const known = saved.fields.filter(({ number }) => number >= 0);
    const names = new Set(known.map(({ name: fieldName }) => fieldName));
    const free = Math.max(-1, ...known.map(({ number }) => number)) + 1;
    const more = [...fields.values()].filter(({ declaration }) => !names.has(declaration.name))
      .map(({ declaration }, i) => ({ ...declaration, number: free + i }));
    declare([...known, ...more]);
    readContent(Object.fromEntries(saved.contents), true);
    cursor = saved.cursor;
  }

  /** Where what is held of a field so declared is kept here. */
  function placeOf(declaration: FieldDeclaration): number {
    const isIt = ([, field]: [number, Field]): boolean =>
      field.declaration.name === declaration.name && shapeOf(field.declaration) === shapeOf(declaration);
    const found = [...fields, ...aside].find(isIt);
    if (found !== undefined) return found[0];
    const type = fieldType(declaration);
    if (type === undefined) throw new ProtocolError(`a field of type ${declaration.type} that a later client knows`);
    aside.set(--lastAside, { declaration, type, state: type.create() });
    savedConfirmed = null;
    return lastAside;
  }

  /** Its session is over: nothing joins its updates any more, and all count as sent. */
  function adopt(saved: SavedOutbox, placed: (number: number) => number): Outbox {
    const box = createOutbox(saved.replica);
    Object.assign(box, { index: saved.index, seq: saved.seq, acked: saved.acked });
    box.settled = new Map([...saved.settled].map(([number, entry]) => [placed(number), { ...entry }]));
    box.deltas = saved.deltas.map((delta) => {
      const serial = edits + 1;
      edits += delta.last - delta.first + 1;
      const changes = new Map([...delta.changes].map(([number, change]) => {
        const place = placed(number);
        return [place, (fieldOf(place) as Field).type.decodeChange(change)];
      }));
      return { ...delta, serial, changes, sharing: 'none', sent: true, frozen: undefined };
    });
    rewind(box);
    return box;
  }

  /** Throws a ProtocolError, and then none of its outboxes are taken. */
  function adoptAll(saved: SavedSession): void {
    const places = new Map<number, number>();
    const placed = (number: number): number => {
      const declaration = saved.fields.find((field) => field.number === number);
      if (declaration === undefined) throw new ProtocolError(`an update of a field ${number} that is not declared`);
      const place = places.get(number) ?? placeOf(declaration);
      places.set(number, place);
      return place;
    };
    const held = new Set(outboxes.map(({ name: replica }) => replica));
    const taken = saved.outboxes
      .filter(({ replica }) => !held.has(toHex(replica))).map((box) => adopt(box, placed));
    outboxes = [...outboxes.slice(0, -1), ...taken, own()];
    outboxes = outboxes.filter(isHeld);
    if (own().seq === 0) identity = saved.lease;
    views = new Map();
  }

  function dispatch(packet: Packet, told: News, now: number): void {
    switch (packet.type) {
      case 'OPENED': return onOpened(packet, told);
      case 'ACK': return acknowledge(boxOf(packet.replica), packet.seq, packet.position, packet.index);
      case 'REJECT': return onReject(packet, told, now);
      case 'GAP': return onGap(packet, told);
      case 'SNAPSHOT':
      case 'UPDATE': return onContent(packet, told);
      case 'CHUNK': return onChunk(packet);
      case 'END': return onEnd(packet, told);
      case 'CLOSE':
        disconnect();
        told.closed = { code: packet.code, text: packet.text };
        if (packet.code === 'REPLICA_IN_USE') begin(createOutbox(mint())); // ours is another's too
        return;
      case 'ERROR': {
        const retry = packet.details['retry_ms'];
        const passes = packet.code === 'READ_ONLY' || packet.code === 'BUSY';
        told.error = {
          code: packet.code, text: packet.text,
          retryMs: typeof retry === 'number' ? retry : passes ? RETRY_MS : undefined,
        };
        paused = told.error.retryMs !== undefined;
        if (!opened) stream = null;
        return;
      }
      default: throw new ProtocolError(`${packet.type} does not belong to a stream`);
    }
  }

  return {
    name,
    declare,
    edit,
    open,
    takeSends,
    view: viewOf,
    /** The hub may give a field another number than was guessed before it was asked, or none. */
    numberOf(declaration: FieldDeclaration): number {
      const why = misfit(declaration);
      if (why !== undefined) throw new Error(why);
      return fieldNamed(declaration.name)?.declaration.number as number;
    },
    fields: (): ReadonlyMap<number, Field> => fields,
    stream: (): number | null => stream,
    transferId: (): number | undefined => transfer?.packet.transfer,
    arrived: (): boolean => arrived,
    pending: (): number => pendingCount(outboxes),
    /** How many edits were made, and whether the first so many of them are all acknowledged or rejected. */
    edits: (): number => edits,
    isSaved: (count: number): boolean => oldestPending(outboxes) > count,
    replica: (): Replica => own().replica,
    /** What another session needs to show the same, and to flush what waits here, after this one. */
    save,
    /** Shows what another session had confirmed, unless the hub has told more by now. */
    show(saved: SavedSession): boolean {
      if (cursor !== null || saved.cursor === null) return false;
      showConfirmed(saved);
      return true;
    },
    /** Goes on with the outboxes of a session that is over, under their own replicas: before the stream is open, oldest session first. */
    adopt: adoptAll,
    /** The replica that the session began under, or the session before it whose leases it goes on with. */
    identity: (): Replica => identity,
    /** The hub's clock when ours shows `now`. */
    clock: (now: number): number => now + clockOffset,
    disconnect,
    /** Everything that is not acknowledged is sent again; it is time for what waited since an ERROR. */
    resend(): void {
      paused = false;
      for (const box of outboxes) rewind(box);
    },
    /** Throws a ProtocolError if the packet cannot be true. */
    receive(packet: Packet, now = 0): News {
      const told = news();
      const before = pendingCount(outboxes);
      dispatch(packet, told, now);
      told.pending = pendingCount(outboxes) !== before;
      return told;
    },
  };
}
