/**
 * The dot set: entries, each with its live dots. Most types are one, and differ in their edits, their entries and what those mean.
 * An entry is held by its key (protocol/elements.ts).
 */
import { encodedOfKey } from '../protocol/elements.js';
import { asList, asUint, type Value } from '../protocol/values.js';
import { updateCovers, type Dot, type Update } from './context.js';

/** An entry without dots is not there. */
export type DotSet = { dots: Map<string, readonly Dot[]> };

export function dotOf({ replica, last, position }: Update): Dot {
  return { replica, seq: last, position };
}

export function uncovered(dots: readonly Dot[] | undefined, update: Update): Dot[] {
  return (dots ?? []).filter((dot) => !updateCovers(update, dot));
}

export function put(state: DotSet, key: string, dots: readonly Dot[]): void {
  if (dots.length === 0) state.dots.delete(key);
  else state.dots.set(key, dots);
}

/** Gives the entry the update's dot in place of those that it covers. */
export function add(state: DotSet, key: string, update: Update): void {
  put(state, key, [...uncovered(state.dots.get(key), update), dotOf(update)]);
}

/** Takes the dots that the update covers from these entries. */
export function drop(state: DotSet, keys: Iterable<string>, update: Update): void {
  for (const key of keys) put(state, key, uncovered(state.dots.get(key), update));
}

export function readDot(value: Value): Dot {
  const [index, seq, position] = asList(value, 3);
  return { replica: `#${asUint(index)}`, seq: asUint(seq), position: asUint(position) };
}

/** Entries with the same dots stand together. */
export function readGroups(state: DotSet, content: Value, keyOf: (entry: Value) => string): void {
  for (const group of asList(content)) {
    const [dots, entries] = asList(group, 2);
    const live = asList(dots).map(readDot);
    for (const entry of asList(entries)) put(state, keyOf(entry), live);
  }
}

export function dotContent({ replica, seq, position }: Dot): [index: number, seq: number, position: number] {
  return [Number(replica.slice(1)), seq, position];
}

/** `entryOf`: the entry of a key that is not its encoding. */
export function writeGroups({ dots }: DotSet, entryOf: (key: string) => unknown = encodedOfKey): unknown {
  const groups = new Map<string, { live: readonly Dot[]; entries: unknown[] }>();
  for (const [key, live] of dots) {
    const name = live.map(dotContent).join();
    const group = groups.get(name) ?? { live, entries: [] };
    groups.set(name, group);
    group.entries.push(entryOf(key));
  }
  return [...groups.values()].map(({ live, entries }) => [live.map(dotContent), entries]);
}

/** What all types that are dot sets have in common. */
export const dotSet = {
  sharing: 'all',
  create: (): DotSet => ({ dots: new Map() }),
  copy: (state: DotSet): DotSet => ({ dots: new Map(state.dots) }),
  spend: () => {},
  rename: <Change>(change: Change): Change => change,
  writeContent: (state: DotSet): unknown => writeGroups(state),
  forget: (state: DotSet, update: Update): void => drop(state, [...state.dots.keys()], update),
} as const;
