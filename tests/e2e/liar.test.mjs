/**
 * Goal:   a client may name any hub: one that lies gets an end with a sentence, and what waits in the store is kept.
 * Method: the command line with an edit that waits, against a socket that answers what no hub would.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { WebSocketServer } from 'ws';
import { folder, run, startHub } from './support.mjs';

const WELCOME = [2, 0, {
  hub: 'liar', journal: new Uint8Array(16), schema: new Uint8Array(8), limits: { message_bytes: 1048576, streams: 4096, replicas: 256 },
  ping_ms: 30000, resume_ms: 60000, durability: 'full',
}];

/** Says `packets` to whoever connects, then closes. */
async function startLiar(t, packets) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'syncline.v1' });
  t.after(() => server.close());
  await once(server, 'listening');
  server.on('connection', (socket) => {
    for (const packet of packets) socket.send(encode(packet));
    socket.close();
  });
  return `ws://127.0.0.1:${server.address().port}/`;
}

test('a hub that lies does not bring the client down, nor take its edits', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const store = ['--store', join(folder(t), 'client.db')];
  assert.equal((await run('syncline', ['--hub', hub.url, ...store, 'get', 'post/1'])).code, 0);
  assert.equal((await run('syncline', [...store, '--offline', 'increment', 'post/1', 'likes', '7'])).code, 0);
  const field = (number, name) => [number, name, 'g-counter', {}];
  for (const [what, packets] of [
    ['an answer on the connection itself before the welcome', [[8, 0, null, 1, 1, 0]]],
    ['a refusal there', [[9, 0, null, 1, 'OVERFLOW', '', {}]]],
    ['a gap there', [[10, 0, null, 1]]],
    ['two fields with one number', [WELCOME, [5, 1, [field(0, 'likes'), field(0, 'more')], 3, 0, []]]],
  ]) {
    const url = await startLiar(t, packets);
    const { code, stderr } = await run('syncline', ['--hub', url, ...store, '--timeout', '1', 'sync']);
    assert.equal(code, 1, `${what}: ${stderr}`);
    assert.match(stderr, /^syncline: [^\n]+/, what);
  }
  assert.equal((await run('syncline', ['--hub', hub.url, ...store, 'sync'])).code, 0);
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, '7\n');
});
