/**
 * Goal:   an element has one form, the canonical one of docs/protocol.md, section 3, and what has none is refused before it is sent.
 * Method: examples against bytes worked out by hand from the msgpack specification.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldType } from '../../../clients/js/dist/crdt/registry.js';
import { elementOfKey, encodedOfKey, keyOfElement } from '../../../clients/js/dist/protocol/elements.js';
import { decodeValues, encodeValue, fromHex, toHex } from '../../../clients/js/dist/protocol/values.js';

const orSet = fieldType({ type: 'or-set', of: 'any' });
const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
const forms = [
  [null, 'c0'], [false, 'c2'], [true, 'c3'], [0, '00'], [-0, '00'], [127, '7f'], [128, 'cc80'], [255, 'ccff'], [256, 'cd0100'],
  [65535, 'cdffff'], [65536, 'ce00010000'], [4294967295, 'ceffffffff'], [4294967296, 'cf0000000100000000'],
  [2 ** 53 - 1, 'cf001fffffffffffff'], [-1, 'ff'], [-32, 'e0'], [-33, 'd0df'], [-128, 'd080'], [-129, 'd1ff7f'],
  [-32768, 'd18000'], [-32769, 'd2ffff7fff'], [-2147483648, 'd280000000'], [-2147483649, 'd3ffffffff7fffffff'],
  [1 - 2 ** 53, 'd3ffe0000000000001'], [2 ** 53, 'cb4340000000000000'], [1e300, 'cb7e37e43c8800759c'],
  [0.5, 'cb3fe0000000000000'], [0.1, 'cb3fb999999999999a'], [Infinity, 'cb7ff0000000000000'], [-Infinity, 'cbfff0000000000000'],
  ['', 'a0'], ['é', 'a2c3a9'], ['🛫', 'a4f09f9bab'], ['x'.repeat(31), `bf${'78'.repeat(31)}`], ['x'.repeat(32), `d920${'78'.repeat(32)}`],
  ['x'.repeat(256), `da0100${'78'.repeat(256)}`], [new Uint8Array(0), 'c400'], [Uint8Array.of(1, 255), 'c40201ff'],
  [new Uint8Array(256), `c50100${'00'.repeat(256)}`], [[], '90'], [new Array(16).fill(1), `dc0010${'01'.repeat(16)}`],
  [{}, '80'], [{ b: 1, a: 2 }, '82a16102a16201'], [{ aa: 1, b: 2 }, '82a16202a2616101'],
  [{ 10: 1, 2: 2, a: 3 }, '83a13202a16103a2313001'], [{ x: { 10: 1, a: 2 } }, '81a17882a16102a2313001'],
  [[{ 10: 1, a: 2 }], '9182a16102a2313001'], [JSON.parse('{"__proto__": {"a": 1}}'), '81a95f5f70726f746f5f5f81a16101'],
  [new Map([[1, 'a']]), '8101a161'], [new Map([['b', 1], [10, 2], [-1, 3]]), '830a02a16201ff03'],
  [{ x: new Map([[null, 0], [[1, 'y'], 1], [{ z: 1 }, 2], [Uint8Array.of(7), 3], [0.5, 4]]) },
    '81a178' + '8581a17a0102' + '9201a17901' + 'c000' + 'c4010703' + 'cb3fe000000000000004'], [Object.assign(Object.create(null), { a: 1 }), '81a16101'], [nested(8), `${'91'.repeat(8)}01`],
];

test('every kind of element has its shortest form', () => {
  for (const [element, hex] of forms) assert.equal(toHex(encodeValue(encodedOfKey(keyOfElement(element, 'any')))), hex);
});

test('an element and an entry that ends with it have one key each', () => {
  const keys = [...new Set(forms.map(([element]) => keyOfElement(element, 'any'))), keyOfElement('9201', 'any'), keyOfElement('"', 'any')];
  const entries = [...keys, ...keys.map((key) => `9200${key}`)];
  assert.equal(new Set(entries).size, entries.length);
  for (const key of keys) assert.deepEqual(elementOfKey(`9201${key}`), [1, elementOfKey(key)]);
});

test('an element comes back as it went in', () => {
  for (const [element, hex] of forms) {
    const back = elementOfKey(hex);
    assert.equal(keyOfElement(back, 'any'), keyOfElement(element, 'any'));
    if (typeof element !== 'object') assert.equal(back, element === 0 ? 0 : element);
  }
});

test('a map is a plain object if all its keys are text, and pollutes nothing', () => {
  assert.deepEqual(elementOfKey('82a16102a16201'), { a: 2, b: 1 });
  assert.deepEqual(elementOfKey('9181a17881a16101'), [{ x: { a: 1 } }]);
  const hostile = elementOfKey('81a95f5f70726f746f5f5f81a16101');
  assert.deepEqual(Object.keys(hostile), ['__proto__']);
  assert.equal(hostile.a, undefined);
  assert.deepEqual(elementOfKey('8101a161'), new Map([[1, 'a']]));
});

test('what others put in a set is found by its bytes', () => {
  const state = orSet.create();
  const element = '82' + '01a161' + 'a95f5f70726f746f5f5f' + 'c3';
  const [content] = decodeValues(fromHex(`9192919300010191${element}`));
  orSet.readContent(state, content);
  assert.deepEqual([...state.dots.keys()], [element]);
});

test('a change carries its elements in that form', () => {
  const keys = [...new Set(forms.map(([, hex]) => hex))];
  const change = { clear: false, added: new Set(keys), removed: new Set(keys) };
  const list = `dc${keys.length.toString(16).padStart(4, '0')}${keys.join('')}`;
  assert.equal(toHex(encodeValue(orSet.encodeChange(change))), `93c2${list}${list}`);
});

test('headers beyond 16 bits are written', () => {
  assert.equal(toHex(encodeValue(new Array(65536).fill(0)).slice(0, 6)), 'dd0001000000');
  const map = Object.fromEntries(Array.from({ length: 65536 }, (_, i) => [`k${i}`, i]));
  assert.equal(toHex(encodeValue(map).slice(0, 8)), 'df00010000a26b30');
});

const values = { string: 'x', int: 7, float: 0.5, bool: true, bytes: Uint8Array.of(1) };
test('`of` takes its own kind and no other', () => {
  for (const of of Object.keys(values)) {
    for (const [kind, element] of Object.entries(values)) {
      const fits = kind === of || (of === 'float' && kind === 'int');
      if (fits) keyOfElement(element, of);
      else assert.throws(() => keyOfElement(element, of), TypeError, `${kind} as ${of}`);
    }
    assert.throws(() => keyOfElement(null, of), TypeError);
    assert.throws(() => keyOfElement([], of), TypeError);
  }
  for (const element of [2 ** 53, -(2 ** 53), 0.5, Infinity]) assert.throws(() => keyOfElement(element, 'int'), TypeError);
});

class Point { x = 1; }
const refused = {
  NaN, undefined, 'a bigint': 1n, 'a symbol': Symbol('x'), 'a function': () => 1, 'half a pair': '\ud83d', 'the other half': 'x\udeeb',
  'half a pair in a list': ['\ud83d'], 'half a pair as a key': { '\ud83d': 1 }, 'NaN in a map': { a: NaN },
  'undefined in a map': { a: undefined }, 'a hole': [, 1], 'a date': new Date(0), 'a key twice': new Map([[0, 1], [-0, 1], [Uint8Array.of(1), 1], [Uint8Array.of(1), 2]]), 'a Set': new Set([1]),
  'sixteen bits': new Uint16Array(1), 'a buffer': new ArrayBuffer(1), 'an object of a class': new Point(),
  'nine deep': nested(9),
};
for (const [name, element] of Object.entries(refused)) {
  test(`no element: ${name}`, () => assert.throws(() => keyOfElement(element, 'any'), TypeError));
}

test('an element has at most 4096 bytes', () => {
  for (const most of ['x'.repeat(4093), 'é'.repeat(2046), '🛫'.repeat(1023)]) assert.equal(elementOfKey(keyOfElement(most, 'string')), most);
  assert.throws(() => keyOfElement('é'.repeat(2047), 'string'), RangeError);
  assert.throws(() => keyOfElement('x'.repeat(4094), 'string'), RangeError);
});
