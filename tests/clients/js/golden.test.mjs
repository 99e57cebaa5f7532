/**
 * Goal:   the TypeScript codec reads and writes the packets of tests/golden byte by byte, as the C codec does.
 * Method: bytes to packet to bytes; malformed ones must be refused with a ProtocolError and nothing else.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeMessage, encodePacket, freezeDelta, thawDelta } from '../../../clients/js/dist/protocol/packets.js';
import { concatenate, fromHex, ProtocolError, toHex } from '../../../clients/js/dist/protocol/values.js';

const { packets, malformed } = JSON.parse(
  readFileSync(new URL('../../golden/packets.json', import.meta.url), 'utf8'));

for (const { name, json, hex } of packets) {
  test(`golden: ${name}`, () => {
    const [packet, ...more] = decodeMessage(fromHex(hex));
    assert.deepEqual(more, []);
    assert.equal(packet.type, json[0]);
    assert.equal(packet.id, json[1]);
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
  // What only the hub reads (replicas, modes) is the hub's to refuse.
  const hubOnly = /seq 0|first is after|version 4|unknown mode/;
  for (const { name, hex } of malformed.filter(({ name }) => !hubOnly.test(name))) {
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
