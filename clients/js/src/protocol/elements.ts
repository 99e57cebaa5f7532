/**
 * Elements: what sets hold, compared by their canonical msgpack (docs/protocol.md, section 3). The key of an element is that
 * encoding as a string, which JavaScript's maps can hold.
 */
import type { ElementOf } from './declarations.js';
import { decodeValues, Encoded, encodeValue, fromHex, toHex, type Value } from './values.js';

export type { ElementOf };
export type Element = Value;

type Canonical =
  | null | boolean | number | string | Uint8Array | readonly Canonical[] | ReadonlyMap<Canonical, Canonical>;

const ELEMENT_BYTES = 4096;
const ELEMENT_DEPTH = 8;

function checkText(text: string): string {
  if (/[\ud800-\udfff]/u.test(text)) {
    throw new TypeError('a string with half a surrogate pair is not valid UTF-8');
  }
  return text;
}

function entriesOf(value: object): [key: unknown, item: unknown][] {
  if (value instanceof Map) return [...value];
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`an element cannot be a ${value.constructor.name}`);
  }
  return Object.entries(value);
}

/** A map's keys in the order of their bytes, which no object's keys can have if they look like numbers. */
function canonicalMap(value: object, depth: number): Map<Canonical, Canonical> {
  const entries = entriesOf(value).map(([name, item]) => {
    const key = canonical(name, depth + 1);
    return { key, item: canonical(item, depth + 1), bytes: toHex(encodeValue(key)) };
  });
  entries.sort((a, b) => (a.bytes < b.bytes ? -1 : 1));
  if (entries.some(({ bytes }, i) => bytes === entries[i + 1]?.bytes)) {
    throw new TypeError('an element cannot have a key twice');
  }
  return new Map(entries.map(({ key, item }) => [key, item]));
}

function canonical(value: unknown, depth: number): Canonical {
  if (depth > ELEMENT_DEPTH) throw new TypeError('an element is nested at most 8 deep');
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return checkText(value);
  if (typeof value === 'number') {
    if (Number.isNaN(value)) throw new TypeError('NaN is no element: it equals nothing');
    return value === 0 ? 0 : value;
  }
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return Array.from(value, (item) => canonical(item, depth + 1));
  if (typeof value === 'object') return canonicalMap(value, depth);
  throw new TypeError(`an element cannot be a ${typeof value}`);
}

function fits(value: Canonical, of: ElementOf): boolean {
  switch (of) {
    case 'string': return typeof value === 'string';
    case 'int': return Number.isSafeInteger(value);
    case 'float': return typeof value === 'number';
    case 'bool': return typeof value === 'boolean';
    case 'bytes': return value instanceof Uint8Array;
    case 'any': return true;
  }
}

/** The element's key; throws a TypeError or RangeError if it cannot be one of `of`. */
export function keyOfElement(element: unknown, of: ElementOf, bytesMax = ELEMENT_BYTES): string {
  const value = canonical(element, 0);
  if (!fits(value, of)) throw new TypeError(`${String(element)} is not an element of ${of}`);
  const bytes = encodeValue(value);
  if (bytes.length > bytesMax) throw new RangeError(`an element is at most ${bytesMax} bytes here`);
  return toHex(bytes);
}

/** The element's bytes, as they are sent. */
export function encodedOfKey(key: string): Encoded {
  return new Encoded(fromHex(key));
}

/** A map is a plain object if all its keys are text, else a `Map`. */
export function shown(value: Value): Element {
  if (Array.isArray(value)) return value.map(shown);
  if (!(value instanceof Map)) return value;
  const entries = [...value as ReadonlyMap<Value, Value>];
  const isText = entries.every(([key]) => typeof key === 'string');
  return isText
    ? Object.fromEntries(entries.map(([key, item]) => [key as string, shown(item)]))
    : new Map(entries.map(([key, item]) => [shown(key), shown(item)]));
}

export function elementOfKey(key: string): Element {
  return shown(decodeValues(fromHex(key))[0] ?? null);
}

/** Strings by their UTF-8 bytes, everything else by its encoding, and by that too where a string has the bytes of something else. */
export function compareKeys(a: string, b: string): number {
  return compareSortable(sortable(a), sortable(b));
}

/** A key with what it is sorted by, for those who sort many. */
export type Sortable = { key: string; text: string };

export const sortable = (key: string): Sortable => ({ key, text: textBytes(key) });

export function compareSortable(a: Sortable, b: Sortable): number {
  return compare(a.text, b.text) || compare(a.key, b.key);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Cuts a string's length header off, so that strings sort as text does. */
function textBytes(key: string): string {
  const first = parseInt(key.slice(0, 2), 16);
  if (first >= 0xa0 && first <= 0xbf) return key.slice(2);
  if (first === 0xd9) return key.slice(4);
  if (first === 0xda) return key.slice(6);
  return key;
}
