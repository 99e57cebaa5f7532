/**
 * Goal:   values are written and read as msgpack has them, whatever their length and wherever they lie in a message.
 * Method: random values against another's codec, @msgpack/msgpack, in both directions. A failure names its seed; SYNCLINE_SEED=n runs
 *         that one alone. Lengths are drawn around those where heads and buffers change.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '@msgpack/msgpack';
import { decodeValues, encodeValue, ProtocolError } from '../../../clients/js/dist/protocol/values.js';
import { generator } from '../replicas.mjs';

const SEEDS = 400;
const FIRST = Number(process.env.SYNCLINE_SEED ?? 1);
const LAST = process.env.SYNCLINE_SEED === undefined ? SEEDS : FIRST;
const EDGES = [0, 1, 7, 10, 11, 15, 16, 20, 31, 32, 63, 64, 65, 127, 128, 255, 256, 300];
const LETTERS = ['a', '7', '"', '\0', '\x7f', '\x80', 'é', '\u20ac', '\uffee', '🛫'];
const NUMBERS = [0, -1, -32, -33, 127, 128, -128, -129, 255, 256, 65535, 65536, -32769, 2 ** 32 - 1, 2 ** 32, -(2 ** 31) - 1,
  2 ** 53 - 1, 1 - 2 ** 53, 0.5, -0.1, 1e300, Infinity];

const one = (random, items) => items[random(items.length)];

function textOf(random) {
  const letters = random(2) === 0 ? LETTERS.slice(0, 5) : LETTERS;
  return Array.from({ length: one(random, EDGES) }, () => one(random, letters)).join('');
}

function valueOf(random, depth) {
  switch (random(depth > 3 ? 5 : 8)) {
    case 0: return one(random, [null, true, false]);
    case 1: return one(random, NUMBERS);
    case 2: return Uint8Array.from({ length: one(random, EDGES) }, () => random(256));
    case 3:
    case 4: return textOf(random);
    case 5: return Object.fromEntries(Array.from({ length: random(20) }, (_, i) => [`${i} ${one(random, LETTERS)}`, valueOf(random, depth + 1)]));
    default: return Array.from({ length: random(20) }, () => valueOf(random, depth + 1));
  }
}

/** Maps as the other codec has them. */
function plain(value) {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test(`each codec reads what the other has written, from the seeds ${FIRST} to ${LAST}`, () => {
  for (let seed = FIRST; seed <= LAST; seed++) {
    const value = valueOf(generator(seed), 0);
    assert.deepEqual(decode(encodeValue(value)), value, `seed ${seed}: ours to theirs`);
    assert.deepEqual(plain(decodeValues(encode(value))[0]), value, `seed ${seed}: theirs to ours`);
    assert.deepEqual(Buffer.from(encodeValue(decodeValues(encodeValue(value))[0])), Buffer.from(encodeValue(value)), `seed ${seed}: again`);
  }
});

test('values stand back to back, also in the middle of a larger buffer', () => {
  const texts = ['short', 'é'.repeat(40), 'x'.repeat(100)];
  const message = Buffer.concat([Buffer.alloc(5, 0x93), ...texts.map(encodeValue)]);
  assert.deepEqual(decodeValues(new Uint8Array(message.buffer, message.byteOffset + 5, message.length - 5)), texts);
});

test('a first U+FEFF is a character like any other, and what is no UTF-8 no text', () => {
  for (const text of ['\ufeff', `\ufeff${'x'.repeat(300)}`, `\ufeff\ufeffé`]) assert.deepEqual(decodeValues(encodeValue([text])), [[text]]);
  for (const bytes of ['a180', 'a2c328', `d94b${'80'.repeat(75)}`]) {
    assert.throws(() => decodeValues(Uint8Array.from(Buffer.from(bytes, 'hex'))), ProtocolError, bytes);
  }
});

test('lengths beyond what is there take no memory', () => {
  for (const head of ['c6ffffffff', 'dbffffffff', 'ddffffffff', 'dfffffffff', '9f', '8f', 'bf', 'c403', 'cb00']) {
    assert.throws(() => decodeValues(Uint8Array.from(Buffer.from(head, 'hex'))), ProtocolError, head);
  }
});
