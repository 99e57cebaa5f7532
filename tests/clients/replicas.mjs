/**
 * Replicas that exchange deltas and full states through the types' common interface, and no hub. A delta may gather several edits.
 * One refused for a gap waits for the missing one; one refused for what it would do takes no effect.
 */
import { fieldType } from '../../clients/js/dist/crdt/registry.js';
import { declarationOf, readDeclaration } from '../../clients/js/dist/protocol/declarations.js';
import { asMap, decodeValues, encodeValue } from '../../clients/js/dist/protocol/values.js';
import { joinStates } from './join.mjs';

/** Random whole numbers below a bound, the same for the same seed. */
export function generator(seed) {
  let state = seed * 2654435761 + 1;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/** A type by its declaration, as a schema has it. */
export const typeOf = (option) => fieldType(declarationOf(option));

/** A type by its name and its options, as packets have them. */
export function typeWith(name, options) {
  return fieldType(readDeclaration(name, asMap(decodeValues(encodeValue(options))[0])));
}

const METHODS = { remove: 'delete' };

/** An edit as scenarios have it. `lww-register` edits end with the time, which is the host's then. */
export function callEdit(api, op, args) {
  if (op === 'put') return callEdit(api.at(args[0]), args[1], args.slice(2));
  return api[METHODS[op] ?? op](...args);
}

export class Replica {
  constructor(name, type, world = { step: 0 }) {
    Object.assign(this, { name, type, world, state: type.create(), seen: new Map(), entries: new Map(), waiting: [] });
  }

  entry(replica) {
    if (!this.entries.has(replica)) this.entries.set(replica, { up: 0, down: 0 });
    return this.entries.get(replica);
  }

  value() {
    return this.type.look(this.state).value;
  }

  /** One delta of what `make` does with the field's public object; its second argument tells the seq so far. */
  transact(make, now = 0) {
    const first = (this.seen.get(this.name) ?? 0) + 1;
    const delta = { replica: this.name, first, last: first - 1, seen: new Map(this.seen), change: this.type.newChange() };
    const entry = { ...this.entry(this.name) };
    const shown = () => {
      if (delta.last < first) return this.state;
      const state = this.type.copy(this.state);
      this.type.apply(state, { ...this.entry(this.name) }, delta.change, this.update(delta, Infinity));
      return state;
    };
    make(this.type.api({
      state: shown,
      edit: (edit) => {
        edit(delta.change, entry);
        delta.last += 1;
      },
      now: () => now,
      session: new TextEncoder().encode(this.name),
    }), () => delta.last);
    if (delta.last < first) return undefined; // the API knows that there is nothing to do
    // The bytes must carry all of it.
    delta.change = this.type.decodeChange(decodeValues(encodeValue(this.type.encodeChange(delta.change)))[0]);
    this.apply(delta);
    return delta;
  }

  edit(op, args, now) {
    return this.transact((api) => callEdit(api, op, args), now);
  }

  update({ replica, first, last, seen }, position) {
    return { replica, first, last, position, context: { position: 0, seen } };
  }

  apply(delta) {
    const update = this.update(delta, ++this.world.step);
    const entry = this.entry(delta.replica);
    if (this.type.check?.(this.state, entry, delta.change, update) ?? true) this.type.apply(this.state, entry, delta.change, update);
    else this.type.spend(entry, delta.change);
    this.seen.set(delta.replica, delta.last);
  }

  isNext({ replica, first, seen }) {
    return first === (this.seen.get(replica) ?? 0) + 1 &&
      [...seen].every(([other, have]) => other === replica || have <= (this.seen.get(other) ?? 0));
  }

  /** Undefined: an edit that did nothing. */
  deliver(delta) {
    if (delta === undefined) return;
    this.waiting.push(delta);
    this.retry();
  }

  retry() {
    for (let found = true; found;) {
      this.waiting = this.waiting.filter(({ replica, last }) => last > (this.seen.get(replica) ?? 0));
      const next = this.waiting.find((delta) => this.isNext(delta));
      found = next !== undefined;
      if (found) this.apply(next);
    }
  }

  merge(other) {
    this.state = joinStates(this.state, other.state, {
      source: { position: 0, seen: new Map(other.seen) },
      target: { position: 0, seen: new Map(this.seen) },
      position: ++this.world.step,
      ours: (replica) => this.entry(replica),
      theirs: new Map([...other.entries].map(([name, entry]) => [name, { ...entry }])),
    });
    for (const [replica, seq] of other.seen) {
      this.seen.set(replica, Math.max(seq, this.seen.get(replica) ?? 0));
    }
    this.retry();
  }
}
