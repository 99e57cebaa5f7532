/**
 * Values to bytes, in their shortest form, and back (writer.ts, reader.ts). Numbers are JavaScript's exact integers; what the hub writes
 * nine bytes wide is `wide` when encoded, so that both sides write the same bytes. A map comes as a `Map`: its keys may be anything.
 */
import { ProtocolError } from './error.js';
import { createReader } from './reader.js';
import { createWriter, type Writer } from './writer.js';

export { ProtocolError };

export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<Value, Value>
  | { readonly [key: string]: Value };

const NIL = 0xc0;

/** Nine bytes whatever the value: `uint 64`, or `int 64` when negative. */
export function wide(value: number): number {
  return BigInt(value) as unknown as number;
}

/** Bytes that are msgpack already. */
export class Encoded {
  constructor(readonly bytes: Uint8Array) {}
}

/** An object's keys have JavaScript's order; a Map's have their own. */
export function encodeValue(value: unknown): Uint8Array {
  if (value instanceof Encoded) return value.bytes;
  const writer = createWriter();
  write(writer, value);
  return writer.taken();
}

function write(writer: Writer, value: unknown): void {
  switch (typeof value) {
    case 'string': return writer.text(value);
    case 'boolean': return writer.byte(value ? 0xc3 : 0xc2);
    case 'bigint': return writer.wide(value);
    case 'number': return Number.isSafeInteger(value) ? writer.integer(value) : writer.float(value);
    case 'object': return value === null ? writer.byte(NIL) : writeObject(writer, value);
    default: return writer.byte(NIL);
  }
}

function writeObject(writer: Writer, value: object): void {
  if (value instanceof Encoded) return writer.bytes(value.bytes);
  if (value instanceof Uint8Array) return writer.binary(value);
  if (Array.isArray(value)) {
    writer.head(0x90, 0xdc, value.length);
    for (const item of value) write(writer, item);
    return;
  }
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  writer.head(0x80, 0xde, entries.length);
  for (const [key, item] of entries) {
    write(writer, key);
    write(writer, item);
  }
}

/** The values of a message, one after the other. */
export function decodeValues(bytes: Uint8Array): Value[] {
  const reader = createReader(bytes);
  const values: Value[] = [];
  while (!reader.isAtEnd()) values.push(reader.value());
  return values;
}

export function asList(value: Value | undefined, least = 0): readonly Value[] {
  if (!Array.isArray(value) || value.length < least) throw new ProtocolError('not such a list');
  return value as readonly Value[];
}

export function asInt(value: Value | undefined): number {
  if (!Number.isSafeInteger(value)) throw new ProtocolError('not an integer');
  return value as number;
}

export function asUint(value: Value | undefined): number {
  if (asInt(value) < 0) throw new ProtocolError('an integer below 0');
  return value as number;
}

export function asText(value: Value | undefined): string {
  if (typeof value !== 'string') throw new ProtocolError('not a string');
  return value;
}

export function asBytes(value: Value | undefined, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
    throw new ProtocolError('not such bytes');
  }
  return value;
}

/** A map of the protocol's own, whose keys are text or field numbers. */
export function asMap(value: Value | undefined): { readonly [key: string]: Value } {
  if (!(value instanceof Map)) throw new ProtocolError('not a map');
  return Object.fromEntries([...value as ReadonlyMap<Value, Value>].map(([key, item]) => {
    if (typeof key !== 'string' && typeof key !== 'number') {
      throw new ProtocolError('a map key that is neither text nor integer');
    }
    return [String(key), item];
  }));
}

/** Field numbers are integers on the wire, which an object's keys cannot be. */
export function sorted(fields: ReadonlyMap<number, unknown>): ReadonlyMap<number, unknown> {
  return new Map([...fields].sort(([a], [b]) => a - b));
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Of lower case, as `toHex` writes it. */
function digitAt(hex: string, index: number): number {
  const code = hex.charCodeAt(index);
  return code < 58 ? code - 48 : code - 87;
}

export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (digitAt(hex, 2 * i) << 4) | digitAt(hex, 2 * i + 1);
  return bytes;
}
