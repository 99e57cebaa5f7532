/**
 * Goal:   the API describes itself truly: by the rules of OpenAPI 3.1, and as it answers.
 * Method: a public validator reads the description; answers of every operation are held against its schemas.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import { startHub } from './support.mjs';
import { ask } from './http.mjs';

const schemas = `post: {likes: g-counter, stock: pn-counter, seats: {type: bounded-counter, min: -2, max: 5}, tags: or-set, seen: g-set, gone: {type: 2p-set, of: int},
    title: lww-register, any: {type: lww-register, of: any}, blob: {type: lww-register, of: bytes}, size: {type: lww-register, of: float}, both: mv-register,
    done: flag, watch: flag, votes: {type: map, of: g-counter}, deep: {type: map, of: {type: map, of: or-set}}}
  empty-one: {a: flag}`;

test('a public validator takes the description', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const { json } = await ask(hub, 'GET', '/api/openapi.json');
  const result = await new Validator().validate(json);
  assert.deepEqual(result.errors, undefined);
  assert.equal(result.valid, true);
  assert.equal(json.openapi, '3.1.0');
  assert.ok('/api/documents/post/{key}/votes/put' in json.paths);
  assert.ok('/api/documents/empty-one/{key}/a/enable' in json.paths);
  assert.ok(!('/api/documents/post/{key}/seats/reserve' in json.paths));
  assert.deepEqual(json.paths['/api/document/watch'].parameters.map(({ name, required }) => [name, required]), [['name', true]]);
  assert.ok('304' in json.paths['/api/documents/post/{key}'].get.responses);
  const bad = await new Validator().validate({ ...json, paths: { 'no-slash': {} } });
  assert.equal(bad.valid, false);
});

test('what is answered fits what is described', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const { json: description } = await ask(hub, 'GET', '/api/openapi.json');
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(description, 'api');
  const part = (...names) => `api#/${names.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')).join('/')}`;
  const check = (schema, value) => assert.ok(ajv.validate({ $ref: schema }, value), `${schema}: ${ajv.errorsText()} of ${JSON.stringify(value)}`);
  const values = part('components', 'schemas', 'post');
  const edits = {
    likes: { increment: 1 }, stock: { increment: 3, decrement: 1 }, seats: { decrement: 1 }, tags: { add: ['a'] }, seen: { add: ['b'] },
    gone: { add: [1] }, title: { set: 't' }, any: { set: { x: [1] } }, blob: { set: { $bytes: '00' } }, size: { set: 1.5 }, both: { set: 'm' }, done: { enable: true },
    votes: { put: { k: { increment: 2 } } }, deep: { put: { a: { put: { b: { add: ['c'] } } } } },
  };
  check(values, (await ask(hub, 'GET', '/api/documents/post/1')).json);
  check(part('components', 'schemas', 'post.edits'), edits);
  const patched = await ask(hub, 'PATCH', '/api/documents/post/1', { json: edits });
  assert.equal(patched.status, 200, patched.text);
  check(values, patched.json);
  for (const field of Object.keys(edits)) {
    const { json } = await ask(hub, 'GET', `/api/documents/post/1/${field}`);
    check(part('paths', `/api/documents/post/{key}/${field}`, 'get', 'responses', '200', 'content', 'application/json', 'schema'), json);
  }
  for (const query of ['name=post%2F1', 'name=post%2Fa%2Fb', 'name=post%2Fa%2Fb&field=likes']) {
    const { json } = await ask(hub, 'GET', `/api/document?${query}`);
    check(part('paths', '/api/document', 'get', 'responses', '200', 'content', 'application/json', 'schema'), json);
  }
  const posted = await ask(hub, 'POST', '/api/document?name=post%2Fa%2Fb&field=likes&edit=increment', { json: { by: 1 } });
  assert.equal(posted.status, 200, posted.text);
  check(part('paths', '/api/document', 'post', 'responses', '200', 'content', 'application/json', 'schema'), posted.json);
  assert.deepEqual(description.paths['/api/document'].post.parameters.map(({ name, required }) => [name, required]),
    [['Idempotency-Key', false], ['field', true], ['edit', true]]);
  check(part('components', 'schemas', 'Problem'), (await ask(hub, 'GET', '/api/documents/none/1')).json);
  assert.equal(ajv.validate({ $ref: part('components', 'schemas', 'post.edits') }, { likes: { decrement: 1 } }), false);
});
