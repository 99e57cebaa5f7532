/**
 * Goal:   the same Idempotency-Key of the same principal counts once, however often it is tried, at the same time, across
 *         restarts and across crashes at any moment.
 * Method: a real hub that is killed while requests are under way; the counter says how often they counted.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { run, sleep, sql, startHub } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';
import { ask, assertProblem } from './http.mjs';

const path = '/api/documents/post/1/likes/increment';
const send = (hub, key, by = 1, options = {}) =>
  ask(hub, 'POST', path, { json: { by }, ...options, headers: { 'idempotency-key': key, ...options.headers } });
const likes = async (hub, token) => (await ask(hub, 'GET', '/api/documents/post/1/likes', { token })).json.value;

test('a key counts once, and every try is answered with what stands', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const first = await send(hub, 'order-1', 3);
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('idempotency-replayed'), null);
  assert.equal(first.json.values.likes, 3);
  await send(hub, 'order-2', 4);
  const again = await send(hub, 'order-1', 3);
  assert.equal(again.status, 200);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(again.json.values.likes, 7);
  assert.equal((await send(hub, '"order-1"', 3)).headers.get('idempotency-replayed'), 'true'); // quoted: the same
});

test('a key stands for one request', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  await send(hub, 'k', 3);
  assertProblem(await send(hub, 'k', 4), 422, 'IDEMPOTENCY_KEY_REUSED');
  const elsewhere = await ask(hub, 'POST', '/api/documents/post/2/likes/increment', { json: { by: 3 }, headers: { 'idempotency-key': 'k' } });
  assertProblem(elsewhere, 422, 'IDEMPOTENCY_KEY_REUSED');
  const patch = await ask(hub, 'PATCH', '/api/documents/post/1', { json: { likes: { increment: 3 } }, headers: { 'idempotency-key': 'k' } });
  assertProblem(patch, 422, 'IDEMPOTENCY_KEY_REUSED');
  assert.equal(await likes(hub), 3);
  for (const bad of ['""', 'a b', 'x'.repeat(256), 'a"b']) assertProblem(await send(hub, bad), 400, 'BAD_IDEMPOTENCY_KEY');
});

test('what was refused is refused again, and what could not be made leaves the key free', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: {type: bounded-counter, min: 0, max: 5}}' });
  assertProblem(await send(hub, 'much', 6), 409, 'OUT_OF_BOUNDS');
  assertProblem(await send(hub, 'much', 6), 409, 'OUT_OF_BOUNDS');
  assertProblem(await send(hub, 'none', 0), 422, 'BAD_EDIT');
  assert.equal((await send(hub, 'none', 2)).status, 200);
  assert.equal(await likes(hub), 2);
});

test('tries at the same time count once; the others wait for it or are told to', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  for (let round = 1; round <= 5; round++) {
    const tries = await Promise.all(Array.from({ length: 10 }, () => send(hub, `round-${round}`)));
    for (const answer of tries) {
      if (answer.status !== 200) {
        assertProblem(answer, 409, 'IDEMPOTENCY_KEY_IN_USE');
        assert.equal(answer.headers.get('retry-after'), '1');
      }
    }
    assert.ok(tries.some((answer) => answer.status === 200));
    assert.equal(await likes(hub), round);
  }
});

test('a key of another principal is another key', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  assert.equal((await send(hub, 'k', 1, { token: ann })).json.values.likes, 1);
  assert.equal((await send(hub, 'k', 2, { token: bob })).json.values.likes, 3);
  assert.equal((await send(hub, 'k', 1, { token: ann })).headers.get('idempotency-replayed'), 'true');
  assert.equal(await likes(hub, ann), 3);
});

test('a key counts once across crashes at any moment', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  let replayed = 0;
  for (let round = 1; round <= 12; round++) {
    const killed = sleep(randomInt(12)).then(() => hub.kill());
    await send(hub, `round-${round}`).catch(() => undefined); // who knows how far it came
    await killed;
    await hub.start();
    for (let again = 0; again < 2; again++) {
      const answer = await send(hub, `round-${round}`);
      assert.equal(answer.status, 200, answer.text);
      replayed += answer.headers.get('idempotency-replayed') === 'true' ? 1 : 0;
    }
    assert.equal(await likes(hub), round);
  }
  assert.ok(replayed >= 12); // the second try of each round at the least
});

test('who gave up and tries again counts once', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  for (let round = 1; round <= 30; round++) {
    const stop = new AbortController();
    const asked = fetch(`${hub.http}${path}`, {
      method: 'POST', body: '{"by":1}', signal: stop.signal, headers: { 'content-type': 'application/json', 'idempotency-key': `r${round}` },
    }).catch(() => undefined);
    setTimeout(() => stop.abort(), randomInt(8));
    await asked;
    let answer = await send(hub, `r${round}`);
    while (answer.status === 409) answer = await send(hub, `r${round}`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await likes(hub), round);
  }
});

test('one principal has so many keys; the table is the operator\'s to look at', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'api: {keys_per_principal: 3}' });
  for (let i = 0; i < 3; i++) assert.equal((await send(hub, `k${i}`)).status, 200);
  const refused = await send(hub, 'k3');
  assertProblem(refused, 429, 'TOO_MANY_KEYS');
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal((await send(hub, 'k1')).status, 200);
  assert.equal(await likes(hub), 3);
  const rows = await sql(hub.data, 'SELECT key, length(digest) AS digest FROM idempotency ORDER BY key');
  assert.equal(rows.length, 3);
  assert.deepEqual(rows.map((row) => row.digest), [32, 32, 32]);
});

test('an edit that was erased does not come back with its key', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const add = () => ask(hub, 'POST', '/api/documents/post/1/tags/add', { json: { elements: ['alice'] }, headers: { 'idempotency-key': 'k' } });
  assert.deepEqual((await add()).json.values.tags, ['alice']);
  assert.equal((await run('syncline', ['--hub', hub.url, 'erase', 'post/1', 'tags', 'alice'])).code, 0);
  const again = await add();
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.deepEqual(again.json.values.tags, []);
  assert.equal((await run('syncline', ['--hub', hub.url, 'erase', 'post/1'])).code, 0);
  assertProblem(await add(), 409, 'REPLICA_EXPIRED');
  assert.deepEqual((await ask(hub, 'GET', '/api/documents/post/1/tags')).json.value, []);
});
