/** Flag: on or off; of concurrent edits the declared one wins (the C side's crdt/flag.h). Its entries are `true` and `false`. */
import type { Declaration } from '../protocol/declarations.js';
import { keyOfElement } from '../protocol/elements.js';
import { ProtocolError } from '../protocol/values.js';
import { add, dotSet, readGroups, type DotSet } from './dots.js';
import { lookAtPlain, watchable, type Watchable } from './look.js';
import type { NestedType } from './type.js';

type Change = { on: boolean };

export type Flag = Watchable & {
  readonly value: boolean;
  enable(): void;
  disable(): void;
  set(on: boolean): void;
};

const keyOf = (entry: unknown): string => keyOfElement(entry, 'bool');

export function flag({ wins = 'enable' }: Declaration): NestedType<DotSet, Change, Flag> {
  const isOn = ({ dots }: DotSet): boolean =>
    dots.has(keyOf(true)) && (wins === 'enable' || !dots.has(keyOf(false)));
  return {
    ...dotSet,
    newChange: () => ({ on: false }),
    apply(state, _entry, { on }, update) {
      dotSet.forget(state, update);
      add(state, keyOf(on), update);
    },
    edits: ({ on }) => ({ set: on }),
    encodeChange: ({ on }) => on,
    decodeChange(value) {
      if (typeof value !== 'boolean') throw new ProtocolError('neither true nor false');
      return { on: value };
    },
    readContent(state, content) {
      state.dots.clear();
      readGroups(state, content, keyOf);
    },
    look: (state, before) => lookAtPlain(isOn(state), before),
    api(host) {
      const set = (on: boolean) => {
        keyOf(on); // throws what is no boolean back
        host.edit((change) => { change.on = on; });
      };
      return {
        ...watchable(host),
        get value() { return isOn(host.state()); },
        set,
        enable: () => set(true),
        disable: () => set(false),
      };
    },
  };
}
