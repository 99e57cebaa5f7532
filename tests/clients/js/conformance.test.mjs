/**
 * Goal:   every scenario of tests/conformance ends with the values it expects, in TypeScript as in C.
 * Method: replicas exchange deltas and full states through the types' common interface; H is one more replica. A delta refused for
 *         a gap is delivered again after the missing one.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Replica, typeWith } from '../replicas.mjs';

const { scenarios } = JSON.parse(
  readFileSync(new URL('../../conformance/scenarios.json', import.meta.url), 'utf8'));

/** Sets and concurrent values without order, also inside maps. */
function comparable(value) {
  if (Array.isArray(value)) return value.map((item) => JSON.stringify(item)).sort();
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, comparable(item)]));
}

/** What the edits of a map end in: the type whose edits carry their time. */
function leafOf(type, { of } = {}) {
  return Array.isArray(of) ? leafOf(of[0], of[1]) : type;
}

function run({ type: name, options = {}, replicas, steps }) {
  const world = { step: 0 };
  const type = typeWith(name, options);
  const isTimed = leafOf(name, options) === 'lww-register';
  const all = new Map(replicas.map((replica) => [replica, new Replica(replica, type, world)]));
  const deltas = new Map();
  const value = (replica) => comparable(all.get(replica).value());
  for (const [i, step] of steps.entries()) {
    if ('op' in step) {
      const timed = isTimed && step.op !== 'remove' && !step.args.includes('remove');
      const args = timed ? step.args.slice(0, -1) : step.args;
      const delta = all.get(step.at).edit(step.op, args, timed ? step.args.at(-1) : 0);
      if (step.as !== undefined) deltas.set(step.as, delta);
    } else if ('merge' in step) {
      all.get(step.into).merge(all.get(step.merge));
    } else if ('deliver' in step) {
      assert.ok(deltas.has(step.deliver), `step ${i} delivers what is not there`);
      all.get(step.to).deliver(deltas.get(step.deliver));
    } else if ('check' in step) {
      for (const [replica, expected] of Object.entries(step.check)) {
        assert.deepEqual(value(replica), comparable(expected), `step ${i}: ${replica}`);
      }
    } else if ('check_one_of' in step) {
      for (const [replica, expected] of Object.entries(step.check_one_of)) {
        assert.ok(expected.map((v) => JSON.stringify(comparable(v))).includes(JSON.stringify(value(replica))), `step ${i}: ${replica}`);
      }
    } else if ('check_equal' in step) {
      for (const replica of step.check_equal) assert.deepEqual(value(replica), value(step.check_equal[0]), `step ${i}`);
    } else {
      assert.fail(`step ${i} is of no known kind`);
    }
  }
}

assert.ok(scenarios.length >= 220);
for (const scenario of scenarios) test(`${scenario.id}: ${scenario.title}`, () => run(scenario));
