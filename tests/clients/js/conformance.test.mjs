/**
 * Goal:   every scenario of tests/conformance ends with the values it expects, in TypeScript as in C.
 * Method: replicas exchange deltas and full states through the types' common interface; H is one more replica. A delta refused for
 *         a gap is delivered again after the missing one.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fieldType } from '../../../clients/js/dist/crdt/registry.js';

const { scenarios } = JSON.parse(
  readFileSync(new URL('../../conformance/scenarios.json', import.meta.url), 'utf8'));

class Replica {
  constructor(name, type, world) {
    Object.assign(this, { name, type, world, state: type.create(), seen: new Map(), entries: new Map(), waiting: [] });
  }

  entry(replica) {
    if (!this.entries.has(replica)) this.entries.set(replica, { up: 0, down: 0 });
    return this.entries.get(replica);
  }

  edit(op, args) {
    const seq = (this.seen.get(this.name) ?? 0) + 1;
    const delta = { replica: this.name, seq, seen: new Map(this.seen), change: undefined };
    const api = this.type.api({
      of: typeof args[0] === 'number' ? 'int' : 'string',
      state: () => this.state,
      edit: (make) => {
        delta.change = this.type.newChange();
        make(delta.change, { ...this.entry(this.name) });
      },
    });
    api[op === 'remove' ? 'delete' : op](...args);
    delta.change ??= this.type.newChange(); // the API knows that there is nothing to remove
    this.apply(delta);
    return delta;
  }

  apply(delta) {
    this.type.apply(this.state, this.entry(delta.replica), delta.change, {
      replica: delta.replica, first: delta.seq, last: delta.seq, position: ++this.world.step,
      context: { position: 0, seen: delta.seen },
    });
    this.seen.set(delta.replica, delta.seq);
  }

  isNext({ replica, seq, seen }) {
    return seq === (this.seen.get(replica) ?? 0) + 1 &&
      [...seen].every(([other, have]) => other === replica || have <= (this.seen.get(other) ?? 0));
  }

  deliver(delta) {
    this.waiting.push(delta);
    this.retry();
  }

  retry() {
    for (let found = true; found;) {
      this.waiting = this.waiting.filter(({ replica, seq }) => seq > (this.seen.get(replica) ?? 0));
      const next = this.waiting.find((delta) => this.isNext(delta));
      found = next !== undefined;
      if (found) this.apply(next);
    }
  }

  merge(other) {
    this.type.join(this.state, this.type.copy(other.state), {
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

const comparable = (value) => (Array.isArray(value) ? value.map((v) => JSON.stringify(v)).sort() : value);

function run({ type, replicas, steps }) {
  const world = { step: 0 };
  const all = new Map(replicas.map((name) => [name, new Replica(name, fieldType(type), world)]));
  const deltas = new Map();
  const value = (name) => comparable(all.get(name).type.value(all.get(name).state));
  for (const [i, step] of steps.entries()) {
    if ('op' in step) {
      const delta = all.get(step.at).edit(step.op, step.args);
      if (step.as !== undefined) deltas.set(step.as, delta);
    } else if ('merge' in step) {
      all.get(step.into).merge(all.get(step.merge));
    } else if ('deliver' in step) {
      all.get(step.to).deliver(deltas.get(step.deliver));
    } else if ('check' in step) {
      for (const [name, expected] of Object.entries(step.check)) {
        assert.deepEqual(value(name), comparable(expected), `step ${i}: ${name}`);
      }
    } else if ('check_one_of' in step) {
      for (const [name, expected] of Object.entries(step.check_one_of)) {
        assert.ok(expected.map((v) => JSON.stringify(comparable(v))).includes(JSON.stringify(value(name))), `step ${i}: ${name}`);
      }
    } else if ('check_equal' in step) {
      for (const name of step.check_equal) assert.deepEqual(value(name), value(step.check_equal[0]), `step ${i}`);
    } else {
      assert.fail(`step ${i} is of no known kind`);
    }
  }
}

assert.ok(scenarios.length >= 84);
for (const scenario of scenarios) test(`${scenario.id}: ${scenario.title}`, () => run(scenario));
