/**
 * Two-phase set: a removed element never returns (the C side's crdt/twophase.h). Its entries are `[0, element]`, added, and
 * `[1, element]`, removed.
 */
import type { Declaration } from '../protocol/declarations.js';
import { elementOfKey, encodedOfKey, keyOfElement, type Element } from '../protocol/elements.js';
import { asList, ProtocolError, type Value } from '../protocol/values.js';
import { add, dotSet, drop, readGroups, type DotSet } from './dots.js';
import { lookAtKeys } from './look.js';
import { readKeys, setLike, type SetLike } from './setlike.js';
import type { NestedType } from './type.js';

type Change = { added: Set<string>; removed: Set<string> };

/** Quacks like a `Set`; what was deleted once cannot be added again. */
export type TwoPhaseSet<T extends Element = Element> = SetLike<T> & {
  add(element: T): void;
  delete(element: T): boolean;
};

/** The heads of a list of two, and its first item. */
const ADDED = '9200';
const REMOVED = '9201';

function isShown(state: DotSet, key: string): boolean {
  return state.dots.has(ADDED + key) && !state.dots.has(REMOVED + key);
}

function shown(state: DotSet): Set<string> {
  const keys = [...state.dots.keys()]
    .filter((entry) => entry.startsWith(ADDED))
    .map((entry) => entry.slice(ADDED.length));
  return new Set(keys.filter((key) => isShown(state, key)));
}

export function twoPhaseSet({ of = 'string' }: Declaration): NestedType<DotSet, Change, TwoPhaseSet> {
  function keyOfEntry(entry: Value): string {
    const [tag, element] = asList(entry, 2);
    if (tag !== 0 && tag !== 1) throw new ProtocolError('an entry that is neither added nor removed');
    return (tag === 0 ? ADDED : REMOVED) + keyOfElement(element, of);
  }
  return {
    ...dotSet,
    newChange: () => ({ added: new Set(), removed: new Set() }),

    apply(state, _entry, change, update) {
      for (const key of change.removed) {
        drop(state, [ADDED + key], update);
        add(state, REMOVED + key, update);
      }
      for (const key of change.added) add(state, ADDED + key, update);
    },

    edits: ({ added, removed }) => ({
      add: [...added].map(elementOfKey), delete: [...removed].map(elementOfKey),
    }),
    encodeChange: ({ added, removed }) => [[...added].map(encodedOfKey), [...removed].map(encodedOfKey)],
    decodeChange(value) {
      const [added, removed] = asList(value, 2);
      return { added: readKeys(added, of), removed: readKeys(removed, of) };
    },
    readContent: (state, content) => readGroups(state, content, keyOfEntry),
    look: (state, before) => lookAtKeys(shown(state), before),

    api: (host) => Object.assign(setLike(host, () => shown(host.state()), of), {
      has: (element: Element) => isShown(host.state(), keyOfElement(element, of)),
      add(element: Element) {
        const key = keyOfElement(element, of);
        host.edit((change) => change.added.add(key));
      },
      delete(element: Element) {
        const key = keyOfElement(element, of);
        if (!isShown(host.state(), key)) return false; // nothing seen, so nothing to remove
        host.edit((change) => {
          change.added.delete(key);
          change.removed.add(key);
        });
        return true;
      },
    }),
  };
}
