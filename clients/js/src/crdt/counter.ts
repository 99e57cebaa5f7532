/** Both counters: a total, and each replica's entry beside its seq (the C side's crdt/counter.h). */
import { asInt, asList, asUint, type Value } from '../protocol/values.js';
import { lookAtPlain, watchable, type Look, type Watchable } from './look.js';
import type { Entry, FieldHost, FieldType } from './type.js';

type State = { total: number };
type Change = { entry: Entry };

export type Counter = Watchable & {
  readonly value: number;
  /** Adds `amount`, a whole number of at least 1. */
  increment(amount?: number): void;
};
export type PnCounter = Counter & { decrement(amount?: number): void };

/** Throws a RangeError if the amount is none. */
export function checkAmount(amount: number): number {
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new RangeError(`a counter counts whole numbers of at least 1, not ${amount}`);
  }
  return amount;
}

export function raise(entry: Entry, claimed: Entry): void {
  entry.up = Math.max(entry.up, claimed.up);
  entry.down = Math.max(entry.down, claimed.down);
}

/** How far the entry would grow. */
export function growth(entry: Entry, claimed: Entry): Entry {
  return { up: Math.max(0, claimed.up - entry.up), down: Math.max(0, claimed.down - entry.down) };
}

/** What all counters have in common. */
export const counting = {
  apply(state: State, entry: Entry, change: Change): void {
    const { up, down } = growth(entry, change.entry);
    state.total += up - down;
    raise(entry, change.entry);
  },
  spend: (entry: Entry, change: Change): void => raise(entry, change.entry),
  rename<Counted extends Change>(change: Counted, before: Entry, entry: Entry): Counted {
    const { up, down } = growth(before, change.entry);
    entry.up += up;
    entry.down += down;
    return { ...change, entry: { ...entry } };
  },
  look: (state: State, before?: Look): Look => lookAtPlain(state.total, before),
};

/** Counts on in the replica's entry, and in the change that carries it. */
export function claim(change: Change, entry: Entry, way: keyof Entry, amount: number): void {
  if (entry[way] + amount > Number.MAX_SAFE_INTEGER) {
    throw new RangeError('the counter would exceed 2^53 - 1');
  }
  entry[way] += amount;
  raise(change.entry, entry);
}

function count(host: FieldHost<State, Change>, way: keyof Entry, amount: number): void {
  const whole = checkAmount(amount);
  host.edit((change, entry) => claim(change, entry, way, whole));
}

function counterType(down: boolean): FieldType<State, Change, Counter> {
  return {
    ...counting,
    sharing: 'all',
    create: () => ({ total: 0 }),
    copy: (state) => ({ ...state }),
    newChange: () => ({ entry: { up: 0, down: 0 } }),
    edits: ({ entry: { up, down: ends } }) => (down ? { increment: up, decrement: ends } : { increment: up }),
    encodeChange: ({ entry }) => (down ? [entry.up, entry.down] : entry.up),
    decodeChange(value: Value) {
      const [up, ends] = down ? asList(value, 2) : [value, 0];
      return { entry: { up: asUint(up), down: asUint(ends) } };
    },
    readContent(state, content) {
      state.total = asInt(content);
    },
    writeContent: ({ total }) => total,
    api: (host) => ({
      ...watchable(host),
      get value() { return host.state().total; },
      increment: (amount = 1) => count(host, 'up', amount),
      ...(down && { decrement: (amount = 1) => count(host, 'down', amount) }),
    }),
  };
}

export const gCounter = () => counterType(false);
export const pnCounter = () => counterType(true);
