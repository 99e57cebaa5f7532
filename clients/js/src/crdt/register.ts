/**
 * Last-writer-wins register: keeps the last value by a hybrid logical clock (the C side's crdt/register.h). Its entries are
 * `[ms, count, value]`.
 */
import type { Declaration } from '../protocol/declarations.js';
import { elementOfKey, encodedOfKey, keyOfElement, type Element } from '../protocol/elements.js';
import { asList, asUint, type Value } from '../protocol/values.js';
import { compareReplicas, updateCovers, type Dot } from './context.js';
import { dotOf, dotSet, put, readGroups, writeGroups, type DotSet } from './dots.js';
import { watchable, type Look, type Watchable } from './look.js';
import type { NestedType } from './type.js';

export const VALUE_BYTES = 64 * 1024;

type Stamp = { ms: number; count: number };
type Change = Stamp & { value: string };
/** One dot of an entry. */
type Write = Stamp & { key: string; dot: Dot };

export type LwwRegister<T extends Element = Element> = Watchable & {
  /** Null: never set. */
  readonly value: T | null;
  set(value: T): void;
};

/** Inside a map a remove can take the greatest write away and leave those that it had not seen. */
export const WRITES_NESTED = 16;
const COUNT_MAX = 0xffffffff;

/** An entry's key: its two numbers, and the value's key. */
const keyOfWrite = ({ ms, count, value }: Change): string => `${ms},${count},${value}`;

function writeOfKey(key: string): Change {
  const [ms = '', count = ''] = key.split(',', 2);
  return { ms: Number(ms), count: Number(count), value: key.slice(ms.length + count.length + 2) };
}

function compareWrites(a: Write, b: Write): number {
  return a.ms - b.ms || a.count - b.count || compareReplicas(a.dot.replica, b.dot.replica) || a.dot.seq - b.dot.seq;
}

/** The greatest first. */
function writesOf(state: DotSet): Write[] {
  const writes: Write[] = [];
  for (const [key, dots] of state.dots) {
    const { ms, count } = writeOfKey(key);
    for (const dot of dots) writes.push({ key, dot, ms, count });
  }
  return writes.length > 1 ? writes.sort((a, b) => compareWrites(b, a)) : writes;
}

function dropWrite(state: DotSet, { key, dot }: Write): void {
  put(state, key, (state.dots.get(key) ?? []).filter((one) => one !== dot));
}

/** The count goes round to the next millisecond: nobody can set one that nothing comes after. */
function after({ ms, count }: Stamp): Stamp {
  return count === COUNT_MAX ? { ms: ms + 1, count: 0 } : { ms, count: count + 1 };
}

function stamp(state: DotSet, now: number): Stamp {
  const last = writesOf(state)[0];
  const ms = Math.floor(now);
  return last !== undefined && last.ms >= ms ? after(last) : { ms, count: 0 };
}

type LastLook = Look & { readonly key: string | undefined };

/** By the element's key: the same one set again, or under another stamp, is nothing new. */
function lookAtLast(state: DotSet, before?: Look): LastLook {
  const last = writesOf(state)[0];
  const key = last && writeOfKey(last.key).value;
  if (before !== undefined && (before as LastLook).key === key) return before as LastLook;
  return { key, value: key === undefined ? null : elementOfKey(key) };
}

/** Keeps the greatest writes, so many of them. */
export function lwwRegister({ of = 'string' }: Declaration, most = 1): NestedType<DotSet, Change, LwwRegister> {
  const readWrite = (entry: Value): Change => {
    const [ms, count, value] = asList(entry, 3);
    return { ms: asUint(ms), count: asUint(count), value: keyOfElement(value, of, VALUE_BYTES) };
  };
  function prune(state: DotSet): void {
    for (const write of writesOf(state).slice(most)) dropWrite(state, write);
  }
  return {
    ...dotSet,
    sharing: 'field',
    newChange: () => ({ ms: 0, count: 0, value: '' }),

    apply(state, _entry, change, update) {
      const write = { ...change, key: keyOfWrite(change), dot: dotOf(update) };
      const seen = writesOf(state).filter(({ dot }) => updateCovers(update, dot));
      const lower = seen.filter((other) => compareWrites(other, write) < 0);
      for (const other of lower) dropWrite(state, other);
      if (lower.length === seen.length) {
        put(state, write.key, [...(state.dots.get(write.key) ?? []), write.dot]);
      }
      prune(state);
    },

    restamp: (change, state, now) => ({ ...change, ...stamp(state, now) }),
    edits: ({ value }) => ({ set: elementOfKey(value) }),
    encodeChange: ({ ms, count, value }) => [ms, count, encodedOfKey(value)],
    decodeChange: readWrite,
    readContent(state, content) {
      state.dots.clear();
      readGroups(state, content, (entry) => keyOfWrite(readWrite(entry)));
    },
    writeContent: (state) => writeGroups(state, (key) => {
      const { ms, count, value } = writeOfKey(key);
      return [ms, count, encodedOfKey(value)];
    }),
    look: lookAtLast,
    api: (host) => ({
      ...watchable(host),
      get value() { return host.look().value as Element; },
      set(value) {
        const made = { ...stamp(host.state(), host.now()), value: keyOfElement(value, of, VALUE_BYTES) };
        host.edit((change) => { Object.assign(change, made); });
      },
    }),
  };
}
