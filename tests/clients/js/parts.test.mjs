/** Goal: the small parts do what their one sentence says. Method: examples. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff } from '../../../clients/js/dist/backoff.js';
import { compareKeys, keyOfElement } from '../../../clients/js/dist/protocol/elements.js';
import { mintReplica } from '../../../clients/js/dist/uuid.js';
import { toHex } from '../../../clients/js/dist/protocol/values.js';

test('waiting doubles its bound, up to the cap, and is spread over all of it', () => {
  const most = createBackoff(() => 0.999999);
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => most.next()), [249, 499, 999, 1999, 3999, 7999, 14999, 14999, 14999]);
  most.reset();
  assert.equal(most.next(), 249);
  assert.equal(createBackoff(() => 0).next(), 0);
});

test('waiting is full jitter: even over all of the bound, at every attempt', () => {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const fourths = Array.from({ length: 10 }, () => [0, 0, 0, 0]);
  for (let run = 0; run < 2000; run++) {
    const backoff = createBackoff(random, 100, 3000);
    for (let attempt = 0; attempt < 10; attempt++) {
      const bound = Math.min(3000, 100 * 2 ** attempt);
      const wait = backoff.next();
      assert.ok(Number.isInteger(wait) && wait >= 0 && wait < bound, `attempt ${attempt}: ${wait}`);
      fourths[attempt][Math.floor((4 * wait) / bound)] += 1;
    }
  }
  for (const [attempt, counts] of fourths.entries()) {
    for (const count of counts) assert.ok(count > 400 && count < 600, `attempt ${attempt}: ${counts}`);
  }
});

test('a hundred thousand failures later the bound is still the cap', () => {
  const backoff = createBackoff(() => 0.999999);
  for (let i = 0; i < 100000; i++) backoff.next();
  assert.equal(backoff.next(), 14999);
});

test('equal elements have equal keys, and others are refused', () => {
  assert.equal(keyOfElement(-0, 'float'), keyOfElement(0, 'float'));
  assert.equal(keyOfElement({ b: 1, a: 2 }, 'any'), keyOfElement({ a: 2, b: 1 }, 'any'));
  assert.notEqual(keyOfElement('é', 'string'), keyOfElement('e\u0301', 'string'));
  for (const [element, of] of [[7, 'string'], [1.5, 'int'], [2 ** 53, 'int'], ['x', 'bool'], [undefined, 'any'],
    [NaN, 'float'], ['\ud800', 'string'], ['x'.repeat(5000), 'string'], [() => 1, 'any']]) {
    assert.throws(() => keyOfElement(element, of), /TypeError|RangeError/);
  }
});

test('strings sort as text, not by length', () => {
  const words = ['b', 'a', 'aa', 'x'.repeat(40), 'z', '🛫', 'é'];
  const keys = words.map((word) => keyOfElement(word, 'string')).sort(compareKeys);
  const byBytes = [...words].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(keys, byBytes.map((word) => keyOfElement(word, 'string')));
});

test('elements of `any` have one order, also where a string has the bytes of something else', () => {
  const keys = ['01', 'a101', 'a0', 'c0', 'a1c0', '61', 'a161', '9161', 'a2616161', 'a3e2808b'];
  const sorted = [...keys].sort(compareKeys);
  for (let turn = 0; turn < keys.length; turn++) {
    keys.push(keys.shift());
    assert.deepEqual([...keys].sort(compareKeys), sorted);
  }
  assert.ok(compareKeys('01', 'a101') < 0);
});

test('a replica is a UUIDv7 that tells its time', () => {
  const id = toHex(mintReplica(0x0123456789ab, (bytes) => bytes.fill(0xff)));
  assert.equal(id, '0123456789ab7fffbfffffffffffffff');
});
