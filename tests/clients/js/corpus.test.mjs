/**
 * Goal:   the TypeScript codec takes what the C codec takes, refuses what it refuses, and throws nothing but a ProtocolError, whatever
 *         bytes come.
 * Method: the corpus of the packets' fuzzer, and each file cut short and with each byte changed; verdicts of the C codec by a program.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeMessage as decodeAny } from '../../../clients/js/dist/protocol/every.js';
import { decodeMessage } from '../../../clients/js/dist/protocol/packets.js';
import { ProtocolError } from '../../../clients/js/dist/protocol/values.js';

const root = new URL('../../../', import.meta.url).pathname;
const folder = `${root}tests/fuzz/corpus/fuzz_packet`;
const bin = process.env.SYNCLINE_BIN ?? `${root}build/dev/bin`;

/** Anything thrown but a ProtocolError is the test's to see. */
function accepts(decode, bytes) {
  try {
    decode(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

test('both codecs take and refuse the same messages of the corpus', () => {
  const lines = execFileSync(`${bin}/packet_verdicts`, [folder], { encoding: 'utf8' }).trim().split('\n');
  const verdicts = new Map(lines.map((line) => line.split(' ').reverse()));
  assert.ok(verdicts.size > 70);
  assert.deepEqual([...verdicts.keys()].sort(), readdirSync(folder).sort());
  for (const [name, verdict] of verdicts) {
    const mine = accepts(decodeAny, new Uint8Array(readFileSync(`${folder}/${name}`))) ? 'accepted' : 'refused';
    assert.equal(mine, verdict, name);
  }
});

test('messages that are cut short or changed are refused with a ProtocolError, or taken', () => {
  let refused = 0;
  for (const name of readdirSync(folder)) {
    const whole = new Uint8Array(readFileSync(`${folder}/${name}`));
    for (let i = 0; i < Math.min(whole.length, 400); i++) {
      const changed = Uint8Array.from(whole);
      changed[i] ^= 1 << (i % 8);
      for (const bytes of [whole.subarray(0, i), changed]) {
        for (const decode of [decodeAny, decodeMessage]) refused += Number(!accepts(decode, bytes));
      }
    }
  }
  assert.ok(refused > 1000);
});
