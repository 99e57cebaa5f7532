/**
 * Goal:   what `./dev bench` counts is what happened: every update that the load generator calls acknowledged is in the document, and
 *         what it calls delivered has reached every subscriber.
 * Method: small plans against a real hub and against the floor; the document is read by the command line afterwards.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { hubClient, writePlan } from '../bench/plan.mjs';
import { bin, folder, run, startHub } from './support.mjs';
import { targets } from '../bench/targets.mjs';

const scopeOf = (t) => Object.assign(t, { folder: () => folder(t) });

async function play(t, { port, pid }, dialect, clients, options) {
  const plan = writePlan(join(folder(t), 'plan'), dialect, clients);
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await promisify(execFile)(join(bin, 'bench_load'), ['--plan', plan, '--port', String(port), '--pid', String(pid), ...words]);
  return JSON.parse(stdout);
}

const list = (length, make) => Array.from({ length }, (_, i) => make(i));
const read = async (hub) => JSON.parse((await run('syncline', ['--hub', hub.url, 'get', 'post/1'])).stdout);

async function hubOf(t) {
  const hub = await startHub(t, { schemas: 'post: {tags: or-set, likes: g-counter}' });
  return { ...hub, pid: hub.process.pid };
}

test('what many writers are acknowledged is there', { timeout: 60000 }, async (t) => {
  const hub = await hubOf(t);
  const writers = list(5, (writer) => hubClient(['post/1'], targets.hub.updates(writer, 40, { kind: 'counter' })));
  const figures = await play(t, hub, 'syncline', writers, { window: 8 });
  assert.deepEqual([figures.sent, figures.acked, figures.complete, figures.refused, figures.ack_ms.count], [200, 200, true, 0, 200]);
  assert.equal((await read(hub)).likes, 200);
  assert.ok(figures.cpu_ms > 0 && figures.memory_kib[1] > 1000);
});

test('edits that clients batch are counted one by one', { timeout: 60000 }, async (t) => {
  const hub = await hubOf(t);
  const figures = await play(t, hub, 'syncline', [hubClient(['post/1'], targets.hub.updates(0, 20, { edits: 16 }))], { edits: 16, window: 4 });
  assert.deepEqual([figures.acked, figures.complete], [20, true]);
  assert.equal((await read(hub)).tags.length, 320);
});

test('what is delivered to everywhere was delivered to each', { timeout: 60000 }, async (t) => {
  const hub = await hubOf(t);
  const clients = [hubClient(['post/1'], targets.hub.updates(0, 50)), ...list(10, () => hubClient(['post/1']))];
  const figures = await play(t, hub, 'syncline', clients, { rate: 500 });
  assert.deepEqual([figures.sent, figures.acked, figures.everywhere, figures.all_ms.count, figures.complete], [50, 50, 50, 50, true]);
  assert.equal((await read(hub)).tags.length, 50);
});

test('the floor sends each message to all others', { timeout: 60000 }, async (t) => {
  const floor = await targets.durableFloor.start(scopeOf(t));
  const clients = [targets.floor.client(targets.floor.updates(0, 30)), ...list(5, () => targets.floor.client([]))];
  const figures = await play(t, floor, 'count', clients, { window: 4, until: 'all' });
  assert.deepEqual([figures.everywhere, figures.messages, figures.complete], [30, 150, true]);
});
