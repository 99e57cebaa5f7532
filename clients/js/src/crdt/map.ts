/**
 * Map: keys that hold fields of one type (the C side's crdt/map.h). Each edit under a key adds the update's dot to the key; a remove
 * takes what it had seen, of the key's dots and of all that stands under them. A key shows while it has a dot.
 */
import { elementOfKey, encodedOfKey, keyOfElement, sortKeys } from '../protocol/elements.js';
import { asList } from '../protocol/values.js';
import type { Dot, Update } from './context.js';
import { dotContent, dotOf, readDot, uncovered } from './dots.js';
import type { PlainOf, SettableOf } from '../plain.js';
import { watchable, type Look, type Watchable } from './look.js';
import type { AnyNestedType, Entry, FieldHost, NestedType } from './type.js';

type Held = { dots: readonly Dot[]; field: unknown };
/** By the keys of their names. A state's fields may be shared by its copies: one that changes is copied first. */
type State = { keys: Map<string, Held> };
/** Beside each look the field that was looked at, which tells whether to look again. */
type Seen = { field: unknown; readonly look: Look };
type MapLook = Look & { readonly keys: ReadonlyMap<string, Seen> };
/** First what is covered goes, if the key was removed; then the nested change, if there is one. */
type Change = Map<string, { removed: boolean; nested?: unknown }>;

/** Quacks like a `Map` of plain values; `at` gives the live field under a key. */
export type LiveMap<Field = any, Plain = PlainOf<Field>> = Watchable & Iterable<[string, Plain]> & {
  /** All of it: frozen, the same object until the map changes, with the same objects under keys that did not. */
  readonly value: { readonly [key: string]: Plain };
  readonly size: number;
  /** A plain value; undefined: no such key. */
  get(key: string): Plain | undefined;
  has(key: string): boolean;
  /** The field under the key; the first edit makes a key that is not there yet. */
  at(key: string): Field;
  /** For fields that have `set`: the same as `at(key).set(value)`. */
  set(key: string, value: SettableOf<Field>): void;
  /** Removes the key with all that is seen here; a concurrent edit under it keeps it, with that edit. */
  delete(key: string): boolean;
  clear(): void;
  keys(): IterableIterator<string>;
  values(): IterableIterator<Plain>;
  entries(): IterableIterator<[string, Plain]>;
  forEach(visit: (value: Plain, key: string) => void): void;
};

const keyOf = (key: unknown): string => keyOfElement(key, 'string');
const textOf = (key: string): string => elementOfKey(key) as string;
const noEntry = (): Entry => ({ up: 0, down: 0 });

export function mapOf(held: AnyNestedType): NestedType<State, Change, LiveMap> {
  const { isInside, restamp } = held;
  const nothing = held.look(held.create());

  const fieldOf = (state: State, key: string): unknown => state.keys.get(key)?.field ?? held.create();

  /** The key as it is to be changed, without what a remove takes if there is one. */
  function open(state: State, key: string, remover?: Update): Held {
    const dots = state.keys.get(key)?.dots ?? [];
    const field = held.copy(fieldOf(state, key));
    if (remover === undefined) return { dots, field };
    held.forget(field, remover);
    return { dots: uncovered(dots, remover), field };
  }

  function put(state: State, key: string, dots: readonly Dot[], field: unknown): void {
    if (dots.length === 0) state.keys.delete(key);
    else state.keys.set(key, { dots, field });
  }

  function apply(state: State, change: Change, update: Update): void {
    for (const [key, { removed, nested }] of change) {
      const { dots, field } = open(state, key, removed ? update : undefined);
      if (nested !== undefined) held.apply(field, noEntry(), nested, update);
      put(state, key, nested === undefined ? dots : [...uncovered(dots, update), dotOf(update)], field);
    }
  }

  function hostAt(host: FieldHost<State, Change>, key: string): FieldHost<unknown, unknown> {
    return {
      ...host,
      state: () => fieldOf(host.state(), key),
      look: () => (host.look() as MapLook).keys.get(key)?.look ?? nothing,
      edit: (edit) => host.edit((change) => {
        const before = change.get(key);
        const nested = before?.nested ?? held.newChange();
        edit(nested, noEntry()); // may throw, and then nothing has changed
        change.set(key, { removed: before?.removed ?? false, nested });
      }),
    };
  }

  /** In the order of the keys' bytes, which an object's keys do not have if they look like numbers. */
  function entriesOf({ keys }: Pick<MapLook, 'keys'>): [string, unknown][] {
    return sortKeys(keys.keys()).map((key) => [textOf(key), keys.get(key)?.look.value]);
  }

  function lookAgain(field: unknown, before: Seen | undefined): Seen {
    if (before !== undefined && before.field === field) return before;
    const look = held.look(field, before?.look);
    if (before === undefined || before.look !== look) return { field, look };
    before.field = field;
    return before;
  }

  function lookAt(state: State, before?: Look): MapLook {
    const last = (before as MapLook | undefined)?.keys;
    const keys = new Map<string, Seen>();
    let isSame = last?.size === state.keys.size;
    for (const [key, { field }] of state.keys) {
      const seenBefore = last?.get(key);
      const seen = lookAgain(field, seenBefore);
      isSame &&= seen === seenBefore;
      keys.set(key, seen);
    }
    if (isSame) return before as MapLook;
    let value: { readonly [key: string]: unknown } | undefined;
    return {
      keys,
      get value() { return value ??= Object.freeze(Object.fromEntries(entriesOf({ keys }))); },
    };
  }

  function api(host: FieldHost<State, Change>): LiveMap {
    function remove(keys: readonly string[]): boolean {
      if (keys.length === 0) return false;
      host.edit((change) => { for (const key of keys) change.set(key, { removed: true }); });
      return true;
    }
    const look = () => host.look() as MapLook;
    const value = () => look().value as { readonly [key: string]: unknown };
    const entries = () => entriesOf(look());
    const at = (key: string) => held.api(hostAt(host, keyOf(key)));
    return {
      ...watchable(host),
      get value() { return value(); },
      get size() { return host.state().keys.size; },
      get: (key) => look().keys.get(keyOf(key))?.look.value,
      has: (key) => host.state().keys.has(keyOf(key)),
      at,
      set(key, value) {
        const field = at(key) as { set?: (value: unknown) => void };
        if (field.set === undefined) throw new TypeError('what the map holds cannot be set: edit `at(key)`');
        field.set(value);
      },
      delete: (key) => remove([keyOf(key)].filter((one) => host.state().keys.has(one))),
      clear: () => void remove([...host.state().keys.keys()]),
      keys: () => sortKeys(host.state().keys.keys()).map(textOf)[Symbol.iterator](),
      values: () => entries().map(([, value]) => value)[Symbol.iterator](),
      entries: () => entries()[Symbol.iterator](),
      forEach: (visit) => { for (const [key, value] of entries()) visit(value, key); },
      [Symbol.iterator]: () => entries()[Symbol.iterator](),
    };
  }

  return {
    sharing: held.sharing,
    create: () => ({ keys: new Map() }),
    copy: ({ keys }) => ({ keys: new Map(keys) }),
    newChange: () => new Map(),

    // A remove, too, can leave a total beyond its bounds: what it had not seen.
    ...(isInside && {
      isInside: ({ keys }: State) => [...keys.values()].every(({ field }) => isInside(field)),
      check(state: State, _entry: Entry, change: Change, update: Update) {
        const after = { keys: new Map(state.keys) };
        apply(after, change, update);
        return [...change.keys()].every((key) => isInside(fieldOf(after, key)));
      },
    }),

    apply: (state, _entry, change, update) => apply(state, change, update),

    forget(state, update) {
      for (const key of [...state.keys.keys()]) {
        const { dots, field } = open(state, key, update);
        put(state, key, dots, field);
      }
    },

    spend: () => {},

    rename: (change) => change,

    ...(restamp && {
      restamp: (change: Change, state: State, now: number) =>
        new Map([...change].map(([key, { removed, nested }]) => [key, nested === undefined
          ? { removed } : { removed, nested: restamp(nested, fieldOf(state, key), now) }])),
    }),

    edits: (change) => Object.fromEntries([...change].map(([key, { removed, nested }]) => [textOf(key), {
      delete: removed, ...(nested === undefined ? {} : { edit: held.edits(nested) }),
    }])),

    encodeChange: (change) => [...change].map(([key, { removed, nested }]) => [
      encodedOfKey(key), removed, nested === undefined ? null : held.encodeChange(nested),
    ]),

    decodeChange: (value) => new Map(asList(value).map((item) => {
      const [key, removed, nested] = asList(item, 3);
      return [keyOf(key), nested == null
        ? { removed: removed === true } : { removed: removed === true, nested: held.decodeChange(nested) }];
    })),

    readContent(state, content) {
      for (const item of asList(content)) {
        const [dots, name, fresh, nested] = asList(item, 4);
        const key = keyOf(name);
        const field = fresh === true ? held.create() : open(state, key).field;
        if (nested != null) held.readContent(field, nested);
        put(state, key, asList(dots).map(readDot), field);
      }
    },

    writeContent: ({ keys }) => [...keys].map(
      ([key, { dots, field }]) => [dots.map(dotContent), encodedOfKey(key), true, held.writeContent(field)]),

    look: lookAt,
    api,
  };
}
