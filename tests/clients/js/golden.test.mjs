/**
 * Goal:   the TypeScript codec reads and writes the packets of tests/golden byte by byte, as the C codec does.
 * Method: bytes to packet to bytes, and the packet's JSON form by the layouts of docs/protocol.md; malformed ones must be refused with a ProtocolError and nothing else.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { optionsOf } from '../../../clients/js/dist/protocol/declarations.js';
import { decodeMessage, encodePacket } from '../../../clients/js/dist/protocol/every.js';
import { freezeDelta, thawDelta } from '../../../clients/js/dist/protocol/packets.js';
import { concatenate, fromHex, ProtocolError, toHex } from '../../../clients/js/dist/protocol/values.js';

const { packets, malformed } = JSON.parse(
  readFileSync(new URL('../../golden/packets.json', import.meta.url), 'utf8'));

const shown = (value) => {
  if (value instanceof Uint8Array) return { $bytes: toHex(value) };
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof Map) return shown(Object.fromEntries(value));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
};
const options = (map) => Object.fromEntries(Object.entries(map).filter(([, item]) => item !== undefined));
const contextOf = ({ position, seen, journal }) =>
  [position, seen.map(({ replica, seq }) => [replica, seq]), ...(journal === undefined ? [] : [journal])];
const contentOf = ({ fields, transfer, bytes }) => (fields === null ? [null, transfer, bytes] : [fields]);
const layouts = {
  HELLO: ({ version, token, client, agent, correlation }) => [version, options({ token, client, agent, correlation })],
  WELCOME: ({ type, id, ...rest }) => [rest],
  AUTH: ({ token }) => [token],
  OPEN: ({ name, replicas, cursor, once, presence }) => [
    name, replicas, options({ cursor, mode: once ? 'once' : undefined, presence })],
  OPENED: ({ fields, rights, position, ledger }) => [
    fields.map((field) => [field.number, field.name, field.type, optionsOf(field)]), rights, position,
    ledger.map(({ index, seq }) => [index, seq])],
  DELTA: ({ replica, first, last, context, changes }) => [replica, first, last, contextOf(context), changes],
  STATE: ({ replica, last, context, fields }) => [replica, last, contextOf(context), fields],
  ACK: ({ replica, seq, position, index }) => [replica, seq, position, index],
  REJECT: ({ replica, seq, code, text, details }) => [replica, seq, code, text, details],
  GAP: ({ replica, next }) => [replica, next],
  PRESENCE: ({ peer, data }) => [peer, data],
  SNAPSHOT: (packet) => [packet.position, ...contentOf(packet)],
  UPDATE: (packet) => [packet.from, packet.to, ...contentOf(packet)],
  CALL: ({ method, parameters }) => [method, parameters],
  RESULT: ({ value }) => [value],
  EVENT: ({ name, data }) => [name, data],
  CHUNK: ({ bytes }) => [bytes],
  END: ({ status }) => [status],
  CREDIT: ({ bytes }) => [bytes],
  CLOSE: ({ code, text }) => [code, text],
  ERROR: ({ code, text, details }) => [code, text, details],
  PING: ({ token }) => [token],
  PONG: ({ token }) => [token],
};
const jsonOf = (packet) => shown([packet.type, packet.id, ...layouts[packet.type](packet)]);

test('every layout has its packet', () => {
  assert.deepEqual([...new Set(packets.map(({ json }) => json[0]))].sort(), Object.keys(layouts).sort());
});

for (const { name, json, hex } of packets) {
  test(`golden: ${name}`, () => {
    const [packet, ...more] = decodeMessage(fromHex(hex));
    assert.deepEqual(more, []);
    assert.deepEqual(jsonOf(packet), json);
    assert.equal(toHex(encodePacket(packet)), hex);
    if (packet.type === 'DELTA') {
      assert.equal(toHex(thawDelta(packet.id, freezeDelta(packet))), hex);
    }
  });
}

test('a message may hold several packets', () => {
  const message = concatenate(packets.map(({ hex }) => fromHex(hex)));
  assert.equal(decodeMessage(message).length, packets.length);
});

test('malformed bytes are refused', () => {
  for (const { name, hex } of malformed) {
    assert.throws(() => decodeMessage(fromHex(hex)), ProtocolError, name);
  }
});

test('every truncation is refused', () => {
  for (const { name, hex } of packets) {
    const bytes = fromHex(hex);
    for (let length = 1; length < bytes.length; length++) {
      assert.throws(() => decodeMessage(bytes.slice(0, length)), ProtocolError, `${name} cut to ${length}`);
    }
  }
});

test('kinds that are not known are told as such', () => {
  assert.deepEqual(decodeMessage(fromHex('9363010a')), [{ type: 'UNKNOWN', id: 1, kind: 99 }]);
});

test('a packet longer than its layout is read, and unknown keys are skipped', () => {
  assert.deepEqual(decodeMessage(fromHex('951600070809')), [{ type: 'PING', id: 0, token: 7 }]);
  const [hello] = decodeMessage(fromHex('9401000181a16bc3'));
  assert.deepEqual(hello, { type: 'HELLO', id: 0, version: 1 });
});

test('integers beyond 2^53 - 1 are refused', () => {
  for (const hex of ['931600cf0020000000000000', '931600cfffffffffffffffff', '930f01d38000000000000000', '930f0191cf0020000000000000']) {
    assert.throws(() => decodeMessage(fromHex(hex)), ProtocolError, hex);
  }
  assert.equal(decodeMessage(fromHex('931600cf001fffffffffffff'))[0].token, Number.MAX_SAFE_INTEGER);
});

test('random bytes are read or refused with a ProtocolError, never anything else', () => {
  let state = 1;
  const random = (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
  let taken = 0;
  for (let i = 0; i < 20000; i++) {
    const bytes = fromHex(packets[random(packets.length)].hex);
    for (let n = 0; n <= random(3); n++) bytes[random(bytes.length)] = random(256);
    try {
      decodeMessage(bytes);
      taken += 1;
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `${toHex(bytes)}: ${error.stack}`);
    }
  }
  assert.ok(taken > 1000 && taken < 19000, String(taken));
});
