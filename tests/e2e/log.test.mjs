/**
 * Goal:   the log says what happened to whom, in lines that people and programs can read, and nothing that is secret.
 * Method: a real hub that logs everything, clients that do all that is worth a line, and what stands on stderr.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from 'syncline';
import { mintReplica } from 'syncline/internal/uuid';
import { encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { dial } from './packets.mjs';
import { run, startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';
import { newSecret, receiver, webhooks } from './webhooks.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

const linesOf = (hub) => hub.log.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));

function member(t, hub, options) {
  const client = connect(hub.url, { schema, ...options });
  t.after(() => client.close());
  return client;
}

/** What the hub answers to these packets, each sent when the one before was answered. */
async function talk(hub, count, ...packets) {
  const { socket, packets: got } = await dial(hub);
  for (const packet of packets) {
    const before = got.length;
    socket.send(encodePacket(packet));
    await until(() => got.length > before, 'an answer');
  }
  await until(() => got.length >= count, 'answers');
  socket.close();
  return got;
}

const replica = mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes));

/** Has an update refused: the field is not there. */
async function refused(hub, hello) {
  const got = await talk(hub, 3, { type: 'HELLO', id: 0, version: 1, ...hello },
    { type: 'OPEN', id: 1, name: 'post/the-document', replicas: [replica] },
    { type: 'DELTA', id: 1, replica: null, first: 1, last: 1, context: { position: 0, seen: [] }, changes: new Map([[9, 1]]) });
  const { code, details } = got.find(({ type }) => type === 'REJECT');
  assert.deepEqual([code, details.correlation], ['UNKNOWN_FIELD', hello.correlation]);
}

test('JSON lines tell who came, what was refused, and how it ended; no secrets', { timeout: 60000 }, async (t) => {
  const { hub, issue, keys } = await startHubWithKeys(t, {
    config: 'log: {format: json, level: debug}\nlimits: {updates: 50/s}',
  });
  const token = issue({ sub: 'ann "the\nfirst"' });
  const expired = issue({ life: -3600 });
  const client = member(t, hub, { token, correlation: 'order-4711' });
  const doc = client.open('post/the-document');
  await doc.synced;
  doc.field('tags').add('a-value-of-a-document');
  await refused(hub, { token, correlation: 'refused-1' });
  for (let i = 0; i < 100; i++) {
    doc.field('likes').increment(1);
    if (i % 10 === 0) await until(() => client.pending === 0, 'an acknowledgement');
  }
  await until(() => linesOf(hub).some(({ event }) => event === 'rejected'), 'the refusal');
  client.close();
  const late = member(t, hub, { token: expired, correlation: 'late' });
  late.open('post/1');
  await until(() => linesOf(hub).some(({ event }) => event === 'close'), 'the end of the late one');
  late.close();
  await hub.stop();

  const lines = linesOf(hub);
  for (const { time, level, event } of lines) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(level, /^(debug|info|warning|error)$/);
    assert.match(event, /^[a-z-]+$/);
  }
  const find = (event, correlation) => lines.find((line) => line.event === event && line.correlation === correlation)
    ?? assert.fail(`no ${event} of ${correlation} in ${hub.log}`);
  const { connection, principal, agent } = find('open', 'order-4711');
  assert.deepEqual([principal, agent], ['ann "the\nfirst"', 'syncline-js/0.1']);
  const rejected = find('rejected', 'refused-1');
  assert.deepEqual([rejected.level, rejected.connection, rejected.document, rejected.code, rejected.principal],
    ['debug', find('open', 'refused-1').connection, 'post/the-document', 'UNKNOWN_FIELD', principal]);
  const gone = find('gone', 'order-4711');
  assert.equal(gone.connection, connection);
  assert.ok(gone.updates > 1 && gone.received_bytes > 0 && gone.sent_bytes > 0);
  assert.match(find('token-refused', 'late').reason, /expired/);
  assert.deepEqual([find('close', 'late').code, find('close', 'late').reason], [4401, 'TOKEN_EXPIRED']);
  for (const secret of [token, expired, keys.HS256, token.split('.')[2], 'a-value-of-a-document']) {
    assert.ok(!hub.log.includes(secret), 'no secrets, and nothing of a document');
  }
});

test('nothing secret by HTTP, in URLs, headers, the configuration and webhooks', { timeout: 60000 }, async (t) => {
  const secret = newSecret();
  const down = await receiver(t, { answer: (request, response) => { response.statusCode = 500; response.end('the-answer-of-a-target'); } });
  const { hub, issue, keys } = await startHubWithKeys(t, {
    config: `log: {format: json, level: debug}\ninternal: "127.0.0.1:0"\n${webhooks(t, [{ url: `${down.url}?key=secret-of-the-url`, secret }])}`,
  });
  const token = issue({ sub: 'ann' });
  const ask = (path, init = {}) => fetch(`${hub.http}${path}`, init);
  const authorization = `Bearer ${token}`;
  const edit = { method: 'POST', headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'a-key-of-a-request', 'x-request-id': 'order-1' },
    body: '{"elements": ["a-value-of-a-document"]}' };
  assert.equal((await ask('/api/documents/post/1/tags/add', edit)).status, 200);
  assert.equal((await ask(`/api/documents/post/1?token=${token}`)).status, 401);
  assert.equal((await ask('/api/documents/post/1', { headers: { authorization: 'Bearer not-a-token-but-secret' } })).status, 401);
  assert.equal((await ask('/metrics', { headers: { authorization } })).status, 403);
  const socket = new WebSocket(`${hub.url}?token=${token}`, 'syncline.v1', { headers: { authorization } });
  await once(socket, 'open');
  socket.close();
  await until(() => linesOf(hub).some(({ event }) => event === 'webhook-failed'), 'the target to fail');
  hub.process.kill('SIGHUP');
  await until(() => linesOf(hub).some(({ event }) => event === 'reloaded'), 'the reload');
  writeFileSync(hub.file, readFileSync(hub.file, 'utf8').replace('tokens:', 'tokenz:'));
  hub.process.kill('SIGHUP');
  await until(() => linesOf(hub).some(({ event }) => event === 'reload-refused'), 'the mistake');
  await hub.stop();
  const opened = linesOf(hub).find(({ event, correlation }) => event === 'open' && correlation === 'order-1');
  assert.equal(opened.principal, 'ann', 'a request is told by its own id');
  for (const hidden of [token, token.split('.')[2], keys.HS256, secret, secret.slice(6), 'not-a-token-but-secret', 'secret-of-the-url',
    'a-key-of-a-request', 'a-value-of-a-document', 'the-answer-of-a-target']) {
    assert.ok(!hub.log.includes(hidden), `${hidden} in the log`);
  }
});

test('a text line is one line, whatever a client is called', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const sub = 'eve\n2026-01-01T00:00:00.000Z info open connection=1 principal="admin"';
  const client = member(t, hub, { token: issue({ sub }) });
  await client.open('post/1').synced;
  client.close();
  await until(() => / gone connection=/.test(hub.log), 'its end');
  const opened = hub.log.split('\n').filter((line) => /^\S+ info open connection=/.test(line));
  assert.equal(opened.length, 1, hub.log);
  assert.match(opened[0], /^\S+Z info open connection=\d+ principal="eve\\u000a2026-01-01T00:00:00\.000Z info open connection=1 principal=\\"admin\\"" agent="syncline-js\/0\.1" correlation="[0-9a-f]{8}-\d+"$/);
});

test('SIGUSR1 lets it tell everything, SIGUSR2 what it told before', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'log: {level: warning}' });
  const visit = async () => {
    const client = member(t, hub, {});
    await client.open('post/1').synced;
    client.close();
  };
  await visit();
  assert.equal(hub.log, '', 'nothing to warn of');
  hub.process.kill('SIGUSR1');
  await until(() => hub.log.includes('log-level to=debug'), 'the level');
  await visit();
  await until(() => / open connection=/.test(hub.log) && / gone connection=/.test(hub.log), 'the visit');
  hub.process.kill('SIGUSR2');
  await visit();
  const told = () => [...hub.log.matchAll(/ open connection=/g)].length;
  const { stderr, code } = await run('syncline', ['--hub', hub.url, 'get', 'nothing/1']);
  assert.notEqual(code, 0, stderr);
  assert.equal(told(), 1, hub.log);
});

test('a correlation id comes back in WELCOME and errors; the hub makes one if there is none', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'log: {format: json, level: debug}' });
  const open = { type: 'OPEN', id: 1, name: 'nothing/1', replicas: [replica] };
  const [welcome, error] = await talk(hub, 2, { type: 'HELLO', id: 0, version: 1, correlation: 'request-1' }, open);
  assert.equal(welcome.correlation, 'request-1');
  assert.deepEqual([error.code, error.details], ['UNKNOWN_SCHEMA', { correlation: 'request-1' }]);
  const [made] = await talk(hub, 1, { type: 'HELLO', id: 0, version: 1, correlation: 'no good id' });
  assert.match(made.correlation, /^[0-9a-f]{8}-\d+$/);
  await until(() => linesOf(hub).filter(({ event }) => event === 'open').length === 2, 'the lines');
  assert.deepEqual(linesOf(hub).filter(({ event }) => event === 'open').map(({ correlation }) => correlation), ['request-1', made.correlation]);
  const failed = linesOf(hub).find(({ event }) => event === 'error-sent');
  assert.deepEqual([failed.code, failed.correlation], ['UNKNOWN_SCHEMA', 'request-1']);
  const { code } = await run('syncline', ['--hub', hub.url, '--correlation', 'by-hand', 'get', 'post/1']);
  assert.equal(code, 0);
  await until(() => linesOf(hub).some(({ event, correlation }) => event === 'open' && correlation === 'by-hand'), 'the command line');
});
