/**
 * Goal:   a backend without a client reads and edits documents over HTTP, beside clients that have them open, and is
 *         refused in a way that it can act on.
 * Method: a real hub; every type and edit; other readers are `syncline get` and the views of the database.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run, startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';
import { ask, assertProblem, sendRaw } from './http.mjs';

const all = `all: {likes: g-counter, stock: pn-counter, seats: {type: bounded-counter, min: 0, max: 5}, tags: or-set, numbers: {type: or-set, of: int},
    seen: g-set, gone: 2p-set, title: lww-register, any: {type: lww-register, of: any}, blob: {type: lww-register, of: bytes}, both: mv-register,
    done: flag, votes: {type: map, of: g-counter}, names: {type: map, of: lww-register}, groups: {type: map, of: or-set}}`;

async function get(hub, field) {
  const { json } = await ask(hub, 'GET', `/api/documents/all/1/${field}`);
  return json.value;
}

test('every edit of every type takes effect and is answered with what stands', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: all });
  const edits = [
    ['likes/increment', { by: 3 }, 3],
    ['likes/increment', undefined, 4],
    ['stock/increment', { by: 5 }, 5],
    ['stock/decrement', { by: 7 }, -2],
    ['seats/increment', { by: 4 }, 4],
    ['seats/decrement', {}, 3],
    ['tags/add', { elements: ['b', 'a', 'ü'] }, ['a', 'b', 'ü']],
    ['tags/remove', { elements: ['b'] }, ['a', 'ü']],
    ['tags/clear', {}, []],
    ['numbers/add', { elements: [1, 9007199254740991, -5] }, [1, 9007199254740991, -5]],
    ['seen/add', { elements: ['x'] }, ['x']],
    ['gone/add', { elements: ['x', 'y'] }, ['x', 'y']],
    ['gone/remove', { elements: ['x'] }, ['y']],
    ['title/set', { value: 'one' }, 'one'],
    ['title/set', { value: 'two' }, 'two'],
    ['any/set', { value: { b: [1, 2.5, null, true], a: { c: 'd' } } }, { b: [1, 2.5, null, true], a: { c: 'd' } }],
    ['any/set', { value: [2 ** 60, -(2 ** 53)] }, [2 ** 60, -(2 ** 53)]],
    ['blob/set', { value: { $base64: 'AP/+' } }, { $bytes: '00fffe' }],
    ['blob/set', { value: { $bytes: '0102' } }, { $bytes: '0102' }],
    ['both/set', { value: 'm' }, ['m']],
    ['done/enable', undefined, true],
    ['done/disable', {}, false],
    ['votes/put', { key: 'a/b', edit: { increment: 2 } }, { 'a/b': 2 }],
    ['votes/put', { key: 'a/b', edit: { increment: 1 } }, { 'a/b': 3 }],
    ['votes/remove', { keys: ['a/b'] }, {}],
    ['names/put', { key: 'k', value: 'v' }, { k: 'v' }],
    ['names/put', { key: 'k', value: 'w' }, { k: 'w' }],
    ['groups/put', { key: 'g', edit: { add: ['m', 'n'] } }, { g: ['m', 'n'] }],
  ];
  for (const [path, json, expected] of edits) {
    const answer = await ask(hub, 'POST', `/api/documents/all/1/${path}`, { json });
    const [field] = path.split('/');
    const sorted = (value) => (Array.isArray(value) ? [...value].sort() : value);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    assert.deepEqual(sorted(answer.json.values[field]), sorted(expected), path);
    assert.equal(answer.json.document, 'all/1');
    assert.deepEqual(sorted(await get(hub, field)), sorted(expected), path);
  }
});

test('a document is read whole or by the field, with a tag that changes with it', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const empty = await ask(hub, 'GET', '/api/documents/post/1');
  assert.equal(empty.status, 200);
  assert.deepEqual(empty.json, { document: 'post/1', position: 0, values: { likes: 0, stock: 0, tags: [] } });
  await ask(hub, 'POST', '/api/documents/post/1/likes/increment', { json: { by: 2 } });
  const one = await ask(hub, 'GET', '/api/documents/post/1');
  assert.deepEqual(one.json, { document: 'post/1', position: 1, values: { likes: 2, stock: 0, tags: [] } });
  assert.notEqual(one.headers.get('etag'), empty.headers.get('etag'));
  await ask(hub, 'POST', '/api/documents/post/1/tags/add', { json: { elements: ['a'] } });
  const field = await ask(hub, 'GET', '/api/documents/post/1/likes');
  assert.deepEqual(field.json, { document: 'post/1', position: 1, field: 'likes', value: 2 });
  assert.equal(field.headers.get('etag'), one.headers.get('etag'));
  const document = (await ask(hub, 'GET', '/api/documents/post/1')).headers.get('etag');
  for (const [path, tags, status] of [
    ['', document, 304], ['', `"other" , W/${document}`, 304], ['', '*', 304], ['/likes', field.headers.get('etag'), 304],
    ['', one.headers.get('etag'), 200], ['', document.slice(0, -2), 200], ['', '"x'.repeat(900), 200], ['/tags', field.headers.get('etag'), 200],
  ]) {
    const answer = await ask(hub, 'GET', `/api/documents/post/1${path}`, { headers: { 'if-none-match': tags } });
    assert.equal(answer.status, status, tags);
    assert.equal(answer.text === '', status === 304);
  }
  assert.equal((await ask(hub, 'POST', '/api/documents/post/1/likes/increment', { headers: { 'if-none-match': '*' } })).status, 200); // an edit counts
  const head = await fetch(`${hub.http}/api/documents/post/1`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
});

test('what HTTP writes clients see, and the other way round, also after a restart', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await ask(hub, 'PATCH', '/api/documents/post/7', { json: { likes: { increment: 3 }, tags: { add: ['http'] } } });
  await run('syncline', ['--hub', hub.url, 'add', 'post/7', 'tags', 'word']);
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/7', 'likes'])).stdout, '3\n');
  assert.deepEqual((await ask(hub, 'GET', '/api/documents/post/7/tags')).json.value, ['http', 'word']);
  await hub.stop();
  await hub.start();
  const { json } = await ask(hub, 'GET', '/api/documents/post/7');
  assert.deepEqual(json.values, { likes: 3, stock: 0, tags: ['http', 'word'] });
});

test('several fields change together, or none does', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas: all });
  const answer = await ask(hub, 'PATCH', '/api/documents/all/1', {
    json: { likes: { increment: 2 }, tags: { add: ['a', 'b'] }, votes: { put: { x: { increment: 1 }, y: { increment: 2 } } }, seats: { increment: 5 } },
  });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.json.values, { likes: 2, tags: ['a', 'b'], votes: { x: 1, y: 2 }, seats: 5 });
  const refused = await ask(hub, 'PATCH', '/api/documents/all/1', { json: { likes: { increment: 2 }, seats: { increment: 1 } } });
  assertProblem(refused, 409, 'OUT_OF_BOUNDS');
  assert.equal(refused.json.details.value, 5);
  assert.equal(await get(hub, 'likes'), 2);
  const swapped = await ask(hub, 'PATCH', '/api/documents/all/1', { json: { tags: { clear: true, add: ['c'] } } });
  assert.deepEqual(swapped.json.values.tags, ['c']);
});

test('an edit without a key counts each time', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const all50 = Array.from({ length: 50 }, () => ask(hub, 'POST', '/api/documents/post/1/likes/increment', { json: { by: 2 } }));
  for (const answer of await Promise.all(all50)) assert.equal(answer.status, 200, answer.text);
  assert.equal((await ask(hub, 'GET', '/api/documents/post/1/likes')).json.value, 100);
});

test('what is answered is durable', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  for (let i = 1; i <= 3; i++) {
    const { json } = await ask(hub, 'POST', '/api/documents/post/1/likes/increment');
    assert.equal(json.values.likes, i);
    await hub.kill();
    await hub.start();
  }
  assert.equal((await ask(hub, 'GET', '/api/documents/post/1/likes')).json.value, 3);
});

test('names that no path can hold go by the query', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  for (const key of ['a/b', '..', 'ü&=#?%', '.', ' ']) {
    const query = `name=${encodeURIComponent(`post/${key}`)}`;
    const edit = await ask(hub, 'POST', `/api/document?${query}&field=likes&edit=increment`, { json: { by: 1 } });
    assert.equal(edit.status, 200, edit.text);
    assert.equal(edit.json.document, `post/${key}`);
    await ask(hub, 'PATCH', `/api/document?${query}`, { json: { likes: { increment: 1 } } });
    assert.equal((await ask(hub, 'GET', `/api/document?${query}&field=likes`)).json.value, 2);
  }
  assertProblem(await ask(hub, 'GET', '/api/document'), 400, 'BAD_QUERY');
  for (const twice of ['name=post%2F1&name=post%2F2', 'name=&name=post%2F2', 'name&name=post%2F2', 'n%61me=post%2F1&name=post%2F2', 'name=post%2F2&field=&field=likes']) {
    assertProblem(await ask(hub, 'GET', `/api/document?${twice}`), 400, 'BAD_QUERY');
  }
  assert.equal((await ask(hub, 'GET', '/api/document?n%61me=post%2F2&unknown=1&unknown=2')).status, 200);
  assertProblem(await ask(hub, 'GET', '/api/document?name=post%2F%0a'), 400, 'BAD_NAME');
  assertProblem(await ask(hub, 'GET', `/api/document?name=post%2F${'x'.repeat(300)}`), 400, 'BAD_QUERY');
});

test('documents are listed page by page, of one schema', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter}\n  blog: {likes: g-counter}\n  zoo: {likes: g-counter}' });
  const names = ['blog/1', 'post/1', 'post/2', 'post/3', 'zoo/1'];
  for (const name of names) await ask(hub, 'POST', `/api/documents/${name}/likes/increment`);
  assert.deepEqual((await ask(hub, 'GET', '/api/documents')).json.documents.map((listed) => listed.document), names);
  const listed = [];
  let after = '';
  do {
    const { json } = await ask(hub, 'GET', `/api/documents?schema=post&limit=2&after=${encodeURIComponent(after)}`);
    listed.push(...json.documents.map((entry) => entry.document));
    after = json.next;
  } while (after !== null);
  assert.deepEqual(listed, ['post/1', 'post/2', 'post/3']);
  assertProblem(await ask(hub, 'GET', '/api/documents?limit=0'), 400, 'BAD_QUERY');
  assertProblem(await ask(hub, 'GET', '/api/documents?limit=1001'), 400, 'BAD_QUERY');
  for (const twice of ['limit=1&limit=2', 'schema=&schema=post', 'after&after=post%2F0', 'schema=post&schema=page', 'after=post%2F1&after=post%2F2']) {
    assertProblem(await ask(hub, 'GET', `/api/documents?${twice}`), 400, 'BAD_QUERY');
  }
});

test('what is asked wrongly is refused with a code', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: all });
  const post = (path, json) => ask(hub, 'POST', `/api/documents/all/1/${path}`, { json });
  assertProblem(await ask(hub, 'GET', '/api/documents/nothing/1'), 404, 'UNKNOWN_SCHEMA');
  assertProblem(await ask(hub, 'GET', '/api/documents/all/1/nothing'), 404, 'UNKNOWN_FIELD');
  assertProblem(await ask(hub, 'GET', '/api/nothing'), 404, 'NOT_FOUND');
  assertProblem(await ask(hub, 'GET', '/api/documents/all'), 404, 'NOT_FOUND');
  assertProblem(await ask(hub, 'GET', '/api/documents/all/'), 404, 'NOT_FOUND');
  assertProblem(await ask(hub, 'POST', '/api/documents/all/1/likes/increment/more'), 404, 'NOT_FOUND');
  assertProblem(await post('nothing/increment', {}), 404, 'UNKNOWN_FIELD');
  assertProblem(await post('likes/decrement', { by: 1 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: 0 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: -1 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: 1.5 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: '1' }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: 9007199254740992 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: 1, more: 1 }), 422, 'BAD_EDIT');
  assertProblem(await post('tags/add', { elements: [] }), 422, 'BAD_EDIT');
  assertProblem(await post('tags/add', { elements: [1] }), 422, 'BAD_EDIT');
  assertProblem(await post('tags/add', { elements: ['x'.repeat(5000)] }), 422, 'BAD_EDIT');
  assertProblem(await post('numbers/add', { elements: ['1'] }), 422, 'BAD_EDIT');
  assertProblem(await post('numbers/add', { elements: [2 ** 53] }), 422, 'BAD_EDIT');
  assertProblem(await post('blob/set', { value: { $base64: 'A' } }), 422, 'BAD_EDIT');
  assertProblem(await post('blob/set', { value: { $bytes: '0g' } }), 422, 'BAD_EDIT');
  assertProblem(await post('seats/reserve', { by: 1 }), 422, 'BAD_EDIT');
  assertProblem(await post('done/enable', { by: 1 }), 422, 'BAD_EDIT');
  assertProblem(await post('votes/put', { key: 'k' }), 422, 'BAD_EDIT');
  assertProblem(await post('votes/put', { key: 'k', value: 1 }), 422, 'BAD_EDIT');
  assertProblem(await post('likes/increment', { by: 9007199254740991 }).then(() => post('likes/increment', { by: 1 })), 409, 'OVERFLOW');
  const patch = (json) => ask(hub, 'PATCH', '/api/documents/all/1', { json });
  assertProblem(await patch({ likes: {} }), 422, 'BAD_EDIT');
  assertProblem(await patch({ likes: 5 }), 422, 'BAD_EDIT');
  assertProblem(await patch({ nothing: { increment: 1 } }), 404, 'UNKNOWN_FIELD');
  assertProblem(await patch({ seats: { increment: 1, decrement: 1 } }), 422, 'BAD_EDIT');
  assertProblem(await patch({}), 400, 'BAD_JSON');
  const { json } = await patch({ likes: { decrement: 1 } });
  assert.match(json.detail, /a g-counter knows increment/);
});

test('a body that is not what it says is refused before it is understood', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'limits: {request_bytes: 64 KiB}' });
  const path = '/api/documents/post/1/likes/increment';
  const send = (body, type = 'application/json') => ask(hub, 'POST', path, { body, headers: { 'content-type': type } });
  assertProblem(await send('{"by": 1, "by": 2}'), 400, 'BAD_JSON');
  assertProblem(await send('{"by": 1'), 400, 'BAD_JSON');
  assertProblem(await send('[1]'), 400, 'BAD_JSON');
  assertProblem(await send('1'), 400, 'BAD_JSON');
  assertProblem(await send('{"by": 1} {}'), 400, 'BAD_JSON');
  assertProblem(await send('{"by": 1e999}'), 400, 'BAD_JSON');
  assertProblem(await send('{"by": NaN}'), 400, 'BAD_JSON');
  assertProblem(await send(Buffer.from('{"by": "\xff"}', 'latin1')), 400, 'BAD_JSON');
  assertProblem(await send(`{"by": ${'['.repeat(1000)}${']'.repeat(1000)}}`), 400, 'TOO_DEEP');
  assertProblem(await send('{"by": 1}', 'text/plain'), 415, 'UNSUPPORTED_TYPE');
  assertProblem(await send('by=1', 'application/x-www-form-urlencoded'), 415, 'UNSUPPORTED_TYPE');
  assertProblem(await send('{"by": 1}', 'application/jsonp'), 415, 'UNSUPPORTED_TYPE');
  assert.equal((await send(JSON.stringify({ by: 1, x: 'x'.repeat(70000) }))).status, 413);
  assert.equal((await send('{"by": 1}', 'application/JSON; charset=utf-8')).status, 200);
  assertProblem(await ask(hub, 'PATCH', '/api/documents/post/1', { body: '', headers: { 'content-type': 'application/json' } }), 400, 'BAD_JSON');
  assert.equal((await ask(hub, 'GET', '/api/documents/post/1/likes')).json.value, 1);
});

test('a path that tries to be another one is refused', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const tricks = ['/api/documents/post/../post/1', '/api/documents/post/%2e%2e/1', '/api/documents/post%2f1',
    '/api//documents/post/1', '/api/documents//post/1', '/api/documents/post//likes/increment', '/api/documents/post/1/'];
  for (const path of tricks) {
    const got = await sendRaw(hub, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    assert.match(got, /^HTTP\/1.1 40[045] /, path);
  }
  for (const path of ['/api/documents/post/1%00', '/api/document?name=post%2F1%00']) {
    const got = await sendRaw(hub, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    assert.match(got, /^(HTTP\/1.1 400 |$)/, path); // or the connection ends at once
  }
  const listed = await ask(hub, 'GET', '/api/documents');
  assert.deepEqual(listed.json.documents, []);
});

test('a method that a path does not take is refused with those that it takes', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  for (const [method, path, allow] of [
    ['POST', '/api/documents/post/1', 'GET, HEAD, PATCH'],
    ['PATCH', '/api/documents/post/1/likes', 'GET, HEAD'],
    ['GET', '/api/documents/post/1/likes/increment', 'POST'],
    ['DELETE', '/api/documents/post/1', 'GET, HEAD, PATCH'],
    ['PUT', '/api/openapi.json', 'GET, HEAD'],
  ]) {
    const answer = await ask(hub, method, path);
    assertProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    assert.equal(answer.headers.get('allow'), allow);
  }
});

test('a page of another origin may not use it, unless it is allowed', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { config: 'allowed_origins: ["https://app.example"]' });
  const send = (origin) => ask(hub, 'POST', '/api/documents/post/1/likes/increment', { headers: { origin } });
  for (const origin of ['https://evil.example', 'null']) {
    const { status, type, json } = await send(origin);
    assert.deepEqual([status, type], [403, 'application/problem+json']);
    assert.match(json.detail, /allowed_origins/);
  }
  assert.equal((await send('https://app.example')).status, 200);
  assert.equal((await send(hub.http)).status, 200); // a page of the hub's own
});

test('a page whose name was led to this machine cannot read what only this machine may', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const get = (host) => sendRaw(hub, `GET /api/documents/post/1 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.match(await get(`evil.example:${hub.port}`), /^HTTP\/1.1 403 /);
  assert.match(await get(`localhost:${hub.port}`), /^HTTP\/1.1 200 /);
  assert.match(await get('behind.a.proxy'), /^HTTP\/1.1 200 /);
});

test('a hub with keys answers only who has a good token', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const path = '/api/documents/post/1';
  const refused = await ask(hub, 'GET', path);
  assertProblem(refused, 401, 'TOKEN_REQUIRED');
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
  assertProblem(await ask(hub, 'GET', path, { headers: { authorization: 'Basic YTpi' } }), 401, 'TOKEN_REQUIRED');
  assertProblem(await ask(hub, 'GET', path, { token: 'x.y.z' }), 401, 'TOKEN_INVALID');
  assertProblem(await ask(hub, 'GET', path, { token: issue({ life: -10 }) }), 401, 'TOKEN_EXPIRED');
  assertProblem(await ask(hub, 'GET', '/api/openapi.json'), 401, 'TOKEN_REQUIRED');
  assert.equal((await ask(hub, 'GET', path, { token: issue() })).status, 200);
  assertProblem(await ask(hub, 'GET', '/api/documents', { token: issue() }), 403, 'FORBIDDEN');
  assert.equal((await ask(hub, 'GET', '/api/documents', { token: issue({ admin: true }) })).status, 200);
  assert.doesNotMatch(hub.log, /eyJ/); // no token in the log
});

test('a request is found again by its id', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const named = await ask(hub, 'GET', '/api/documents/nothing/1', { headers: { 'x-request-id': 'order-17' } });
  assert.equal(named.json.request_id, 'order-17');
  const odd = await ask(hub, 'GET', '/api/documents/nothing/1', { headers: { 'x-request-id': 'a"b' } });
  assert.match(odd.json.request_id, /^request-\d+$/);
});

test('a request that is given up leaves nothing behind', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  for (let i = 0; i < 20; i++) {
    const stop = new AbortController();
    const asked = fetch(`${hub.http}/api/documents/post/${i}/likes/increment`, { method: 'POST', signal: stop.signal }).catch(() => {});
    setImmediate(() => stop.abort());
    await asked;
  }
  await until(async () => {
    const health = await (await fetch(`${hub.http}/health`)).json();
    return health.connections === 0 && health.streams === 0;
  }, 'virtual connections end');
});
