/**
 * Goal:   whatever the app answers when it is asked for a token, and whatever the hub says of it, the client goes on.
 * Method: a socket that the test answers itself, and time that the test turns; nothing real is waited for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { start, turn } from './played.mjs';

/** A client whose `token` answers what the test says, one after the other. */
function startWith(t, ...answers) {
  const asked = [];
  const played = start(t, { token: () => {
    const answer = answers[asked.length];
    asked.push(answer);
    return typeof answer === 'function' ? answer() : answer;
  } });
  const errors = [];
  played.client.on('error', (error) => errors.push(error));
  return { ...played, asked, errors };
}

const throwing = (text) => () => { throw new Error(text); };
const expiring = { type: 'EVENT', id: -1, name: 'token', data: { expires_ms: 1 } };
const refused = (code) => ({ type: 'ERROR', id: 0, code, text: 'a sentence', details: {} });

test('a token that the hub refuses is asked for again, ever more rarely, for ever', async (t) => {
  const { client, sockets, last, wait, errors, asked } = startWith(t, ...Array.from({ length: 40 }, (_, i) => `token ${i}`));
  await turn();
  for (let i = 0; i < 30; i++) {
    last().onopen();
    assert.deepEqual(last().take('HELLO').map(({ token }) => token), [`token ${i}`]);
    last().hub(refused(i % 2 === 0 ? 'TOKEN_EXPIRED' : 'TOKEN_INVALID'));
    assert.equal(last().readyState, 3);
    assert.equal(client.status, 'connecting');
    const bound = Math.min(15000, 250 * 2 ** i);
    await wait(bound - 2);
    assert.equal(sockets.length, i + 1);
    await wait(1);
    assert.equal(sockets.length, i + 2);
  }
  assert.equal(asked.length, 31);
  assert.deepEqual(errors.slice(0, 2), [
    { code: 'TOKEN_EXPIRED', text: 'a sentence' }, { code: 'TOKEN_INVALID', text: 'a sentence' }]);
  await last().welcome();
  assert.equal(client.status, 'online');
});

test('a close code says the same as an ERROR that did not come through', async (t) => {
  const { client, sockets, last, wait, errors } = startWith(t, 'old', 'fresh');
  await turn();
  await last().welcome();
  last().onclose({ code: 4401, reason: 'TOKEN_EXPIRED' });
  assert.deepEqual(errors.map(({ code }) => code), ['TOKEN_EXPIRED']);
  await wait(249);
  assert.equal(sockets.length, 2);
  await last().welcome();
  assert.deepEqual(last().take('HELLO').map(({ token }) => token), ['fresh']);
  assert.equal(client.status, 'online');
});

test('an app that fails to answer is asked again, and told', async (t) => {
  const { sockets, last, wait, errors } = startWith(
    t, throwing('no network'), () => Promise.reject(new Error('no session')), () => 42, 'good');
  await turn();
  for (const [ms, text] of [[249, 'no network'], [499, 'no session'], [999, 'the function token has answered with no text']]) {
    assert.deepEqual(errors.splice(0), [{ code: 'TOKEN', text }]);
    assert.equal(sockets.length, 0);
    await wait(ms);
  }
  assert.equal(sockets.length, 1);
  last().onopen();
  assert.deepEqual(last().take('HELLO').map(({ token }) => token), ['good']);
  assert.deepEqual(errors, []);
});

test('an app that never answers is asked again after half a minute', async (t) => {
  const { sockets, wait, errors, asked } = startWith(t, () => new Promise(() => {}), 'good');
  await turn();
  await wait(29999);
  assert.equal(asked.length, 1);
  await wait(1);
  assert.deepEqual(errors.map(({ code }) => code), ['TOKEN']);
  await wait(249);
  assert.equal(asked.length, 2);
  assert.equal(sockets.length, 1);
});

test('a token about to expire is followed by a fresh one on the same connection', async (t) => {
  const { client, sockets, last, wait, errors } = startWith(t, 'first', 'second', 'third');
  const doc = client.open('post/1');
  await turn();
  await last().welcome();
  const stream = await last().answerOpen();
  for (const token of ['second', 'third']) {
    last().hub(expiring);
    await turn();
    const [auth, ...more] = last().take('AUTH');
    assert.deepEqual(more, []);
    assert.equal(auth.token, token);
    assert.ok(auth.id > stream);
    last().hub({ type: 'RESULT', id: auth.id, value: { expires_ms: 2 } });
    await wait(1000);
  }
  assert.deepEqual(last().take('AUTH'), []);
  assert.equal(sockets.length, 1);
  assert.equal(doc.status, 'synced');
  assert.deepEqual(errors, []);
});

test('a fresh token that fails, at the app or at the hub, is tried again while the connection lives', async (t) => {
  const { sockets, last, wait, errors } = startWith(t, 'first', throwing('no network'), 'bad', 'good');
  await turn();
  await last().welcome();
  last().hub(expiring);
  await turn();
  assert.deepEqual(errors.splice(0), [{ code: 'TOKEN', text: 'no network' }]);
  await wait(999);
  const [bad] = last().take('AUTH');
  last().hub({ ...refused('TOKEN_INVALID'), id: bad.id });
  await turn();
  assert.deepEqual(errors.splice(0), [{ code: 'TOKEN_INVALID', text: 'a sentence' }]);
  await wait(1998);
  assert.deepEqual(last().take('AUTH'), []);
  await wait(1);
  const [good] = last().take('AUTH');
  assert.equal(good.token, 'good');
  last().hub({ type: 'RESULT', id: good.id, value: {} });
  await wait(20000);
  assert.deepEqual(last().take('AUTH'), []);
  assert.equal(sockets.length, 1);
});

test('a fresh token that comes when its connection is gone is not sent on the next', async (t) => {
  const late = [];
  const { client, last, wait, errors, asked } = startWith(
    t, 'first', () => new Promise((yes) => late.push(yes)), 'second', throwing('never asked'));
  await turn();
  await last().welcome();
  last().hub(expiring);
  await turn();
  last().onclose({});
  await wait(249);
  await last().welcome();
  late[0]('late');
  await wait(20000);
  assert.deepEqual(last().take('AUTH'), []);
  assert.equal(asked.length, 3);
  assert.deepEqual(errors, []);
  last().hub(expiring);
  client.close();
  await wait(60000);
  assert.deepEqual(errors, []);
});

test('a token that is a text is not sent again', async (t) => {
  const { last, wait, client } = start(t, { token: 'always' });
  await turn();
  await last().welcome();
  assert.deepEqual(last().take('HELLO').map(({ token }) => token), ['always']);
  last().hub(expiring);
  await wait(60000);
  assert.deepEqual(last().take('AUTH'), []);
  assert.equal(client.status, 'online');
});

test('a client without a token says none', async (t) => {
  const { last } = startWith(t, undefined);
  await turn();
  last().onopen();
  assert.equal('token' in last().take('HELLO')[0], false);
});
