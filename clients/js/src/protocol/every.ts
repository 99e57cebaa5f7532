/**
 * All packets, both ways: beside what a client writes and reads (packets.ts) what a hub does, for those who stand in a hub's place:
 * the relay, and tests.
 */
import { optionsOf } from './declarations.js';
import {
  asReplica, asUuid, bodyOf, contextValue, decodeMessage as decodeWith, defined, kindOf, laidOut, read, shaped, type Context, type Fields,
  type Layouts, type Name, type Packet,
} from './packets.js';
import {
  asBytes, asList, asMap, asText, asUint, concatenate, encodeValue, ProtocolError, sorted, wide, type Value,
} from './values.js';

/** A content that is a bare number is a total, which the hub writes nine bytes wide. */
function fieldsValue(fields: Fields): unknown {
  return sorted(new Map(Object.entries(fields).map(
    ([number, content]) => [Number(number), typeof content === 'number' ? wide(content) : content])));
}

function contentValues({ fields, transfer, bytes }: Packet & { type: 'SNAPSHOT' | 'UPDATE' }): unknown[] {
  return fields === null ? [null, transfer, bytes] : [fieldsValue(fields)];
}

/** What follows kind and id. */
function wholeBodyOf(packet: Packet): unknown[] {
  switch (packet.type) {
    case 'WELCOME': {
      const { hub, journal, schema, limits, ping_ms, resume_ms, durability, correlation } = packet;
      return [defined({ hub, journal, schema, limits, ping_ms, resume_ms, durability, correlation })];
    }
    case 'OPENED': {
      const { fields, rights, position, ledger } = packet;
      return [
        fields.map((field) => [field.number, field.name, field.type, optionsOf(field)]), rights, wide(position),
        ledger.map(({ index, seq }) => [index, seq]),
      ];
    }
    case 'STATE': return [packet.replica, packet.last, contextValue(packet.context), sorted(packet.fields)];
    case 'ACK': return [packet.replica, packet.seq, wide(packet.position), packet.index];
    case 'SNAPSHOT': return [wide(packet.position), ...contentValues(packet)];
    case 'UPDATE': return [wide(packet.from), wide(packet.to), ...contentValues(packet)];
    case 'REJECT':
    case 'GAP':
    case 'RESULT':
    case 'EVENT':
    case 'CHUNK':
    case 'END':
    case 'ERROR': return laidOut(packet);
    case 'UNKNOWN': throw new ProtocolError('a packet of an unknown kind cannot be written');
    default: return bodyOf(packet);
  }
}

export function encodePacket(packet: Packet): Uint8Array {
  return encodeValue([kindOf(packet), packet.id, ...wholeBodyOf(packet)]);
}

/** The same packet under another id. */
export function withId(packet: Uint8Array, id: number): Uint8Array {
  const size = [0xd0, 0xd1, 0xd2, 0xd3].findIndex((head) => packet[2] === head || packet[2] === head - 4);
  return concatenate([packet.subarray(0, 2), encodeValue(id), packet.subarray(size < 0 ? 3 : 4 + (2 ** size - 1))]);
}

/** Seqs start at 1. */
function asSeq(item: Value | undefined): number {
  const seq = asUint(item);
  if (seq < 1) throw new ProtocolError('not such seqs');
  return seq;
}

function asContext(item: Value | undefined): Context {
  const [position, seen, journal] = asList(item, 2);
  return {
    position: asUint(position),
    seen: asList(seen).map((pair) => {
      const [replica, seq] = asList(pair, 2);
      return { replica: asUuid(replica), seq: asUint(seq) };
    }),
    ...(journal instanceof Uint8Array ? { journal: asBytes(journal, 16) } : {}),
  };
}

function asFields(item: Value | undefined): ReadonlyMap<number, unknown> {
  return new Map(Object.entries(asMap(item)).map(([key, field]) => [Number(key), field]));
}

const updates: Layouts<'DELTA' | 'STATE'> = {
  DELTA: { replica: asReplica, first: asSeq, last: asSeq, context: asContext, changes: asFields },
  STATE: { replica: asReplica, last: asSeq, context: asContext, fields: asFields },
};

function optional(item: Value | undefined): string | undefined {
  return item === undefined ? undefined : asText(item);
}

function asOpen(id: number, list: readonly Value[]): Packet {
  const options = asMap(list[2]);
  const packet: Packet & { type: 'OPEN' } = { type: 'OPEN', id, name: asText(list[0]), replicas: asList(list[1]).map(asUuid) };
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

function readAny(name: Name, id: number, list: readonly Value[]): Packet {
  switch (name) {
    case 'HELLO': {
      const { token, client, agent, correlation } = asMap(list[1]);
      return defined({
        type: name, id, version: asUint(list[0]), token: optional(token), client: optional(client), agent: optional(agent),
        correlation: optional(correlation),
      }) as Packet;
    }
    case 'WELCOME': {
      const { limits, correlation } = asMap(list[0]);
      return defined({ ...read(name, id, list), limits: asMap(limits), correlation: optional(correlation) }) as Packet;
    }
    case 'OPEN': return asOpen(id, list);
    case 'DELTA':
    case 'STATE': {
      const packet = { type: name, id, ...shaped<object>(updates[name], (_name, i) => list[i]) } as Packet & { type: 'DELTA' | 'STATE' };
      if (packet.type === 'DELTA' && packet.first > packet.last) throw new ProtocolError('not such seqs');
      return packet;
    }
    default: return read(name, id, list);
  }
}

/** The packets of one message. Throws a ProtocolError; kinds that are not known come as UNKNOWN. */
export function decodeMessage(bytes: Uint8Array): Packet[] {
  return decodeWith(bytes, readAny);
}
