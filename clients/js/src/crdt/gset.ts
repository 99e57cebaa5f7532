/** Grow-only set: what was added stays, until a map drops the key that it stands under (the C side's crdt/gset.h). */
import type { Declaration } from '../protocol/declarations.js';
import { elementOfKey, encodedOfKey, keyOfElement, type Element } from '../protocol/elements.js';
import { add, dotSet, readGroups, type DotSet } from './dots.js';
import { lookAtKeys } from './look.js';
import { readKeys, setLike, type SetLike } from './setlike.js';
import type { NestedType } from './type.js';

type Change = Set<string>;

/** Quacks like a `Set` from which nothing is deleted. */
export type GSet<T extends Element = Element> = SetLike<T> & { add(element: T): void };

export function gSet({ of = 'string' }: Declaration): NestedType<DotSet, Change, GSet> {
  return {
    ...dotSet,
    newChange: () => new Set(),
    apply(state, _entry, change, update) {
      for (const key of change) add(state, key, update);
    },
    edits: (change) => ({ add: [...change].map(elementOfKey) }),
    encodeChange: (change) => [...change].map(encodedOfKey),
    decodeChange: (value) => readKeys(value, of),
    readContent: (state, content) => readGroups(state, content, (entry) => keyOfElement(entry, of)),
    look: (state, before) => lookAtKeys(state.dots, before),
    api: (host) => Object.assign(setLike(host, () => host.state().dots, of), {
      add(element: Element) {
        const key = keyOfElement(element, of);
        host.edit((change) => change.add(key));
      },
    }),
  };
}
