/** What the objects of all set types have in common: they quack like a `Set`. */
import { keyOfElement, type Element, type ElementOf } from '../protocol/elements.js';
import { asList, type Value } from '../protocol/values.js';
import { watchable, type Keys, type LookHost, type Watchable } from './look.js';

export type SetLike<T extends Element = Element> = Watchable & Iterable<T> & {
  /** Its elements in their order: a frozen list, the same one until the set changes. */
  readonly value: readonly T[];
  readonly size: number;
  has(element: T): boolean;
  values(): IterableIterator<T>;
  /** The same as `values`. */
  keys(): IterableIterator<T>;
  /** Each element twice, as a `Set` has it. */
  entries(): IterableIterator<[T, T]>;
  forEach(visit: (element: T, again: T) => void): void;
};

export function setLike(host: LookHost, shown: () => Keys, of: ElementOf): SetLike {
  const set: SetLike = {
    ...watchable(host),
    get value() { return host.look().value as readonly Element[]; },
    get size() { return shown().size; },
    has: (element) => shown().has(keyOfElement(element, of)),
    values: () => set.value[Symbol.iterator](),
    keys: () => set.values(),
    entries: () => set.value.map((element): [Element, Element] => [element, element])[Symbol.iterator](),
    forEach: (visit) => set.value.forEach((element) => visit(element, element)),
    [Symbol.iterator]: () => set.values(),
  };
  return set;
}

export function readKeys(value: Value | undefined, of: ElementOf): Set<string> {
  return new Set(asList(value).map((element) => keyOfElement(element, of)));
}
