/**
 * What is kept of a session, as the C client's session_save.c has it with two differences: a version stands first, and fields that the
 * hub lacks have numbers below 0. `[1, fields, cursor | nil, {field: content}, [outbox, …], lease]`; a field is
 * `[number, name, type, options]`, an outbox `[replica, index | nil, seq, acked, [[field, up, down], …], [delta, …]]` with the
 * settled entries, a delta `[first, last, position, [[replica, seq], …], journal | nil, rejected, restamped, {field: change}]`.
 */
import { optionsOf, readDeclaration } from '../protocol/declarations.js';
import type { FieldDeclaration, Replica } from '../protocol/packets.js';
import {
  asBytes, asInt, asList, asMap, asText, asUint, concatenate, decodeValues, encodeValue,
  ProtocolError, sorted, toHex, type Value,
} from '../protocol/values.js';
import type { Entry } from '../crdt/type.js';
import type { Delta, Outbox } from './outbox.js';

const VERSION = 1;

export type Cursor = { journal: Uint8Array; position: number };

/** A delta whose changes are still to be read by the types of their fields. */
export type SavedDelta = Pick<Delta, 'first' | 'last' | 'position' | 'seen' | 'journal' | 'rejected' | 'restamped'> & {
  changes: ReadonlyMap<number, Value>;
};
export type SavedOutbox = Pick<Outbox, 'replica' | 'index' | 'seq' | 'acked'> & {
  settled: ReadonlyMap<number, Entry>;
  deltas: readonly SavedDelta[];
};
export type SavedSession = {
  fields: readonly FieldDeclaration[];
  cursor: Cursor | null;
  contents: ReadonlyMap<number, Value>;
  outboxes: readonly SavedOutbox[];
  /** What the session's leases are named by. */
  lease: Uint8Array;
};

/** What was saved by a later client, which alone can read it. */
export class VersionError extends ProtocolError {}

/** A session's saved form in two parts: the first one changes only with a packet of the hub. */
export type SavedBytes = { readonly confirmed: Uint8Array; readonly outbox: Uint8Array };

/** The first part, from the version to the contents. */
export function encodeConfirmed(
  fields: readonly FieldDeclaration[], cursor: Cursor | null, contents: ReadonlyMap<number, unknown>,
): Uint8Array {
  return concatenate([
    Uint8Array.of(0x96), encodeValue(VERSION), // a list of six
    encodeValue(fields.map((field) => [field.number, field.name, field.type, optionsOf(field)])),
    encodeValue(cursor === null ? null : [cursor.journal, cursor.position]),
    encodeValue(sorted(contents)),
  ]);
}

function deltaValue(delta: Delta, changes: ReadonlyMap<number, unknown>): unknown {
  const { first, last, position, seen, journal = null, rejected, restamped } = delta;
  return [
    first, last, position, seen.map(({ replica, seq }) => [replica, seq]), journal, rejected, restamped,
    sorted(changes),
  ];
}

/** The second part, the outboxes and the lease. */
export function encodeOutboxes(
  outboxes: readonly Outbox[], lease: Uint8Array,
  encode: (changes: Delta['changes']) => ReadonlyMap<number, unknown>,
): Uint8Array {
  const boxes = outboxes.map(({ replica, index, seq, acked, settled, deltas }) => [
    replica, index, seq, acked, [...settled].map(([number, { up, down }]) => [number, up, down]),
    deltas.map((delta) => deltaValue(delta, encode(delta.changes))),
  ]);
  return concatenate([encodeValue(boxes), encodeValue(lease)]);
}

function byNumber(value: Value | undefined): Map<number, Value> {
  return new Map(Object.entries(asMap(value)).map(([number, item]) => [Number(number), item]));
}

function readField(item: Value): FieldDeclaration {
  const [number, name, type, options] = asList(item, 4);
  const declared = readDeclaration(asText(type), asMap(options));
  if (declared === undefined) throw new VersionError(`a field of type ${asText(type)} that a later client knows`);
  return { number: asInt(number), name: asText(name), ...declared };
}

function readDelta(item: Value): SavedDelta {
  const [first, last, position, seen, journal, rejected, restamped, changes] = asList(item, 8);
  return {
    first: asUint(first), last: asUint(last), position: asUint(position),
    seen: asList(seen).map((pair) => {
      const [replica, seq] = asList(pair, 2);
      return { replica: asBytes(replica, 16), seq: asUint(seq) };
    }),
    journal: journal === null ? undefined : asBytes(journal, 16),
    rejected: rejected === true, restamped: restamped === true, changes: byNumber(changes),
  };
}

function readOutbox(item: Value): SavedOutbox {
  const [replica, index, seq, acked, settled, deltas] = asList(item, 6);
  return {
    replica: asBytes(replica, 16) as Replica, index: index === null ? null : asUint(index), seq: asUint(seq), acked: asUint(acked),
    settled: new Map(asList(settled).map((entry) => {
      const [number, up, down] = asList(entry, 3);
      return [asInt(number), { up: asUint(up), down: asUint(down) }];
    })),
    deltas: asList(deltas).map(readDelta),
  };
}

/** Throws a ProtocolError if it is none, a VersionError if a later client's. */
export function decodeSession({ confirmed, outbox }: SavedBytes): SavedSession {
  const [version, fields, cursor, contents, outboxes, lease] = asList(decodeValues(concatenate([confirmed, outbox]))[0], 1);
  if (asUint(version) !== VERSION) throw new VersionError(`saved in version ${asUint(version)}, which a later client knows`);
  const [journal, position] = cursor === null ? [] : asList(cursor, 2);
  return {
    fields: asList(fields).map(readField),
    cursor: journal === undefined ? null : { journal: asBytes(journal, 16), position: asUint(position) },
    contents: byNumber(contents), outboxes: asList(outboxes).map(readOutbox), lease: asBytes(lease, 16),
  };
}

/**
 * Of several sessions of one document: the one whose confirmed state shows the most, and all in the order in which they began, in
 * which their outboxes are sent.
 */
export function inOrder(saved: readonly SavedSession[]): SavedSession[] {
  const began = ({ outboxes, lease }: SavedSession): string => toHex(outboxes[outboxes.length - 1]?.replica ?? lease);
  return [...saved].sort((a, b) => (began(a) < began(b) ? -1 : 1));
}

/** The one whose confirmed state is the newest: positions of different journals cannot be compared, then the later session's. */
export function newestOf(saved: readonly SavedSession[]): SavedSession | undefined {
  return inOrder(saved).reduce<SavedSession | undefined>((best, one) => {
    if (one.cursor === null && best !== undefined) return best;
    if (best?.cursor == null || one.cursor === null) return one;
    const sameJournal = toHex(best.cursor.journal) === toHex(one.cursor.journal);
    return sameJournal && best.cursor.position > one.cursor.position ? best : one;
  }, undefined);
}
