/** Packets as a union tagged by `type`, and their bytes (docs/protocol.md, section 2). */
import { optionsOf, readDeclaration, type Declaration } from './declarations.js';
import {
  arrayHeader, asBytes, asInt, asList, asMap, asText, asUint, concatenate, decodeValues,
  encodeFields, encodeValue, ProtocolError, wide, type Value,
} from './values.js';

export type Replica = Uint8Array;
export type Fields = { readonly [number: string]: Value };
export type Context = {
  position: number;
  seen: readonly { replica: Replica; seq: number }[];
  journal?: Uint8Array;
};
export type FieldDeclaration = Declaration & { number: number; name: string };
export type Welcome = {
  hub: string; journal: Uint8Array; schema: Uint8Array;
  limits: { message_bytes: number; streams: number; replicas: number };
  ping_ms: number; resume_ms: number; durability: string;
};

export type Packet =
  | { type: 'HELLO'; id: 0; version: number; token?: string; client?: string; agent?: string }
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

export const kinds = {
  HELLO: 1, WELCOME: 2, AUTH: 3, OPEN: 4, OPENED: 5, DELTA: 6, STATE: 7, ACK: 8, REJECT: 9,
  GAP: 10, SNAPSHOT: 11, UPDATE: 12, PRESENCE: 13, CALL: 14, RESULT: 15, EVENT: 16, CHUNK: 17,
  END: 18, CREDIT: 19, CLOSE: 20, ERROR: 21, PING: 22, PONG: 23,
} as const;

const names = new Map<number, keyof typeof kinds>(
  Object.entries(kinds).map(([name, kind]) => [kind, name as keyof typeof kinds]),
);

/** A part that is msgpack already, or one still to be encoded. */
type Part = { raw: Uint8Array } | { value: unknown };
const raw = (bytes: Uint8Array): Part => ({ raw: bytes });
const value = (item: unknown): Part => ({ value: item });

function contextValue(context: Context): unknown {
  const seen = context.seen.map(({ replica, seq }) => [replica, seq]);
  return context.journal === undefined
    ? [context.position, seen]
    : [context.position, seen, context.journal];
}

function defined(map: { [key: string]: unknown }): { [key: string]: unknown } {
  return Object.fromEntries(Object.entries(map).filter(([, item]) => item !== undefined));
}

/** A content that is a bare number is a total, which the hub writes nine bytes wide. */
function fieldsPart(fields: Fields): Part {
  return raw(encodeFields(new Map(Object.entries(fields).map(
    ([number, content]) => [Number(number), typeof content === 'number' ? wide(content) : content]))));
}

function contentParts(fields: Fields | null, transfer?: number, bytes?: number): Part[] {
  return fields === null ? [value(null), value(transfer), value(bytes)] : [fieldsPart(fields)];
}

/** What follows kind and id. An update's part is frozen once it has been sent. */
function partsOf(packet: Packet): Part[] {
  switch (packet.type) {
    case 'HELLO': {
      const { token, client, agent } = packet;
      return [value(packet.version), value(defined({ token, client, agent }))];
    }
    case 'WELCOME': {
      const { hub, journal, schema, limits, ping_ms, resume_ms, durability } = packet;
      return [value({ hub, journal, schema, limits, ping_ms, resume_ms, durability })];
    }
    case 'AUTH': return [value(packet.token)];
    case 'OPEN': return [
      value(packet.name), value(packet.replicas),
      value(defined({ cursor: packet.cursor, mode: packet.once ? 'once' : undefined, presence: packet.presence || undefined })),
    ];
    case 'OPENED': return [
      value(packet.fields.map((field) => [field.number, field.name, field.type, optionsOf(field)])),
      value(packet.rights), value(wide(packet.position)),
      value(packet.ledger.map(({ index, seq }) => [index, seq])),
    ];
    case 'DELTA': return [
      value(packet.replica), value(packet.first), value(packet.last),
      value(contextValue(packet.context)), raw(encodeFields(packet.changes)),
    ];
    case 'STATE': return [
      value(packet.replica), value(packet.last), value(contextValue(packet.context)),
      raw(encodeFields(packet.fields)),
    ];
    case 'ACK': return [
      value(packet.replica), value(packet.seq), value(wide(packet.position)), value(packet.index),
    ];
    case 'REJECT': return [
      value(packet.replica), value(packet.seq), value(packet.code), value(packet.text),
      value(packet.details),
    ];
    case 'GAP': return [value(packet.replica), value(packet.next)];
    case 'SNAPSHOT': return [
      value(wide(packet.position)), ...contentParts(packet.fields, packet.transfer, packet.bytes),
    ];
    case 'UPDATE': return [
      value(wide(packet.from)), value(wide(packet.to)),
      ...contentParts(packet.fields, packet.transfer, packet.bytes),
    ];
    case 'PRESENCE': return [value(packet.peer), value(packet.data)];
    case 'CALL': return [value(packet.method), value(packet.parameters)];
    case 'RESULT': return [value(packet.value)];
    case 'EVENT': return [value(packet.name), value(packet.data)];
    case 'CHUNK': return [value(packet.bytes)];
    case 'END': return [value(packet.status)];
    case 'CREDIT': return [value(packet.bytes)];
    case 'CLOSE': return [value(packet.code), value(packet.text)];
    case 'ERROR': return [value(packet.code), value(packet.text), value(packet.details)];
    case 'PING':
    case 'PONG': return [value(packet.token)];
    case 'UNKNOWN': throw new ProtocolError('a packet of an unknown kind cannot be written');
  }
}

export function encodePacket(packet: Packet): Uint8Array {
  const parts = partsOf(packet);
  const kind = packet.type === 'UNKNOWN' ? packet.kind : kinds[packet.type];
  return concatenate([
    arrayHeader(parts.length + 2), encodeValue(kind), encodeValue(packet.id),
    ...parts.map((part) => ('raw' in part ? part.raw : encodeValue(part.value))),
  ]);
}

/** The bytes of a DELTA after its id, and the packet around them on some stream. */
export function freezeDelta(packet: Packet & { type: 'DELTA' }): Uint8Array {
  return concatenate(
    partsOf(packet).map((part) => ('raw' in part ? part.raw : encodeValue(part.value))),
  );
}

export function thawDelta(id: number, frozen: Uint8Array): Uint8Array {
  return concatenate([arrayHeader(7), encodeValue(kinds.DELTA), encodeValue(id), frozen]);
}

/** The same packet under another id. */
export function withId(packet: Uint8Array, id: number): Uint8Array {
  const size = [0xd0, 0xd1, 0xd2, 0xd3].findIndex((head) => packet[2] === head || packet[2] === head - 4);
  return concatenate([packet.subarray(0, 2), encodeValue(id), packet.subarray(size < 0 ? 3 : 4 + (2 ** size - 1))]);
}

function asUuid(item: Value | undefined): Replica {
  const bytes = asBytes(item, 16);
  if (((bytes[6] ?? 0) & 0xf0) !== 0x70 || ((bytes[8] ?? 0) & 0xc0) !== 0x80) {
    throw new ProtocolError('not a UUIDv7');
  }
  return bytes;
}

function asReplica(item: Value | undefined): Replica | null {
  return item === null ? null : asUuid(item);
}

/** The seqs of an update: they start at 1. */
function asSpan(first: Value | undefined, last: Value | undefined): { first: number; last: number } {
  const span = { first: asUint(first), last: asUint(last) };
  if (span.first < 1 || span.first > span.last) throw new ProtocolError('not such seqs');
  return span;
}

function asContext(item: Value | undefined): Context {
  const list = asList(item, 2);
  const seen = asList(list[1]).map((pair) => {
    const [replica, seq] = asList(pair, 2);
    return { replica: asUuid(replica), seq: asUint(seq) };
  });
  const context: Context = { position: asUint(list[0]), seen };
  if (list[2] instanceof Uint8Array) context.journal = asBytes(list[2], 16);
  return context;
}

function asFields(item: Value | undefined): ReadonlyMap<number, unknown> {
  return new Map(Object.entries(asMap(item)).map(([key, field]) => [Number(key), field]));
}

function asContent(list: readonly Value[]): { fields: Fields | null; transfer?: number; bytes?: number } {
  if (list[0] !== null) return { fields: asMap(list[0]) };
  const transfer = asInt(list[1]);
  if (transfer >= 0) throw new ProtocolError('a transfer that the hub did not start');
  return { fields: null, transfer, bytes: asUint(list[2]) };
}

function optional(item: Value | undefined): string | undefined {
  return item === undefined ? undefined : asText(item);
}

function asWelcome(item: Value | undefined): Welcome {
  const map = asMap(item);
  const limits = asMap(map['limits']);
  return {
    hub: asText(map['hub']), journal: asBytes(map['journal'], 16), schema: asBytes(map['schema']),
    limits: {
      message_bytes: asUint(limits['message_bytes']), streams: asUint(limits['streams']),
      replicas: asUint(limits['replicas']),
    },
    ping_ms: asUint(map['ping_ms']), resume_ms: asUint(map['resume_ms']),
    durability: asText(map['durability']),
  };
}

function asOpen(id: number, list: readonly Value[]): Packet {
  const options = asMap(list[2]);
  const packet: Packet & { type: 'OPEN' } = {
    type: 'OPEN', id, name: asText(list[0]),
    replicas: asList(list[1]).map(asUuid),
  };
  if (options['cursor'] !== undefined) {
    const [journal, position] = asList(options['cursor'], 2);
    packet.cursor = [asBytes(journal, 16), asUint(position)];
  }
  const mode = options['mode'] ?? 'live';
  if (mode !== 'live' && mode !== 'once') throw new ProtocolError('not a mode');
  if (mode === 'once') packet.once = true;
  if (options['presence'] === true) packet.presence = true;
  return packet;
}

function asOpened(id: number, list: readonly Value[]): Packet {
  const fields = asList(list[0]).flatMap((item) => {
    const [number, name, type, options] = asList(item, 4);
    const declared = readDeclaration(asText(type), asMap(options));
    return declared === undefined ? [] : [{ number: asUint(number), name: asText(name), ...declared }];
  });
  const ledger = asList(list[3]).map((item) => {
    const [index, seq] = asList(item, 2);
    return { index: index === null ? null : asUint(index), seq: asUint(seq) };
  });
  return {
    type: 'OPENED', id, fields, rights: asUint(list[1]), position: asUint(list[2]), ledger,
  };
}

function read(name: keyof typeof kinds, id: number, list: readonly Value[]): Packet {
  switch (name) {
    case 'HELLO': {
      const { token, client, agent } = asMap(list[1]);
      return defined({
        type: name, id, version: asUint(list[0]), token: optional(token),
        client: optional(client), agent: optional(agent),
      }) as Packet;
    }
    case 'WELCOME': return { type: name, id: 0, ...asWelcome(list[0]) };
    case 'AUTH': return { type: name, id, token: asText(list[0]) };
    case 'OPEN': return asOpen(id, list);
    case 'OPENED': return asOpened(id, list);
    case 'DELTA': return {
      type: name, id, replica: asReplica(list[0]), ...asSpan(list[1], list[2]),
      context: asContext(list[3]), changes: asFields(list[4]),
    };
    case 'STATE': return {
      type: name, id, replica: asReplica(list[0]), last: asSpan(1, list[1]).last,
      context: asContext(list[2]), fields: asFields(list[3]),
    };
    case 'ACK': return {
      type: name, id, replica: asReplica(list[0]), seq: asUint(list[1]),
      position: asUint(list[2]), index: asUint(list[3]),
    };
    case 'REJECT': return {
      type: name, id, replica: asReplica(list[0]), seq: asUint(list[1]), code: asText(list[2]),
      text: asText(list[3]), details: asMap(list[4]),
    };
    case 'GAP': return { type: name, id, replica: asReplica(list[0]), next: asUint(list[1]) };
    case 'SNAPSHOT': return {
      type: name, id, position: asUint(list[0]), ...asContent(list.slice(1)),
    };
    case 'UPDATE': return {
      type: name, id, from: asUint(list[0]), to: asUint(list[1]), ...asContent(list.slice(2)),
    };
    case 'PRESENCE': return { type: name, id, peer: asUint(list[0]), data: list[1] ?? null };
    case 'CALL': return { type: name, id, method: asText(list[0]), parameters: list[1] ?? null };
    case 'RESULT': return { type: name, id, value: list[0] ?? null };
    case 'EVENT': return { type: name, id, name: asText(list[0]), data: list[1] ?? null };
    case 'CHUNK': return { type: name, id, bytes: asBytes(list[0]) };
    case 'END': return { type: name, id, status: asUint(list[0]) };
    case 'CREDIT': return { type: name, id, bytes: asUint(list[0]) };
    case 'CLOSE': return { type: name, id, code: asText(list[0]), text: asText(list[1]) };
    case 'ERROR': return {
      type: name, id, code: asText(list[0]), text: asText(list[1]), details: asMap(list[2]),
    };
    case 'PING': return { type: name, id: 0, token: asUint(list[0]) };
    case 'PONG': return { type: name, id: 0, token: asUint(list[0]) };
  }
}

/** The packets of one message. Throws a ProtocolError; kinds that are not known come as UNKNOWN. */
export function decodeMessage(bytes: Uint8Array): Packet[] {
  return decodeValues(bytes).map((item) => {
    const list = asList(item, 2);
    const kind = asUint(list[0]);
    const id = asInt(list[1]);
    const name = names.get(kind);
    return name === undefined ? { type: 'UNKNOWN', id, kind } : read(name, id, list.slice(2));
  });
}
