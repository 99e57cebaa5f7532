/** Multi-value register: keeps all concurrent values (the C side's crdt/register.h). Its entries are values. */
import type { Declaration } from '../protocol/declarations.js';
import { elementOfKey, encodedOfKey, keyOfElement, type Element } from '../protocol/elements.js';
import { asList } from '../protocol/values.js';
import { add, dotSet, readGroups, type DotSet } from './dots.js';
import { lookAtKeys, watchable, type Watchable } from './look.js';
import { VALUE_BYTES } from './register.js';
import type { NestedType } from './type.js';

type Change = { value: string };

export type MvRegister<T extends Element = Element> = Watchable & {
  /** One value, or those that were set concurrently, in the order of their bytes; empty: never set. */
  readonly values: readonly T[];
  /** The first of them; null: never set. */
  readonly value: T | null;
  /** Replaces the values that are seen here. */
  set(value: T): void;
};

export function mvRegister({ of = 'string' }: Declaration): NestedType<DotSet, Change, MvRegister> {
  const keyOf = (value: unknown): string => keyOfElement(value, of, VALUE_BYTES);
  return {
    ...dotSet,
    newChange: () => ({ value: '' }),
    apply(state, _entry, { value }, update) {
      dotSet.forget(state, update);
      add(state, value, update);
    },
    edits: ({ value }) => ({ set: elementOfKey(value) }),
    encodeChange: ({ value }) => [encodedOfKey(value)],
    decodeChange: (value) => ({ value: keyOf(asList(value, 1)[0]) }),
    readContent(state, content) {
      state.dots.clear();
      readGroups(state, content, keyOf);
    },
    look: (state, before) => lookAtKeys(state.dots, before),
    api(host) {
      const values = () => host.look().value as readonly Element[];
      return {
        ...watchable(host),
        get values() { return values(); },
        get value() { return values()[0] ?? null; },
        set(value) {
          const key = keyOf(value);
          host.edit((change) => { change.value = key; });
        },
      };
    },
  };
}
