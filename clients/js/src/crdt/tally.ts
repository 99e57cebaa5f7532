/**
 * Tally: what a counter is inside a map, where a removed key takes along what was counted under it (the C side's crdt/tally.h). A dot
 * set whose entries are amounts: each dot counts its entry once.
 */
import { elementOfKey, keyOfElement } from '../protocol/elements.js';
import { asInt, asList, ProtocolError } from '../protocol/values.js';
import type { Dot } from './context.js';
import { checkAmount, type Counter } from './counter.js';
import { dotContent, dotOf, dotSet, put, readDot, type DotSet } from './dots.js';
import { lookAtPlain, watchable, type Watchable } from './look.js';
import type { FieldHost, NestedType } from './type.js';

type Change = { amount: number };

/** `bounded`: the hub keeps the total between `min` and `max`, so each edit travels alone. */
type Options = { down: boolean; min: number; max: number; bounded?: boolean };

export type TallyEdits = {
  value(): number;
  increment(amount?: number): void;
  decrement(amount?: number): void;
};

function totalOf({ dots }: DotSet): number {
  let total = 0;
  for (const [key, live] of dots) total += (elementOfKey(key) as number) * live.length;
  return total;
}

function count(state: DotSet, amount: number, dot: Dot): void {
  const key = keyOfElement(amount, 'int');
  put(state, key, [...(state.dots.get(key) ?? []), dot]);
}

export function tally<Api extends object>(
  { down, min, max, bounded = false }: Options, api: (edits: TallyEdits) => Api,
): NestedType<DotSet, Change, Api & Watchable> {
  function edit(host: FieldHost<DotSet, Change>, amount: number): void {
    const total = totalOf(host.state()) + amount;
    if (!isBetween(total)) throw new RangeError(`the counter would be ${total}, beyond its bounds`);
    host.edit((change) => { change.amount += amount; });
  }
  const isBetween = (total: number): boolean => min <= total && total <= max;
  return {
    ...dotSet,
    sharing: bounded ? 'none' : 'all',
    ...(bounded && { isInside: (state: DotSet) => isBetween(totalOf(state)) }),
    newChange: () => ({ amount: 0 }),
    apply: (state, _entry, { amount }, update) => count(state, amount, dotOf(update)),
    edits: ({ amount }) => (down
      ? { increment: Math.max(amount, 0), decrement: Math.max(-amount, 0) } : { increment: amount }),
    encodeChange: ({ amount }) => amount,
    decodeChange(value) {
      const amount = asInt(value);
      if (!down && amount < 1) throw new ProtocolError('an amount below 1');
      return { amount };
    },
    readContent(state, content) {
      state.dots.clear();
      for (const item of asList(content)) count(state, asInt(asList(item, 4)[3]), readDot(item));
    },
    writeContent: ({ dots }) => [...dots].flatMap(
      ([key, live]) => live.map((dot) => [...dotContent(dot), elementOfKey(key)])),
    look: (state, before) => lookAtPlain(totalOf(state), before),
    api: (host) => Object.assign(api({
      value: () => totalOf(host.state()),
      increment: (amount = 1) => edit(host, checkAmount(amount)),
      decrement: (amount = 1) => edit(host, -checkAmount(amount)),
    }), watchable(host)),
  };
}

const anyTotal = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };

/** What stands for a counter, one of both ways or of one. */
export function nestedCounter(down: boolean): NestedType<DotSet, Change, Counter> {
  return tally({ down, ...anyTotal }, ({ increment, decrement, value }) => ({
    get value() { return value(); }, increment, ...(down && { decrement }),
  }));
}
