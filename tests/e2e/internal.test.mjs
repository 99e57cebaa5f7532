/**
 * Goal:   the internal address answers operators, the public one does not, and neither can be reached by the other's name.
 * Method: a hub with both; operators' calls, requests and pages of foreign origins to each.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { makeAuthority } from './certificates.mjs';
import { Peer, frame, hubFor } from './socket.mjs';
import { folder, run, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';

const inside = (hub) => ({ port: Number(new URL(hub.internal).port) });

async function withInternal(t, { config = '', ...options } = {}) {
  const hub = await hubFor(t, { config: `internal: "127.0.0.1:0"\n${config}`, ...options });
  await until(() => hub.internal !== undefined, 'the internal address');
  return hub;
}

/** What an operator's call is answered with, by whoever comes in there. */
async function call(door, token) {
  const peer = await new Peer(door).upgraded();
  peer.write(frame(encodePacket({ type: 'HELLO', id: 0, version: 1, ...(token === undefined ? {} : { token }) })), frame(encodePacket({ type: 'CALL', id: 1, method: 'stats', parameters: {} })));
  const [, answer] = await peer.messages(2);
  peer.socket.destroy();
  const { type, code } = decodeMessage(answer)[0];
  return code ?? type;
}

test('operators are answered inside, and the public address knows none', { timeout: 60000 }, async (t) => {
  for (const tls of [false, true]) {
    const authority = makeAuthority(t);
    const files = authority.issue();
    const hub = await withInternal(t, tls ? { config: `tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}`, tls: authority.trust } : {});
    assert.equal(await call(hub), 'FORBIDDEN');
    assert.equal(await call(inside(hub)), 'RESULT');
    for (const path of ['/health', '/ready', '/console', '/console/console.js']) {
      assert.equal((await fetch(hub.internal + path)).status, 200, path);
    }
    const foreign = await fetch(`${hub.internal}/health`, { headers: { origin: 'https://evil.example' } });
    assert.equal(foreign.status, 403);
    for (const door of [hub, inside(hub)]) {
      const peer = new Peer(door);
      peer.write(peer.request({ Origin: 'https://evil.example' }));
      assert.notEqual(await peer.answered(), 101);
    }
    // Another's name that leads to this machine (DNS rebinding), and the names that libwebsockets knows its vhosts by.
    for (const [name, expected] of [['evil.example', false], ['localhost', true], ['127.0.0.1', true]]) {
      const { port } = inside(hub);
      const peer = new Peer({ port });
      peer.write(peer.request({ Host: `${name}:${port}`, Origin: `http://${name}:${port}` }));
      assert.equal(await peer.answered() === 101, expected, name);
      peer.socket.destroy();
    }
    for (const host of ['syncline', 'syncline-tls', 'syncline:7963']) {
      const peer = await new Peer(hub).upgraded({ Host: host });
      peer.write(frame(encodePacket({ type: 'HELLO', id: 0, version: 1 })), frame(encodePacket({ type: 'CALL', id: 1, method: 'stats', parameters: {} })));
      const [, answer] = await peer.messages(2);
      assert.equal(decodeMessage(answer)[0].code, 'FORBIDDEN', host);
      peer.socket.destroy();
    }
    await hub.endsWell();
  }
});

test('`console` says what it comes to at each address', { timeout: 60000 }, async (t) => {
  for (const [config, outside, within] of [['console: off', 'FORBIDDEN', 'FORBIDDEN'], ['console: on', 'RESULT', 'RESULT']]) {
    const hub = await withInternal(t, { config });
    assert.deepEqual([await call(hub), await call(inside(hub))], [outside, within], config);
    await hub.endsWell();
  }
});

test('with tokens an operator is who has one that says so, wherever it is', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { config: 'internal: "127.0.0.1:0"' });
  await until(() => hub.internal !== undefined, 'the internal address');
  for (const door of [hub, inside(hub)]) {
    assert.equal(await call(door, issue({ admin: true })), 'RESULT');
    assert.equal(await call(door, issue()), 'FORBIDDEN');
  }
});

test('an internal address that cannot be is told', { timeout: 30000 }, async (t) => {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  writeFileSync(file, `data: ${join(dir, 'x.db')}\ninternal: somewhere\nschemas: {post: {likes: g-counter}}\n`);
  const { code, stderr } = await run('synclined', ['check', '--config', file]);
  assert.equal(code, 2);
  assert.match(stderr, /hub.yaml:2:11: "somewhere"; expected an address and a port, such as "127.0.0.1:7963", or off/);
  const hub = await withInternal(t);
  writeFileSync(file, `listen: 127.0.0.1:0\ndata: ${join(dir, 'x.db')}\ninternal: ${hub.internal.slice(7)}\nschemas: {post: {likes: g-counter}}\n`);
  const taken = await run('synclined', ['serve', '--config', file]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /cannot be listened on: the port is in use/);
  await hub.endsWell();
});
