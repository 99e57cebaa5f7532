/**
 * Goal:   no request, whole or broken, keeps the hub from answering others, or leaves a connection behind.
 * Method: a thousand changed requests of one seed (tests/fuzz/http.mjs; `./dev fuzz http` sends new ones to a hub with sanitizers).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attack } from '../fuzz/http.mjs';
import { startHub } from './support.mjs';

test('a thousand changed requests leave the hub well', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const { sent, answered } = await attack(hub, { seed: 7, isDone: (count) => count >= 1000 });
  assert.ok(sent >= 1000 && answered > 100, `${answered} of ${sent}`);
  await hub.stop();
  assert.doesNotMatch(hub.log, /Sanitizer|runtime error/);
});
