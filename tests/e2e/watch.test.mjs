/**
 * Goal:   who watches a document is told what stands, from where it left off, as fast as it reads and no faster, for as
 *         long as its rights last.
 * Method: a real hub; a reader of server-sent events made of `fetch`, and one that does not read; edits beside them.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { health, run, sleep, startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';
import { ask, assertProblem } from './http.mjs';

/** Events as they come, each `{event, id, data}`, and `raw` for all that came; `over` once the hub has ended it. */
async function watch(hub, { path = '/api/documents/post/1/watch', token, lastEventId } = {}) {
  const stop = new AbortController();
  const response = await fetch(`${hub.http}${path}`, {
    signal: stop.signal,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
  });
  const seen = { response, events: [], raw: '', over: false, close: () => stop.abort() };
  if (response.headers.get('content-type') !== 'text/event-stream') return seen;
  const decoder = new TextDecoder();
  (async () => {
    let rest = '';
    for await (const chunk of response.body) {
      seen.raw += decoder.decode(chunk, { stream: true });
      rest += decoder.decode(chunk, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').filter((line) => !line.startsWith(':')).map((line) => line.split(/: (.*)/s).slice(0, 2)));
        if (fields.data !== undefined) seen.events.push({ ...fields, data: JSON.parse(fields.data) });
      }
    }
    seen.over = true;
  })().catch(() => { seen.over = true; });
  return seen;
}

const like = (hub, options = {}) => ask(hub, 'POST', '/api/documents/post/1/likes/increment', { json: { by: 1 }, ...options });
const last = (seen) => seen.events.at(-1);

test('a watcher is told everything at first, then what has changed', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await like(hub);
  const seen = await watch(hub);
  assert.equal(seen.response.status, 200);
  await until(() => seen.events.length === 1, 'the first event');
  assert.deepEqual(seen.events[0].data, { document: 'post/1', position: 1, values: { likes: 1, stock: 0, tags: [] } });
  assert.match(seen.raw, /^retry: \d+\n/);
  await like(hub);
  await until(() => seen.events.length === 2, 'a change');
  assert.deepEqual(last(seen).data, { document: 'post/1', position: 2, values: { likes: 2 } });
  await ask(hub, 'POST', '/api/documents/post/2/likes/increment');
  await ask(hub, 'POST', '/api/documents/post/1/tags/add', { json: { elements: ['line\nfeed'] } });
  await until(() => seen.events.length === 3, 'a change of another field');
  assert.deepEqual(last(seen).data.values, { tags: ['line\nfeed'] });
  seen.close();
  await until(async () => (await health(hub)).connections === 0, 'nothing is left of it');
});

test('who comes back is told what it has missed, also behind a restart', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await like(hub);
  const seen = await watch(hub);
  await until(() => seen.events.length === 1, 'the first event');
  seen.close();
  const { id } = last(seen);
  const same = await watch(hub, { lastEventId: id });
  await ask(hub, 'POST', '/api/documents/post/1/stock/increment', { json: { by: 5 } });
  await until(() => same.events.length === 1, 'only what came later');
  assert.deepEqual(last(same).data.values, { stock: 5 });
  await hub.kill();
  await hub.start();
  const later = await watch(hub, { lastEventId: id });
  await until(() => later.events.length === 1, 'what it missed');
  assert.deepEqual(last(later).data.values, { stock: 5 });
  for (const unknown of ['00000000-1', `${id}99999`, 'x', '-', `${id}-1`]) {
    const all = await watch(hub, { lastEventId: unknown });
    await until(() => all.events.length === 1, `everything for ${unknown}`);
    assert.deepEqual(last(all).data.values, { likes: 1, stock: 5, tags: [] });
    all.close();
  }
  later.close();
});

test('who watches is told what was erased, then or later', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await like(hub);
  await ask(hub, 'POST', '/api/documents/post/1/tags/add', { json: { elements: ['alice', 'bob'] } });
  const seen = await watch(hub);
  await until(() => seen.events.length === 1, 'the first event');
  const { id } = last(seen);
  assert.equal((await run('syncline', ['--hub', hub.url, 'erase', 'post/1', 'tags', 'alice'])).code, 0);
  await until(() => seen.events.length === 2, 'the element');
  assert.deepEqual(last(seen).data.values, { tags: ['bob'] });
  assert.equal((await run('syncline', ['--hub', hub.url, 'erase', 'post/1'])).code, 0);
  const empty = { likes: 0, stock: 0, tags: [] };
  await until(() => seen.events.length === 3, 'the document');
  assert.deepEqual(last(seen).data.values, empty);
  seen.close();
  await hub.kill();
  await hub.start();
  const later = await watch(hub, { lastEventId: id });
  await until(() => later.events.length === 1, 'the document, later');
  assert.deepEqual(last(later).data.values, empty);
  later.close();
});

test('the hub says now and then that it is still there', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'ping: 1s' });
  const seen = await watch(hub);
  await until(() => /^:/m.test(seen.raw), 'a comment');
  await sleep(3000); // longer than a silent client would live
  await like(hub);
  await until(() => last(seen).data.values.likes === 1, 'the stream goes on');
  seen.close();
});

test('who does not read is told what stands in the end, not what was in between', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter, text: lww-register}' });
  const socket = connect(hub.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write('GET /api/documents/post/1/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await until(async () => (await health(hub)).streams === 1, 'the watch stands');
  socket.pause();
  let sent = 0;
  for (let i = 0; i < 400; i++) {
    const value = `${i} ${'x'.repeat(60000)}`;
    sent += value.length;
    const { status, text } = await ask(hub, 'POST', '/api/documents/post/1/text/set', { json: { value } });
    assert.equal(status, 200, text);
  }
  const { buffer_bytes: kept } = await health(hub);
  assert.ok(kept < 4 << 20, `${kept} bytes wait`);
  let got = '';
  socket.setEncoding('utf8');
  socket.on('data', (data) => { got += data; });
  socket.resume();
  await until(() => got.includes('"399 xxx'), 'the last value');
  assert.ok(got.length < sent / 2, `${got.length} of ${sent} bytes`);
});

test('a watch ends with its token, and says why', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const refused = await watch(hub);
  assert.equal(refused.response.status, 401);
  const seen = await watch(hub, { token: issue({ life: 3 }) });
  await until(() => seen.events.length === 1, 'the first event');
  await until(() => seen.over, 'the end');
  assert.equal(last(seen).event, 'end');
  assert.equal(last(seen).data.code, 'TOKEN_EXPIRED');
  assert.equal(last(seen).data.status, 401);
});

test('a hub that stops ends its watches and says so', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const seen = await watch(hub);
  await until(() => seen.events.length === 1, 'the first event');
  assert.equal(await hub.stop(), 0);
  await until(() => seen.over, 'the end');
  assert.equal(last(seen).event, 'end');
  assert.equal(last(seen).data.status, 503);
});

test('so many watch at once, and of one principal fewer', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { config: 'api: {watches: 3, watches_per_principal: 2}' });
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  const open = [await watch(hub, { token: ann }), await watch(hub, { token: ann })];
  assert.deepEqual(open.map((seen) => seen.response.status), [200, 200]);
  assertProblem(await ask(hub, 'GET', '/api/documents/post/1/watch', { token: ann }), 429, 'TOO_MANY_WATCHES');
  open.push(await watch(hub, { token: bob }));
  assert.equal(open[2].response.status, 200);
  assertProblem(await ask(hub, 'GET', '/api/documents/post/1/watch', { token: issue({ sub: 'eve' }) }), 429, 'TOO_MANY_WATCHES');
  for (const seen of open) seen.close();
  await until(async () => (await watch(hub, { token: bob })).response.status === 200, 'there is room again');
});

test('many watch one document, and all are told the same', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const crowd = await Promise.all(Array.from({ length: 40 }, () => watch(hub)));
  await Promise.all(Array.from({ length: 50 }, () => like(hub)));
  for (const seen of crowd) await until(() => last(seen)?.data.values.likes === 50, 'all likes');
  for (const seen of crowd) seen.close();
});
