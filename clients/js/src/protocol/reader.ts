/**
 * The reader of msgpack: bytes from outside in, values out, or a ProtocolError. A page that is loaded reads tens of thousands of short
 * strings before anything is compiled, so they are cut from one text of the whole message where they are ASCII, which is native work.
 */
import { ProtocolError } from './error.js';
import type { Value } from './values.js';

/** As LIMIT_DEPTH of the hub: maps in maps take most of it. */
const DEPTH_MAX = 32;
/** A first U+FEFF is a character like any other: strings are compared by their bytes. What is no UTF-8 is no string. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
/** A character for each byte: ASCII is itself. */
const bytewise = new TextDecoder('latin1');
const BEYOND_ASCII = /[^\0-\x7f]/;
/** Where a message is so short, the text of all of it costs more than it saves. */
const LONG = 64;

/** The format's heads from 0xc4 on: how many bytes of length or of number follow. */
const WIDTHS: { readonly [head: number]: number } = {
  0xc4: 1, 0xc5: 2, 0xc6: 4, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8,
  0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4,
};

export type Reader = {
  isAtEnd(): boolean;
  /** The next value whole. */
  value(): Value;
};

/** Of its upper and lower half. Integers beyond 2^53 - 1 are never sent: one that comes is an error, not a rounded number. */
function exact(high: number, low: number): number {
  const number = high * 0x100000000 + low;
  if (!Number.isSafeInteger(number)) throw new ProtocolError('an integer beyond 2^53 - 1');
  return number;
}

function decoded(text: Uint8Array): string {
  try {
    return utf8.decode(text);
  } catch {
    throw new ProtocolError('text that is no UTF-8');
  }
}

export function createReader(bytes: Uint8Array): Reader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length < LONG ? undefined : bytewise.decode(bytes);
  let at = 0;

  /** Where the next so many bytes start, which are there. */
  function take(count: number): number {
    const start = at;
    if (count > bytes.length - start) throw new ProtocolError('cut short');
    at = start + count;
    return start;
  }

  function uint(width: number): number {
    const start = take(width);
    if (width === 1) return view.getUint8(start);
    if (width === 2) return view.getUint16(start);
    return width === 4 ? view.getUint32(start) : exact(view.getUint32(start), view.getUint32(start + 4));
  }

  function int(width: number): number {
    const start = take(width);
    if (width === 1) return view.getInt8(start);
    if (width === 2) return view.getInt16(start);
    return width === 4 ? view.getInt32(start) : exact(view.getInt32(start), view.getUint32(start + 4));
  }

  function text(length: number): string {
    const start = take(length);
    const cut = whole?.slice(start, at);
    return cut === undefined || BEYOND_ASCII.test(cut) ? decoded(bytes.subarray(start, at)) : cut;
  }

  function list(length: number, depth: number): Value[] {
    if (length > bytes.length - at) throw new ProtocolError('cut short'); // each item is at least a byte
    const items: Value[] = [];
    for (let i = 0; i < length; i++) items.push(read(depth + 1));
    return items;
  }

  function map(length: number, depth: number): ReadonlyMap<Value, Value> {
    const entries = new Map<Value, Value>();
    for (let i = 0; i < length; i++) {
      const key = read(depth + 1);
      entries.set(key, read(depth + 1));
    }
    return entries;
  }

  function long(head: number, depth: number): Value {
    const width = WIDTHS[head];
    if (width === undefined) throw new ProtocolError(head === 0xc1 ? 'no msgpack' : 'an extension type');
    if (head >= 0xde) return map(uint(width), depth);
    if (head >= 0xdc) return list(uint(width), depth);
    if (head >= 0xd9) return text(uint(width));
    if (head >= 0xd0) return int(width);
    if (head >= 0xcc) return uint(width);
    if (head >= 0xca) return width === 4 ? view.getFloat32(take(4)) : view.getFloat64(take(8));
    const length = uint(width);
    const start = take(length);
    return bytes.subarray(start, at);
  }

  function read(depth: number): Value {
    if (depth > DEPTH_MAX) throw new ProtocolError('nested too deeply');
    const head = bytes[take(1)] as number;
    if (head < 0x80) return head;
    if (head < 0x90) return map(head & 0x0f, depth);
    if (head < 0xa0) return list(head & 0x0f, depth);
    if (head < 0xc0) return text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    return long(head, depth);
  }

  return { isAtEnd: () => at === bytes.length, value: () => read(0) };
}
