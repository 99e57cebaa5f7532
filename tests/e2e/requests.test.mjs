/**
 * Goal:   no request, whole or broken, keeps the hub from answering others, or leaves a connection behind.
 * Method: a thousand changed requests of one seed (tests/fuzz/http.mjs; `./dev fuzz http` sends new ones to a hub with sanitizers), of
 *         which the longest opens a document as long as it is unchanged.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from 'syncline/internal/protocol/every';
import { attack, opening } from '../fuzz/http.mjs';
import { Peer } from './socket.mjs';
import { startHub } from './support.mjs';

test('a thousand changed requests leave the hub well', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const { sent, answered } = await attack(hub, { seed: 7, isDone: (count) => count >= 1000 });
  assert.ok(sent >= 1000 && answered > 100, `${answered} of ${sent}`);
  assert.equal(await hub.stop(), 0, hub.log);
  assert.doesNotMatch(hub.log, /Sanitizer|runtime error/);
});

test('the request that is changed opens a document as it is', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const peer = new Peer(hub);
  peer.write(opening);
  const [welcome, answer] = (await peer.messages(2)).map((message) => decodeMessage(new Uint8Array(message))[0].type);
  assert.deepEqual([welcome, answer], ['WELCOME', 'OPENED']);
  peer.socket.destroy();
  assert.equal(await hub.stop(), 0, hub.log);
});
