/** Observed-remove set: an add that no remove has seen keeps its element (the C side's crdt/orset.h). */
import {
  compareKeys, elementOfKey, encodedOfKey, keyOfElement, type Element, type ElementOf,
} from '../protocol/elements.js';
import { asList, asUint, type Value } from '../protocol/values.js';
import { contextCovers, updateCovers, type Dot, type Update } from './context.js';
import type { FieldHost, FieldType, Join } from './type.js';

/** Live dots by element key; an element without dots is not there. */
type State = { dots: Map<string, readonly Dot[]> };
type Change = { clear: boolean; added: Set<string>; removed: Set<string> };

/** Quacks like a `Set`. */
export type OrSet<T extends Element = Element> = Iterable<T> & {
  readonly value: T[];
  readonly size: number;
  has(element: T): boolean;
  add(element: T): void;
  /** Removes the element as far as it is seen here; a concurrent add keeps it. */
  delete(element: T): boolean;
  clear(): void;
  values(): IterableIterator<T>;
  forEach(visit: (element: T) => void): void;
};

function put(state: State, key: string, dots: readonly Dot[]): void {
  if (dots.length === 0) state.dots.delete(key);
  else state.dots.set(key, dots);
}

function uncovered(state: State, key: string, update: Update): Dot[] {
  return (state.dots.get(key) ?? []).filter((dot) => !updateCovers(update, dot));
}

function same(a: Dot, b: Dot): boolean {
  return a.replica === b.replica && a.seq === b.seq;
}

function sortedKeys(state: State): string[] {
  return [...state.dots.keys()].sort(compareKeys);
}

function readDot(value: Value): Dot {
  const [index, seq, position] = asList(value, 3);
  return { replica: `#${asUint(index)}`, seq: asUint(seq), position: asUint(position) };
}

function keysOf(value: Value | undefined, of: ElementOf): string[] {
  return asList(value).map((element) => keyOfElement(element, of));
}

export const orSet: FieldType<State, Change, OrSet> = {
  name: 'or-set',
  create: () => ({ dots: new Map() }),
  copy: (state) => ({ dots: new Map(state.dots) }),
  newChange: () => ({ clear: false, added: new Set(), removed: new Set() }),

  apply(state, _entry, change, update) {
    const gone = change.clear ? [...state.dots.keys()] : change.removed;
    for (const key of gone) put(state, key, uncovered(state, key, update));
    const dot = { replica: update.replica, seq: update.last, position: update.position };
    for (const key of change.added) put(state, key, [...uncovered(state, key, update), dot]);
  },

  spend: () => {},

  join(state, source, join: Join) {
    for (const key of new Set([...state.dots.keys(), ...source.dots.keys()])) {
      const ours = state.dots.get(key) ?? [];
      const theirs = source.dots.get(key) ?? [];
      const stay = ours.filter(
        (dot) => theirs.some((their) => same(their, dot)) || !contextCovers(join.source, dot),
      );
      const arrive = theirs
        .filter((dot) => !ours.some((our) => same(our, dot)) && !contextCovers(join.target, dot))
        .map((dot) => ({ ...dot, position: join.position }));
      put(state, key, [...stay, ...arrive]);
    }
  },

  rename: (change) => change,

  edits: ({ clear, added, removed }) => ({
    clear, add: [...added].map(elementOfKey), delete: [...removed].map(elementOfKey),
  }),

  encodeChange: ({ clear, added, removed }) => [
    clear, [...added].map(encodedOfKey), [...removed].map(encodedOfKey),
  ],

  decodeChange(value, of) {
    const [clear, added, removed] = asList(value, 3);
    return {
      clear: clear === true, added: new Set(keysOf(added, of)), removed: new Set(keysOf(removed, of)),
    };
  },

  readContent(state, content, of) {
    for (const group of asList(content)) {
      const [dots, elements] = asList(group, 2);
      const live = asList(dots).map(readDot);
      for (const key of keysOf(elements, of)) put(state, key, live);
    }
  },

  value: (state) => sortedKeys(state).map(elementOfKey),

  api(host: FieldHost<State, Change>): OrSet {
    const set: OrSet = {
      get value() { return sortedKeys(host.state()).map(elementOfKey); },
      get size() { return host.state().dots.size; },
      has: (element) => host.state().dots.has(keyOfElement(element, host.of)),
      add(element) {
        const key = keyOfElement(element, host.of);
        host.edit((change) => {
          change.removed.delete(key);
          change.added.add(key);
        });
      },
      delete(element) {
        const key = keyOfElement(element, host.of);
        const had = host.state().dots.has(key);
        if (!had) return false; // nothing seen, so nothing to remove
        host.edit((change) => {
          change.added.delete(key);
          if (!change.clear) change.removed.add(key);
        });
        return had;
      },
      clear() {
        host.edit((change) => {
          change.clear = true;
          change.added.clear();
          change.removed.clear();
        });
      },
      values: () => set.value[Symbol.iterator](),
      forEach: (visit) => set.value.forEach((element) => visit(element)),
      [Symbol.iterator]: () => set.values(),
    };
    return set;
  },
};
