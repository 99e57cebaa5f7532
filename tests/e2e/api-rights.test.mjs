/**
 * Goal:   over HTTP a token opens what it opens over a socket, and nothing else.
 * Method: a real hub with keys and grants; every kind of request, with tokens that allow it and that do not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'syncline';
import { startHubWithKeys } from './tokens.mjs';
import { ask, assertProblem } from './http.mjs';

const schemas = 'post: {likes: g-counter, price: {type: lww-register, of: int, write: admin}}\n  cart: {items: or-set}';
const allow = 'allow: {"post/*": [read, write], "cart/{sub}": [read, write]}';

test('reads, edits and watches are refused where the token allows them not', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  const add = (token, options = {}) => ask(hub, 'POST', '/api/documents/cart/ann/items/add', { json: { elements: ['tea'] }, token, ...options });
  assert.equal((await add(ann)).status, 200);
  assertProblem(await add(bob), 403, 'FORBIDDEN');
  assertProblem(await ask(hub, 'GET', '/api/documents/cart/ann', { token: bob }), 403, 'FORBIDDEN');
  assertProblem(await ask(hub, 'GET', '/api/documents/cart/ann/items', { token: bob }), 403, 'FORBIDDEN');
  assertProblem(await ask(hub, 'GET', '/api/documents/cart/ann/watch', { token: bob }), 403, 'FORBIDDEN');
  assertProblem(await ask(hub, 'GET', '/api/document?name=cart%2Fann', { token: bob }), 403, 'FORBIDDEN');
  assertProblem(await ask(hub, 'GET', '/api/documents/nothing/1', { token: bob }), 403, 'FORBIDDEN'); // not even which schemas there are
  assert.deepEqual((await ask(hub, 'GET', '/api/documents/cart/ann/items', { token: ann })).json.value, ['tea']);
});

test('who may only read cannot write, and a guarded field takes an admin', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const reader = issue({ sub: 'eve', allow: { 'post/*': ['read'] } });
  const seller = issue({ sub: 'sue', allow: { 'post/*': ['read', 'write', 'admin'] } });
  const like = (token, headers = {}) => ask(hub, 'POST', '/api/documents/post/1/likes/increment', { token, headers });
  const price = (token, value) => ask(hub, 'PATCH', '/api/documents/post/1', { json: { likes: { increment: 1 }, price: { set: value } }, token });
  assertProblem(await like(reader), 403, 'FORBIDDEN');
  assertProblem(await like(reader, { 'idempotency-key': 'k' }), 403, 'FORBIDDEN');
  assertProblem(await like(reader, { 'idempotency-key': 'k' }), 403, 'FORBIDDEN');
  assertProblem(await price(issue(), 1), 403, 'FORBIDDEN');
  const { json } = await ask(hub, 'GET', '/api/documents/post/1', { token: reader });
  assert.deepEqual(json.values, { likes: 0, price: null });
  assert.deepEqual((await price(seller, 5)).json.values, { likes: 1, price: 5 });
});

test('who has as many connections as may be is told so, and that it is to come back', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { schemas, config: 'limits: {principal_connections: 1}' });
  const client = connect(hub.url, { schema: { cart: { items: { type: 'or-set', of: 'string' } } }, token: issue() });
  t.after(() => client.close());
  await client.open('cart/ann').synced;
  const like = (sub) => ask(hub, 'POST', '/api/documents/post/1/likes/increment', { token: issue({ sub }) });
  assertProblem(await like('ann'), 429, 'TOO_MANY_CONNECTIONS');
  assert.equal((await like('bob')).status, 200);
});
