/** Bytes from outside to values, through @msgpack/msgpack, or a ProtocolError. */
import { decodeMulti } from '@msgpack/msgpack';
import { ProtocolError } from './error.js';
import { encodeValue, fromHex, toHex, type Value } from './values.js';

const DEPTH_MAX = 16;

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

/** Integers beyond 2^53 - 1 are never sent: one that comes is an error, not a rounded number. */
function exact(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new ProtocolError('an integer beyond 2^53 - 1');
  return number;
}

/** As we hold it. Lists are changed in place: most of what comes is long lists of short texts. */
function tame(value: unknown, depth: number): Value {
  if (depth > DEPTH_MAX) throw new ProtocolError('nested too deeply');
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean': return value;
    case 'bigint': return exact(value);
    case 'object': return tameObject(value, depth);
    default: throw new ProtocolError('a value of no known type');
  }
}

function tameObject(value: object | null, depth: number): Value {
  if (value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (typeof value[i] !== 'string') value[i] = tame(value[i], depth + 1);
    }
    return value as Value[];
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new ProtocolError('an extension type');
  return new Map(Object.entries(value).map(([key, item]) => [keyOf(key), tame(item, depth + 1)]));
}

/** The values of a message, one after the other. */
export function decodeValues(bytes: Uint8Array): Value[] {
  try {
    return [...decodeMulti(bytes, decoding)].map((value) => tame(value, 0));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw new ProtocolError(error instanceof Error ? error.message : String(error));
  }
}
