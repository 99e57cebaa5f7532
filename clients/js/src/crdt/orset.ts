/** Observed-remove set: an add that no remove has seen keeps its element (the C side's crdt/orset.h). */
import type { Declaration } from '../protocol/declarations.js';
import { elementOfKey, encodedOfKey, keyOfElement, type Element } from '../protocol/elements.js';
import { asList } from '../protocol/values.js';
import { add, dotSet, drop, readGroups, type DotSet } from './dots.js';
import { lookAtKeys } from './look.js';
import { readKeys, setLike, type SetLike } from './setlike.js';
import type { NestedType } from './type.js';

type Change = { clear: boolean; added: Set<string>; removed: Set<string> };

/** Quacks like a `Set`. */
export type OrSet<T extends Element = Element> = SetLike<T> & {
  add(element: T): void;
  /** Removes the element as far as it is seen here; a concurrent add keeps it. */
  delete(element: T): boolean;
  clear(): void;
};

export function orSet({ of = 'string' }: Declaration): NestedType<DotSet, Change, OrSet> {
  return {
    ...dotSet,
    newChange: () => ({ clear: false, added: new Set(), removed: new Set() }),

    apply(state, _entry, change, update) {
      drop(state, change.clear ? [...state.dots.keys()] : change.removed, update);
      for (const key of change.added) add(state, key, update);
    },

    edits: ({ clear, added, removed }) => ({
      clear, add: [...added].map(elementOfKey), delete: [...removed].map(elementOfKey),
    }),

    encodeChange: ({ clear, added, removed }) => [
      clear, [...added].map(encodedOfKey), [...removed].map(encodedOfKey),
    ],

    decodeChange(value) {
      const [clear, added, removed] = asList(value, 3);
      return { clear: clear === true, added: readKeys(added, of), removed: readKeys(removed, of) };
    },

    readContent: (state, content) => readGroups(state, content, (entry) => keyOfElement(entry, of)),
    look: (state, before) => lookAtKeys(state.dots, before),

    api: (host) => Object.assign(setLike(host, () => host.state().dots, of), {
      add(element: Element) {
        const key = keyOfElement(element, of);
        host.edit((change) => {
          change.removed.delete(key);
          change.added.add(key);
        });
      },
      delete(element: Element) {
        const key = keyOfElement(element, of);
        if (!host.state().dots.has(key)) return false; // nothing seen, so nothing to remove
        host.edit((change) => {
          change.added.delete(key);
          if (!change.clear) change.removed.add(key);
        });
        return true;
      },
      clear() {
        host.edit((change) => {
          change.clear = true;
          change.added.clear();
          change.removed.clear();
        });
      },
    }),
  };
}
