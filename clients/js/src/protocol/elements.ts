/**
 * Elements: what sets hold, compared by their canonical msgpack (docs/protocol.md, section 3). The key of an element stands for that
 * encoding as a string, which JavaScript's maps can hold: in hex, but for a string, which most elements are: that is itself after a
 * quote. So a page that reads ten thousand of them encodes, decodes and copies none. What stands before another's key in hex, the
 * head of a list with its first items, makes it an entry's key.
 */
import type { ElementOf } from './declarations.js';
import { concatenate, decodeValues, Encoded, encodeValue, fromHex, toHex, type Value } from './values.js';

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

/** Before a string that stands for itself. */
const QUOTE = '"';
/** The most bytes of UTF-8 that a character of a string can take, and of a length header. */
const CHARACTER_BYTES = 3;
const HEADER_BYTES = 5;

function checkBytes(bytes: number, bytesMax: number): void {
  if (bytes > bytesMax) throw new RangeError(`an element is at most ${bytesMax} bytes here`);
}

function keyOfText(text: string, bytesMax: number): string {
  checkText(text);
  if (text.length * CHARACTER_BYTES + HEADER_BYTES > bytesMax) checkBytes(encodeValue(text).length, bytesMax);
  return QUOTE + text;
}

/** The element's key; throws a TypeError or RangeError if it cannot be one of `of`. */
export function keyOfElement(element: unknown, of: ElementOf, bytesMax = ELEMENT_BYTES): string {
  if (typeof element === 'string' && (of === 'string' || of === 'any')) return keyOfText(element, bytesMax);
  const value = canonical(element, 0);
  if (!fits(value, of)) throw new TypeError(`${String(element)} is not an element of ${of}`);
  const bytes = encodeValue(value);
  checkBytes(bytes.length, bytesMax);
  return toHex(bytes);
}

/** The element, or entry, as it is sent: text, or bytes that are msgpack already. */
export function encodedOfKey(key: string): string | Encoded {
  const quote = key.indexOf(QUOTE);
  if (quote === 0) return key.slice(1);
  if (quote < 0) return new Encoded(fromHex(key));
  return new Encoded(concatenate([fromHex(key.slice(0, quote)), encodeValue(key.slice(quote + 1))]));
}

/** A map is a plain object if all its keys are text, else a `Map`. */
export function shown(value: Value): Element {
  if (Array.isArray(value)) return value.map(shown);
  if (!(value instanceof Map)) return value;
  const entries = [...value as ReadonlyMap<Value, Value>];
  const hasNames = entries.every(([key]) => typeof key === 'string');
  return hasNames
    ? Object.fromEntries(entries.map(([key, item]) => [key as string, shown(item)]))
    : new Map(entries.map(([key, item]) => [shown(key), shown(item)]));
}

export function elementOfKey(key: string): Element {
  const encoded = encodedOfKey(key);
  return typeof encoded === 'string' ? encoded : shown(decodeValues(encoded.bytes)[0] ?? null);
}

const isText = (key: string): boolean => key.startsWith(QUOTE);
const SURROGATE = /[\ud800-\udfff]/;

/** In the order of elements: strings by their UTF-8 bytes, everything else by its encoding, and by that too where both are the same. */
export function sortKeys(keys: Iterable<string>): string[] {
  const sorted = [...keys];
  if (!sorted.every(isText)) return sorted.map(sortable).sort(compareSortable).map(({ key }) => key);
  sorted.sort(); // by UTF-16, which has the order of UTF-8 but for what takes two units
  return sorted.some((key) => SURROGATE.test(key)) ? sorted.sort(compareText) : sorted;
}

export function compareKeys(a: string, b: string): number {
  return compareSortable(sortable(a), sortable(b));
}

/** The order of UTF-8: what takes two units comes after all that takes one. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return raised(left) - raised(right);
  }
  return a.length - b.length;
}

const raised = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** A key with what it is sorted by: without a string's length header, so that strings sort as text does. */
type Sortable = { key: string; bytes: string; text: string };

function sortable(key: string): Sortable {
  const encoded = encodedOfKey(key);
  if (encoded instanceof Encoded) return { key, bytes: key, text: key };
  const text = toHex(new TextEncoder().encode(encoded));
  return { key, bytes: toHex(encodeValue(encoded)), text };
}

function compareSortable(a: Sortable, b: Sortable): number {
  return compare(a.text, b.text) || compare(a.bytes, b.bytes);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
