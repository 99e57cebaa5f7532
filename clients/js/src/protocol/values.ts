/**
 * Values to bytes, in their shortest form, and back through @msgpack/msgpack. Numbers are JavaScript's exact integers; what the hub
 * writes nine bytes wide is `wide` when encoded, so that both sides write the same bytes. A map comes as a `Map`: its keys may be
 * anything.
 */
import { decodeMulti } from '@msgpack/msgpack';

export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<Value, Value>
  | { readonly [key: string]: Value };

/** A packet, or a value in one, that does not have its layout. */
export class ProtocolError extends Error {}

/**
 * The library holds a map as an object, which has no keys but strings, and refuses `__proto__`. So a key that is text is held with
 * a sign before it, any other as its bytes, and `tame` gives both back.
 */
const utf8 = new TextDecoder();
const decoding = {
  useBigInt64: true,
  keyDecoder: {
    canBeCached: () => true,
    decode: (bytes: Uint8Array, start: number, length: number) =>
      `=${utf8.decode(bytes.subarray(start, start + length))}`,
  },
  mapKeyConverter: (key: unknown) =>
    (typeof key === 'string' ? key : `#${toHex(encodeValue(tame(key, 0)))}`),
};

function keyOf(held: string): Value {
  return held.startsWith('=') ? held.slice(1) : decodeValues(fromHex(held.slice(1)))[0] as Value;
}

/** Nine bytes whatever the value: `uint 64`, or `int 64` when negative. */
export function wide(value: number): number {
  return BigInt(value) as unknown as number;
}

/** Bytes that are msgpack already. */
export class Encoded {
  constructor(readonly bytes: Uint8Array) {}
}

/** A head, and an integer of so many bytes. */
function sized(head: number, width: number, value: number | bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(1 + width));
  view.setUint8(0, head);
  if (width === 1) view.setInt8(1, Number(value));
  else if (width === 2) view.setInt16(1, Number(value));
  else if (width === 4) view.setInt32(1, Number(value));
  else view.setBigInt64(1, BigInt(value));
  return new Uint8Array(view.buffer);
}

/** The shortest form; from the head of its one-byte form on there are one for 2, for 4 and for 8 bytes. */
function integer(value: number): Uint8Array {
  if (value >= -0x20 && value < 0x80) return Uint8Array.of(value & 0xff);
  const size = value < 0 ? -2 * value - 1 : value;
  const power = size < 0x100 ? 0 : size < 0x10000 ? 1 : size < 0x100000000 ? 2 : 3;
  return sized((value < 0 ? 0xd0 : 0xcc) + power, 2 ** power, value);
}

function float(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, 0xcb);
  view.setFloat64(1, value);
  return new Uint8Array(view.buffer);
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  const head = bytes.length < 32 ? Uint8Array.of(0xa0 | bytes.length) : lengthHeader(0xd9, bytes.length);
  return concatenate([head, bytes]);
}

function scalar(value: unknown): Uint8Array {
  switch (typeof value) {
    case 'boolean': return Uint8Array.of(value ? 0xc3 : 0xc2);
    case 'bigint': return sized(value < 0 ? 0xd3 : 0xcf, 8, value);
    case 'number': return Number.isSafeInteger(value) ? integer(value) : float(value);
    case 'string': return text(value);
    default: return Uint8Array.of(0xc0);
  }
}

/** An object's keys have JavaScript's order; a Map's have their own. */
export function encodeValue(value: unknown): Uint8Array {
  if (value instanceof Encoded) return value.bytes;
  if (value instanceof Uint8Array) return concatenate([lengthHeader(0xc4, value.length), value]);
  if (value === null || typeof value !== 'object') return scalar(value);
  if (Array.isArray(value)) {
    return concatenate([arrayHeader(value.length), ...value.map(encodeValue)]);
  }
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return concatenate([
    mapHeader(entries.length),
    ...entries.flatMap(([key, item]) => [encodeValue(key), encodeValue(item)]),
  ]);
}

/** Integers beyond 2^53 - 1 are never sent: one that comes is an error, not a rounded number. */
function tame(value: unknown, depth: number): Value {
  if (depth > 16) throw new ProtocolError('nested too deeply');
  if (typeof value === 'bigint') {
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new ProtocolError('an integer beyond 2^53 - 1');
    }
    return Number(value);
  }
  if (value === null || typeof value !== 'object') {
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
      throw new ProtocolError('a value of no known type');
    }
    return value as Value;
  }
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item) => tame(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    throw new ProtocolError('an extension type');
  }
  return new Map(Object.entries(value).map(([key, item]) => [keyOf(key), tame(item, depth + 1)]));
}

/** The values of a message, one after the other. */
export function decodeValues(bytes: Uint8Array): Value[] {
  try {
    return [...decodeMulti(bytes, decoding)].map((v) => tame(v, 0));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw new ProtocolError(error instanceof Error ? error.message : String(error));
  }
}

export function asList(value: Value | undefined, least = 0): readonly Value[] {
  if (!Array.isArray(value) || value.length < least) throw new ProtocolError('not such a list');
  return value as readonly Value[];
}

export function asUint(value: Value | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new ProtocolError('not an unsigned integer');
  }
  return value;
}

export function asInt(value: Value | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new ProtocolError('not an integer');
  }
  return value;
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
export function encodeFields(fields: ReadonlyMap<number, unknown>): Uint8Array {
  const parts: Uint8Array[] = [mapHeader(fields.size)];
  for (const [number, value] of [...fields].sort(([a], [b]) => a - b)) {
    parts.push(encodeValue(number), encodeValue(value));
  }
  return concatenate(parts);
}

/** Of text and bytes, from the head of the one-byte form on. */
function lengthHeader(head: number, length: number): Uint8Array {
  return length < 0x100 ? sized(head, 1, length) : longHeader(head + 1, length);
}

function longHeader(head: number, size: number): Uint8Array {
  return size < 0x10000 ? sized(head, 2, size) : sized(head + 1, 4, size);
}

function header(short: number, long: number, size: number): Uint8Array {
  return size < 16 ? Uint8Array.of(short | size) : longHeader(long, size);
}

export function mapHeader(size: number): Uint8Array {
  return header(0x80, 0xde, size);
}

export function arrayHeader(size: number): Uint8Array {
  return header(0x90, 0xdc, size);
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
