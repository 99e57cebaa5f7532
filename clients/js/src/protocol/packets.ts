/**
 * Packets as a union tagged by `type`, and the bytes of those that a client writes and reads (docs/protocol.md, section 2). What only
 * a hub writes and reads is every.ts.
 */
import { readDeclaration, type Declaration } from './declarations.js';
import {
  asBytes, asInt, asList, asMap, asText, asUint, concatenate, decodeValues, encodeValue, ProtocolError, sorted, type Value,
} from './values.js';

export type Replica = Uint8Array;
export type Fields = { readonly [number: string]: Value };
export type Context = {
  position: number;
  seen: readonly { replica: Replica; seq: number }[];
  journal?: Uint8Array;
};
export type FieldDeclaration = Declaration & { number: number; name: string };
/** So many in so many milliseconds. */
export type Rate = readonly [amount: number, per_ms: number];
/** A client that only edits needs neither the rates nor the id: `every.ts` reads them. */
export type Welcome = {
  hub: string; journal: Uint8Array; schema: Uint8Array;
  limits: {
    message_bytes: number; streams: number; replicas: number;
    updates?: Rate; bytes?: Rate; principal_updates?: Rate; principal_bytes?: Rate; principal_streams?: number;
  };
  ping_ms: number; resume_ms: number; durability: string; correlation?: string;
};

export type Packet =
  | { type: 'HELLO'; id: 0; version: number; token?: string; client?: string; agent?: string; correlation?: string }
  | ({ type: 'WELCOME'; id: 0 } & Welcome)
  | { type: 'AUTH'; id: number; token: string }
  | { type: 'OPEN'; id: number; name: string; replicas: readonly Replica[];
      cursor?: readonly [journal: Uint8Array, position: number]; once?: boolean; presence?: boolean }
  | { type: 'OPENED'; id: number; fields: readonly FieldDeclaration[]; rights: number;
      position: number; ledger: readonly { index: number | null; seq: number }[] }
  | { type: 'DELTA'; id: number; replica: Replica | null; first: number; last: number;
      context: Context; changes: ReadonlyMap<number, unknown> }
  | { type: 'STATE'; id: number; replica: Replica | null; last: number; context: Context;
      fields: ReadonlyMap<number, unknown> }
  | { type: 'ACK'; id: number; replica: Replica | null; seq: number; position: number;
      index: number }
  | { type: 'REJECT'; id: number; replica: Replica | null; seq: number; code: string;
      text: string; details: Fields }
  | { type: 'GAP'; id: number; replica: Replica | null; next: number }
  | { type: 'SNAPSHOT'; id: number; position: number; fields: Fields | null; transfer?: number;
      bytes?: number }
  | { type: 'UPDATE'; id: number; from: number; to: number; fields: Fields | null;
      transfer?: number; bytes?: number }
  | { type: 'PRESENCE'; id: number; peer: number; data: unknown }
  | { type: 'CALL'; id: number; method: string; parameters: Value }
  | { type: 'RESULT'; id: number; value: Value }
  | { type: 'EVENT'; id: number; name: string; data: Value }
  | { type: 'CHUNK'; id: number; bytes: Uint8Array }
  | { type: 'END'; id: number; status: number }
  | { type: 'CREDIT'; id: number; bytes: number }
  | { type: 'CLOSE'; id: number; code: string; text: string }
  | { type: 'ERROR'; id: number; code: string; text: string; details: Fields }
  | { type: 'PING'; id: 0; token: number }
  | { type: 'PONG'; id: 0; token: number }
  | { type: 'UNKNOWN'; id: number; kind: number };

/** Those that a client writes. */
export type Sent = Packet & { type: 'HELLO' | 'OPEN' | 'DELTA' | 'AUTH' | 'PRESENCE' | 'CALL' | 'CREDIT' | 'CLOSE' | 'PING' | 'PONG' };

/** In the order of their kinds, of which the first is 1. */
export const names = [
  'UNKNOWN', 'HELLO', 'WELCOME', 'AUTH', 'OPEN', 'OPENED', 'DELTA', 'STATE', 'ACK', 'REJECT', 'GAP', 'SNAPSHOT', 'UPDATE', 'PRESENCE',
  'CALL', 'RESULT', 'EVENT', 'CHUNK', 'END', 'CREDIT', 'CLOSE', 'ERROR', 'PING', 'PONG',
] as const;

/** What a value has, in its order, and how each is read. */
export type Layout<Shape> = { readonly [Name in keyof Shape]-?: (item: Value | undefined) => Shape[Name] };
type Body<Type> = Omit<Extract<Packet, { type: Type }>, 'type' | 'id'>;
export type Layouts<Type extends Packet['type']> = { readonly [One in Type]: Layout<Body<One>> };

/** Of all that has one: `itemOf` finds what stands under a name, or at an index. */
export function shaped<Shape>(layout: Layout<Shape>, itemOf: (name: string, index: number) => Value | undefined): Shape {
  const readers = Object.entries<(item: Value | undefined) => unknown>(layout);
  return Object.fromEntries(readers.map(([name, read], i) => [name, read(itemOf(name, i))])) as Shape;
}

const asMapOf = <Shape>(layout: Layout<Shape>) => (item: Value | undefined): Shape => {
  const map = asMap(item);
  return shaped(layout, (name) => map[name]);
};

const asIs = (item: Value | undefined): Value => item ?? null;
const asJournal = (item: Value | undefined): Uint8Array => asBytes(item, 16);

export function asUuid(item: Value | undefined): Replica {
  const bytes = asBytes(item, 16);
  if (((bytes[6] ?? 0) & 0xf0) !== 0x70 || ((bytes[8] ?? 0) & 0xc0) !== 0x80) {
    throw new ProtocolError('not a UUIDv7');
  }
  return bytes;
}

export function asReplica(item: Value | undefined): Replica | null {
  return item === null ? null : asUuid(item);
}

/** A field with a type, or options, that only a later client knows is none. */
function asDeclarations(item: Value | undefined): FieldDeclaration[] {
  return asList(item).flatMap((field) => {
    const [number, name, type, options] = asList(field, 4);
    const declared = readDeclaration(asText(type), asMap(options));
    return declared === undefined ? [] : [{ number: asUint(number), name: asText(name), ...declared }];
  });
}

function asLedger(item: Value | undefined): { index: number | null; seq: number }[] {
  return asList(item).map((pair) => {
    const [index, seq] = asList(pair, 2);
    return { index: index === null ? null : asUint(index), seq: asUint(seq) };
  });
}

const ends = { code: asText, text: asText };
const token = { token: asUint };

/** What follows kind and id, of packets that a client reads, or writes so too. */
export const layouts: Layouts<Exclude<Packet['type'], 'HELLO' | 'WELCOME' | 'OPEN' | 'DELTA' | 'STATE' | 'SNAPSHOT' | 'UPDATE' | 'UNKNOWN'>> = {
  OPENED: { fields: asDeclarations, rights: asUint, position: asUint, ledger: asLedger },
  ACK: { replica: asReplica, seq: asUint, position: asUint, index: asUint },
  REJECT: { replica: asReplica, seq: asUint, ...ends, details: asMap },
  GAP: { replica: asReplica, next: asUint },
  PRESENCE: { peer: asUint, data: asIs },
  RESULT: { value: asIs },
  EVENT: { name: asText, data: asIs },
  CHUNK: { bytes: asBytes },
  END: { status: asUint },
  CLOSE: ends,
  ERROR: { ...ends, details: asMap },
  PING: token,
  PONG: token,
  AUTH: { token: asText },
  CALL: { method: asText, parameters: asIs },
  CREDIT: { bytes: asUint },
};

const asWelcome = asMapOf<Omit<Welcome, 'correlation'>>({
  hub: asText, journal: asJournal, schema: asBytes,
  limits: asMapOf({ message_bytes: asUint, streams: asUint, replicas: asUint }),
  ping_ms: asUint, resume_ms: asUint, durability: asText,
});

/** As LIMIT_BODY_BYTES of the hub. */
const BODY_BYTES_MAX = 2 ** 30;

function asContent([fields, transfer, bytes]: readonly Value[]): { fields: Fields | null; transfer?: number; bytes?: number } {
  if (fields !== null) return { fields: asMap(fields) };
  const length = asUint(bytes);
  if (asInt(transfer) >= 0 || length > BODY_BYTES_MAX) throw new ProtocolError('not such a transfer');
  return { fields: null, transfer: asInt(transfer), bytes: length };
}

export type Name = Exclude<Packet['type'], 'UNKNOWN'>;

/** Of a packet of the hub's. */
export function read(type: Name, id: number, list: readonly Value[]): Packet {
  switch (type) {
    case 'WELCOME': return { type, id: 0, ...asWelcome(list[0]) };
    case 'SNAPSHOT': return { type, id, position: asUint(list[0]), ...asContent(list.slice(1)) };
    case 'UPDATE': return { type, id, from: asUint(list[0]), to: asUint(list[1]), ...asContent(list.slice(2)) };
    default: {
      const layout = (layouts as { readonly [type: string]: object | undefined })[type];
      if (layout === undefined) throw new ProtocolError(`the hub sends no ${type}`);
      return { type, id, ...shaped<object>(layout, (_name, i) => list[i]) } as Packet;
    }
  }
}

/** The packets of one message. Throws a ProtocolError; kinds that are not known come as UNKNOWN. */
export function decodeMessage(bytes: Uint8Array, readPacket = read): Packet[] {
  return decodeValues(bytes).map((item) => {
    const [first, second, ...list] = asList(item, 2);
    const [kind, id] = [asUint(first), asInt(second)];
    const name = names[kind] ?? 'UNKNOWN';
    return name === 'UNKNOWN' ? { type: name, id, kind } : readPacket(name, id, list);
  });
}

export function contextValue({ position, seen, journal }: Context): unknown {
  return [position, seen.map(({ replica, seq }) => [replica, seq]), ...(journal === undefined ? [] : [journal])];
}

export function defined(map: { [key: string]: unknown }): { [key: string]: unknown } {
  return Object.fromEntries(Object.entries(map).filter(([, item]) => item !== undefined));
}

/** What follows kind and id. */
export function bodyOf(packet: Sent): unknown[] {
  switch (packet.type) {
    case 'HELLO': {
      const { version, token: text, client, agent, correlation } = packet;
      return [version, defined({ token: text, client, agent, correlation })];
    }
    case 'OPEN': {
      const { name, replicas, cursor, once, presence } = packet;
      return [name, replicas, defined({ cursor, mode: once ? 'once' : undefined, presence: presence || undefined })];
    }
    case 'DELTA': {
      const { replica, first, last, context, changes } = packet;
      return [replica, first, last, contextValue(context), sorted(changes)];
    }
    default: return laidOut(packet);
  }
}

export function laidOut(packet: Packet & { type: keyof typeof layouts }): unknown[] {
  return Object.keys(layouts[packet.type]).map((name) => (packet as { readonly [name: string]: unknown })[name]);
}

export const kindOf = ({ type }: Packet): number => names.indexOf(type);

export function encodePacket(packet: Sent): Uint8Array {
  return encodeValue([kindOf(packet), packet.id, ...bodyOf(packet)]);
}

/** The bytes of a DELTA after its id, which are the same whenever it is sent; and the packet around them on some stream. */
export function freezeDelta(packet: Packet & { type: 'DELTA' }): Uint8Array {
  return concatenate(bodyOf(packet).map(encodeValue));
}

export function thawDelta(id: number, frozen: Uint8Array): Uint8Array {
  return concatenate([Uint8Array.of(0x97, names.indexOf('DELTA')), encodeValue(id), frozen]); // a list of seven
}
