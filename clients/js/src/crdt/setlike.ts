/** What the objects of all set types have in common: they quack like a `Set`. */
import { elementOfKey, keyOfElement, type Element, type ElementOf } from '../protocol/elements.js';
import { asList, type Value } from '../protocol/values.js';
import { sortedKeys } from './dots.js';

export type SetLike<T extends Element = Element> = Iterable<T> & {
  readonly value: T[];
  readonly size: number;
  has(element: T): boolean;
  values(): IterableIterator<T>;
  forEach(visit: (element: T) => void): void;
};

/** A Map or Set of elements' keys. */
type Keys = { keys(): Iterable<string>; has(key: string): boolean; readonly size: number };

export function setLike(shown: () => Keys, of: ElementOf): SetLike {
  const set: SetLike = {
    get value() { return elementsOf(shown().keys()); },
    get size() { return shown().size; },
    has: (element) => shown().has(keyOfElement(element, of)),
    values: () => set.value[Symbol.iterator](),
    forEach: (visit) => set.value.forEach((element) => visit(element)),
    [Symbol.iterator]: () => set.values(),
  };
  return set;
}

export function elementsOf(keys: Iterable<string>): Element[] {
  return sortedKeys(keys).map(elementOfKey);
}

export function readKeys(value: Value | undefined, of: ElementOf): Set<string> {
  return new Set(asList(value).map((element) => keyOfElement(element, of)));
}
