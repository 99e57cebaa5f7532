/**
 * Bounded counter: a counter that the hub keeps between two bounds, in the order of its journal (the C side's crdt/bounded.h). A lease
 * sets an amount aside, which whoever names its key may take away without being refused, also offline (escrow: Balegas et al. 2015).
 */
import type { Declaration } from '../protocol/declarations.js';
import { asBytes, asInt, asList, asUint, fromHex, toHex } from '../protocol/values.js';
import { checkAmount, claim, counting, growth, raise, type PnCounter } from './counter.js';
import { watchable, type Look } from './look.js';
import { tally } from './tally.js';
import type { Entry, FieldHost, FieldType } from './type.js';

/** By key in hex. One that the hub has not granted yet never expires. */
type Leases = Map<string, { left: number; expires: number }>;
type State = { total: number; leases: Leases };
/** Draws from a lease, adds to it, or, if neither, ends it. */
type LeaseChange = { key: string; drawn: number; reserved: number; ttlMs: number };
type Change = { entry: Entry; lease: LeaseChange | null };

export type BoundedCounter = PnCounter & {
  /** What can be taken away: all that no lease sets aside. */
  readonly available: number;
  /** What is left of this session's own lease, which its decrements draw from first. */
  readonly leased: number;
  /** Sets an amount aside for this session's decrements, for that long; once granted, they are never refused within it. */
  reserve(amount: number, time: { seconds: number }): void;
  /** Gives back what is left of this session's lease. */
  release(): void;
};
/** Inside a map there are no leases. */
export type NestedBoundedCounter = PnCounter & { readonly available: number };

const SECONDS_MAX = 7 * 24 * 60 * 60;

/** An expired lease counts until the hub ends it. */
function availableOf({ total, leases }: State, min: number): number {
  let aside = 0;
  for (const { left } of leases.values()) aside += left;
  return total - min - aside;
}

const isRelease = ({ drawn, reserved }: LeaseChange): boolean => drawn === 0 && reserved === 0;

/** What the change takes from its lease. */
function takes({ leases }: State, lease: LeaseChange | null): number {
  return lease === null ? 0 : Math.min(lease.drawn, leases.get(lease.key)?.left ?? 0);
}

function applyLease(state: State, lease: LeaseChange): void {
  const { left, expires } = state.leases.get(lease.key) ?? { left: 0, expires: 0 };
  const after = isRelease(lease) ? 0 : left - takes(state, lease) + lease.reserved;
  if (after === 0) state.leases.delete(lease.key);
  else state.leases.set(lease.key, { left: after, expires: lease.reserved > 0 ? Infinity : expires });
}

type BoundedLook = Look & { readonly leases: Leases };

function isSameLeases(a: Leases, b: Leases): boolean {
  return a.size === b.size && [...a].every(
    ([key, { left, expires }]) => b.get(key)?.left === left && b.get(key)?.expires === expires);
}

/** With the leases, which change what is available. */
function lookAt({ total, leases }: State, before?: Look): BoundedLook {
  const last = before as BoundedLook | undefined;
  return last?.value === total && isSameLeases(last.leases, leases) ? last : { value: total, leases: new Map(leases) };
}

function boundsOf({ min = -Number.MAX_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: Declaration) {
  return min <= 0 && max >= 0 ? { min, max } : undefined;
}

function makeApi(host: FieldHost<State, Change>, min: number, max: number): BoundedCounter {
  const lease = () => host.state().leases.get(toHex(host.session));
  const available = () => availableOf(host.state(), min);
  function edit(way: keyof Entry, amount: number, change: LeaseChange | null): void {
    host.edit((made, entry) => {
      if (amount > 0) claim(made, entry, way, amount);
      else raise(made.entry, entry);
      made.lease = change;
    });
  }
  return {
    ...watchable(host),
    get value() { return host.state().total; },
    get available() { return available(); },
    get leased() {
      const { left, expires } = lease() ?? { left: 0, expires: 0 };
      return expires > host.now() ? left : 0;
    },
    increment(amount = 1) {
      if (host.state().total + checkAmount(amount) > max) {
        throw new RangeError(`the counter is at most ${max}`);
      }
      edit('up', amount, null);
    },
    decrement(amount = 1) {
      const own = lease()?.left ?? 0;
      if (checkAmount(amount) > available() + own) {
        throw new RangeError(`only ${available() + own} can be taken away`);
      }
      const drawn = Math.min(amount, own);
      edit('down', amount, drawn > 0 ? { key: toHex(host.session), drawn, reserved: 0, ttlMs: 0 } : null);
    },
    reserve(amount, { seconds }) {
      if (!(seconds >= 1 && seconds <= SECONDS_MAX)) throw new RangeError('a lease lasts 1 second to 7 days');
      if (checkAmount(amount) > available()) throw new RangeError(`only ${available()} can be set aside`);
      edit('up', 0, { key: toHex(host.session), drawn: 0, reserved: amount, ttlMs: Math.ceil(seconds * 1000) });
    },
    release() {
      if (lease() !== undefined) edit('up', 0, { key: toHex(host.session), drawn: 0, reserved: 0, ttlMs: 0 });
    },
  };
}

export function boundedCounter(declared: Declaration): FieldType<State, Change, BoundedCounter> | undefined {
  const bounds = boundsOf(declared);
  if (bounds === undefined) return undefined;
  const { min, max } = bounds;
  return {
    ...counting,
    sharing: 'none',
    create: () => ({ total: 0, leases: new Map() }),
    copy: ({ total, leases }) => ({ total, leases: new Map(leases) }),
    newChange: () => ({ entry: { up: 0, down: 0 }, lease: null }),

    check(state, entry, change) {
      const { up, down } = growth(entry, change.entry);
      const free = availableOf(state, min) + up;
      const wanted = down - takes(state, change.lease) + (change.lease?.reserved ?? 0);
      return state.total + up - down <= max && (wanted === 0 || wanted <= free);
    },

    apply(state, entry, change) {
      counting.apply(state, entry, change);
      if (change.lease !== null) applyLease(state, change.lease);
    },

    edits({ entry: { up, down }, lease }) {
      if (lease === null || lease.drawn > 0) return { increment: up, decrement: down };
      return isRelease(lease) ? { release: true } : { reserve: lease.reserved, seconds: lease.ttlMs / 1000 };
    },

    encodeChange: ({ entry, lease }) => [
      entry.up, entry.down,
      lease === null ? null : [fromHex(lease.key), lease.drawn, lease.reserved, lease.ttlMs],
    ],

    decodeChange(value) {
      const [up, down, lease] = asList(value, 3);
      const entry = { up: asUint(up), down: asUint(down) };
      if (lease === null) return { entry, lease };
      const [key, drawn, reserved, ttl] = asList(lease, 4);
      return {
        entry,
        lease: { key: toHex(asBytes(key)), drawn: asUint(drawn), reserved: asUint(reserved), ttlMs: asUint(ttl) },
      };
    },

    readContent(state, content) {
      const [total, leases] = asList(content, 2);
      state.total = asInt(total);
      state.leases = new Map(asList(leases).map((item) => {
        const [key, left, expires] = asList(item, 3);
        return [toHex(asBytes(key)), { left: asUint(left), expires: asUint(expires) }];
      }));
    },

    writeContent: ({ total, leases }) => [
      total, [...leases].map(([key, { left, expires }]) => [fromHex(key), left, expires]),
    ],

    look: lookAt,
    api: (host) => makeApi(host, min, max),
  };
}

export function nestedBoundedCounter(declared: Declaration) {
  const bounds = boundsOf(declared);
  return bounds && tally({ down: true, bounded: true, ...bounds }, ({ increment, decrement, value }) => ({
    get value() { return value(); },
    get available() { return value() - bounds.min; },
    increment,
    decrement,
  }));
}
