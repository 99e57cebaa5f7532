/**
 * Goal:   a page that slept, was put away, or has a network again finds its hub soon, and never sooner than the hub asked.
 * Method: as client.test.mjs, with the events of a page.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { start, turn } from './played.mjs';

/** A page that has events, as a browser's. */
function page(t) {
  const kept = ['document', 'addEventListener', 'removeEventListener'].map((name) => [name, globalThis[name]]);
  const [view, doc] = [new EventTarget(), new EventTarget()];
  doc.visibilityState = 'visible';
  globalThis.document = doc;
  for (const name of ['addEventListener', 'removeEventListener']) globalThis[name] = view[name].bind(view);
  t.after(() => { for (const [name, value] of kept) globalThis[name] = value; });
  return {
    async tell(name, values = {}) {
      const event = Object.assign(new Event(name), values);
      (name === 'visibilitychange' || name === 'resume' ? doc : view).dispatchEvent(event);
      await turn();
    },
    look: (state) => { doc.visibilityState = state; },
  };
}

async function online(t, options) {
  const events = page(t);
  const all = start(t, options);
  await turn();
  await all.last().welcome();
  return { ...all, ...events };
}

test('after a sleep the hub is asked whether it is there, and met again at once if it is not', async (t) => {
  const { client, clock, sockets, wait, last } = await online(t);
  clock.sleep(3600000);
  await wait(1000);
  assert.equal(last().take('PING').length, 1);
  await wait(4000);
  assert.equal(client.status, 'online', 'an answer may be on its way');
  await wait(1250);
  assert.equal(sockets.length, 2);
  assert.equal(client.status, 'connecting');
});

test('a hub that answers after a sleep is kept', async (t) => {
  const { clock, sockets, wait, last } = await online(t);
  clock.sleep(3600000);
  await wait(1000);
  const [{ token }] = last().take('PING');
  last().hub({ type: 'PONG', id: 0, token });
  await wait(20000);
  assert.equal(sockets.length, 1);
});

test('a hub that misses two of its pings is left', async (t) => {
  const { client, sockets, wait, last } = await online(t);
  await wait(59000);
  last().hub({ type: 'PING', id: 0, token: 7 });
  assert.deepEqual(last().take('PONG'), [{ type: 'PONG', id: 0, token: 7 }]);
  await wait(59000);
  assert.equal(client.status, 'online');
  await wait(3000);
  assert.equal(client.status, 'connecting');
  assert.equal(sockets.length, 2);
});

test('a client that only speaks asks before it takes the silence for an end', async (t) => {
  const { client, sockets, wait, last } = await online(t);
  for (let i = 0; i < 3; i++) {
    await wait(58000);
    const [{ token }] = last().take('PING');
    last().hub({ type: 'PONG', id: 0, token });
  }
  assert.equal(client.status, 'online');
  assert.equal(sockets.length, 1);
});

test('a page that wakes up rarely sees at the second time that nobody answers', async (t) => {
  const { clock, sockets, wait, last } = await online(t);
  const wake = async () => {
    clock.sleep(60000);
    await wait(1000);
    return last().take('PING');
  };
  const [{ token }] = await wake();
  last().hub({ type: 'PONG', id: 0, token });
  assert.equal((await wake()).length, 1);
  assert.equal(sockets.length, 1);
  await wake();
  await wait(250);
  assert.equal(sockets.length, 2);
});

test('a clock that is set back hides no silence', async (t) => {
  const { clock, sockets, wait } = await online(t);
  clock.sleep(-3600000);
  await wait(1000);
  await wait(4000 + 1250);
  assert.equal(sockets.length, 2);
});

test('a hub that never welcomes is left after ten seconds', async (t) => {
  const { client, sockets, wait } = start(t);
  await turn();
  await wait(10000);
  assert.equal(sockets.length, 1);
  await wait(2000);
  assert.equal(sockets.length, 2);
  assert.equal(client.status, 'connecting');
});

test('a page that is seen again asks the hub, and does not wait to come back', async (t) => {
  const { sockets, last, wait, tell, look } = await online(t);
  look('hidden');
  await tell('visibilitychange');
  assert.deepEqual(last().take('PING'), []);
  look('visible');
  await tell('visibilitychange');
  assert.equal(last().take('PING').length, 1);
  await tell('visibilitychange');
  assert.deepEqual(last().take('PING'), [], 'it is asked already');
  await wait(5000 + 249);
  assert.equal(sockets.length, 2);
  last().onclose({});
  await tell('visibilitychange');
  assert.equal(sockets.length, 3);
  await tell('visibilitychange');
  assert.equal(sockets.length, 3, 'one that connects is let be');
});

test('with the network the client comes back at once, but not before the hub wants it', async (t) => {
  const { sockets, last, wait, tell } = await online(t);
  last().onclose({});
  await tell('online');
  assert.equal(sockets.length, 2);
  await tell('online');
  assert.equal(sockets.length, 3, 'what was begun without a network is begun again');
  await last().welcome();
  last().hub({ type: 'EVENT', id: -1, name: 'goaway', data: { min_ms: 2000, max_ms: 2000 } });
  await tell('online');
  await tell('visibilitychange');
  await wait(1999);
  assert.equal(sockets.length, 3);
  await wait(1);
  assert.equal(sockets.length, 4);
});

test('a page that is put away lets go of its connection, and has it again when it is back', async (t) => {
  const { client, sockets, last, wait, tell } = await online(t);
  await tell('pagehide', { persisted: true });
  assert.equal(last().readyState, 3);
  await wait(600000);
  assert.equal(sockets.length, 1);
  await tell('pageshow', { persisted: true });
  assert.equal(sockets.length, 2);
  await last().welcome();
  assert.equal(client.status, 'online');
});

test('a page that is left for good keeps its connection to the end', async (t) => {
  const { sockets, last, tell } = await online(t);
  await tell('pagehide', { persisted: false });
  assert.equal(last().readyState, 1);
  assert.equal(sockets.length, 1);
});

test('a closed client hears of no page', async (t) => {
  const { client, sockets, tell } = await online(t);
  client.close();
  await tell('online');
  await tell('pageshow', { persisted: true });
  assert.equal(sockets.length, 1);
});

test('a call has the hub’s answer, or fails with its code', async (t) => {
  const { client, last } = await online(t);
  const asked = client.call('schema');
  const [{ id, method }] = last().take('CALL');
  assert.equal(method, 'schema');
  last().hub({ type: 'RESULT', id, value: { post: [] } });
  assert.deepEqual(await asked, { post: [] });
  const refused = client.call('nonsense');
  last().hub({ type: 'ERROR', id: last().take('CALL')[0].id, code: 'UNKNOWN_METHOD', text: 'no', details: {} });
  await assert.rejects(refused, { code: 'UNKNOWN_METHOD', message: 'no' });
  const cut = client.call('schema');
  last().onclose({});
  await assert.rejects(cut, { code: 'OFFLINE' });
  await assert.rejects(client.call('schema'), { code: 'OFFLINE' });
});
