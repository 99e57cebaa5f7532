/** Both counters: a total, and each replica's entry beside its seq (the C side's crdt/counter.h). */
import { asInt, asList, asUint, type Value } from '../protocol/values.js';
import type { Entry, FieldHost, FieldType, Join } from './type.js';

type State = { total: number };
type Change = { entry: Entry };

export type Counter = {
  readonly value: number;
  /** Adds `amount`, a whole number of at least 1. */
  increment(amount?: number): void;
};
export type PnCounter = Counter & { decrement(amount?: number): void };

function raise(entry: Entry, claimed: Entry): void {
  entry.up = Math.max(entry.up, claimed.up);
  entry.down = Math.max(entry.down, claimed.down);
}

function growth(entry: Entry, claimed: Entry): number {
  return Math.max(0, claimed.up - entry.up) - Math.max(0, claimed.down - entry.down);
}

function count(host: FieldHost<State, Change>, way: keyof Entry, amount: number): void {
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new RangeError(`a counter counts whole numbers of at least 1, not ${amount}`);
  }
  host.edit((change, entry) => {
    if (entry[way] + amount > Number.MAX_SAFE_INTEGER) {
      throw new RangeError('the counter would exceed 2^53 - 1');
    }
    entry[way] += amount;
    raise(change.entry, entry);
  });
}

function counterType<Api>(
  name: string,
  down: boolean,
  api: (host: FieldHost<State, Change>) => Api,
): FieldType<State, Change, Api> {
  return {
    name,
    api,
    create: () => ({ total: 0 }),
    copy: (state) => ({ ...state }),
    newChange: () => ({ entry: { up: 0, down: 0 } }),
    apply(state, entry, change) {
      state.total += growth(entry, change.entry);
      raise(entry, change.entry);
    },
    spend: (entry, change) => raise(entry, change.entry),
    join(state, _source, join: Join) {
      for (const [replica, claimed] of join.theirs) {
        const ours = join.ours(replica);
        state.total += growth(ours, claimed);
        raise(ours, claimed);
      }
    },
    rename(change, before, entry) {
      entry.up += Math.max(0, change.entry.up - before.up);
      entry.down += Math.max(0, change.entry.down - before.down);
      return { entry: { ...entry } };
    },
    edits: ({ entry: { up, down: ends } }) => (down ? { increment: up, decrement: ends } : { increment: up }),
    encodeChange: ({ entry }) => (down ? [entry.up, entry.down] : entry.up),
    decodeChange(value: Value) {
      if (!down) return { entry: { up: asUint(value), down: 0 } };
      const [up, ends] = asList(value, 2);
      return { entry: { up: asUint(up), down: asUint(ends) } };
    },
    readContent(state, content) {
      state.total = asInt(content);
    },
    value: (state) => state.total,
  };
}

export const gCounter = counterType<Counter>('g-counter', false, (host) => ({
  get value() { return host.state().total; },
  increment: (amount = 1) => count(host, 'up', amount),
}));

export const pnCounter = counterType<PnCounter>('pn-counter', true, (host) => ({
  get value() { return host.state().total; },
  increment: (amount = 1) => count(host, 'up', amount),
  decrement: (amount = 1) => count(host, 'down', amount),
}));
