/**
 * Goal:   /metrics counts what happens to HTTP requests, TLS handshakes and webhooks, and each bound of theirs that is met.
 * Method: a real hub, `fetch`, raw TLS sockets and a receiver of webhooks; sums that the test made itself.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeAuthority } from './certificates.mjs';
import { scrape, told, value } from './metrics.mjs';
import { startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';
import { receiver, startHubWithWebhooks, syncline } from './webhooks.mjs';

const answers = (samples, code) => samples.get(`syncline_http_requests_total{code="${code}"}`) ?? 0;
const hits = (samples, limit) => value(samples, `syncline_limit_hits_total{limit="${limit}"}`);

const increment = (hub, headers) => fetch(`${hub.http}/api/documents/post/1/likes/increment`,
  { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"by": 1}' });

test('requests are counted by their answers, and how long they took', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, told());
  const before = (await scrape(hub)).samples;
  for (let i = 0; i < 3; i++) assert.equal((await increment(hub)).status, 200);
  assert.equal((await fetch(`${hub.http}/api/documents/nothing/1`)).status, 404);
  assert.equal((await fetch(`${hub.http}/`)).status, 200, 'a page');
  const { samples } = await scrape(hub);
  assert.equal(answers(samples, 200) - answers(before, 200), 3 + 1 + 1, 'the scrape before among them');
  assert.equal(answers(samples, 404), 1);
  const taken = value(samples, 'syncline_http_request_duration_seconds_count') - value(before, 'syncline_http_request_duration_seconds_count');
  assert.equal(taken, 3 + 1 + 1 + 1);
  assert.ok(value(samples, 'syncline_http_request_duration_seconds_sum') > 0);
});

test('bounds of HTTP that are met', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, told('limits: {request_bytes: 1 KiB}\napi: {watches_per_principal: 1, keys_per_principal: 1}'));
  const authorization = `Bearer ${issue()}`;
  assert.equal((await increment(hub, { authorization, 'idempotency-key': 'one' })).status, 200);
  assert.equal((await increment(hub, { authorization, 'idempotency-key': 'two' })).status, 429);
  const long = await fetch(`${hub.http}/api/documents/post/1`, { method: 'PATCH', headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ likes: ' '.repeat(2000) }) });
  assert.equal(long.status, 413);
  const controller = new AbortController();
  t.after(() => controller.abort());
  const watch = () => fetch(`${hub.http}/api/documents/post/1/watch`, { headers: { authorization }, signal: controller.signal });
  assert.equal((await watch()).status, 200);
  assert.equal((await watch()).status, 429);
  const { samples } = await scrape(hub);
  assert.deepEqual(['keys_per_principal', 'request_bytes', 'watches', 'requests'].map((limit) => hits(samples, limit)), [1, 1, 1, 0]);
  assert.equal(value(samples, 'syncline_http_watches'), 1);
  controller.abort();
  await until(async () => value((await scrape(hub)).samples, 'syncline_http_watches') === 0, 'the watch to end');
});

test('requests beyond those that may wait', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, told('limits: {requests: 1}'));
  const controller = new AbortController();
  t.after(() => controller.abort());
  const watch = () => fetch(`${hub.http}/api/documents/post/1/watch`, { signal: controller.signal });
  assert.equal((await watch()).status, 200);
  assert.equal((await watch()).status, 503);
  assert.equal(hits((await scrape(hub)).samples, 'requests'), 1);
});

test('TLS handshakes by their end, and when the certificate expires', { timeout: 60000 }, async (t) => {
  const authority = makeAuthority(t);
  const files = authority.issue();
  const hub = await startHub(t, { ...told(`tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}`) });
  const { port } = hub;
  const counts = async () => {
    const { samples } = await scrape(hub);
    return ['done', 'failed'].map((result) => value(samples, `syncline_tls_handshakes_total{result="${result}"}`));
  };
  const expiry = value((await scrape(hub)).samples, 'syncline_tls_certificate_expiry_timestamp_seconds');
  assert.equal(expiry, Date.parse(new X509Certificate(readFileSync(files.certificate)).validTo) / 1000);
  assert.deepEqual(await counts(), [0, 0]);
  for (const [i, version] of ['TLSv1.2', 'TLSv1.3'].entries()) {
    const socket = connectTls({ port, host: '127.0.0.1', minVersion: version, maxVersion: version, ...authority.trust });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    await until(async () => (await counts())[0] === i + 1, `the hub to be done with ${version}`);
  }
  assert.deepEqual(await counts(), [2, 0]);
  const distrust = connectTls({ port, host: '127.0.0.1', servername: 'localhost' });
  await once(distrust, 'error');
  await until(async () => (await counts())[1] === 1, 'a client that does not trust it');
  const plain = connectTcp(port, '127.0.0.1');
  plain.on('error', () => {}); // the hub may reset it
  plain.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await until(async () => (await counts())[1] === 2, 'a client without TLS');
  const leaves = connectTcp(port, '127.0.0.1');
  await once(leaves, 'connect');
  leaves.end(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])); // the first bytes of a ClientHello
  await until(async () => (await counts())[1] === 3, 'a client that leaves in the middle');
  assert.equal((await counts())[0], 2);
});

test('webhooks by their names', { timeout: 60000 }, async (t) => {
  const good = await receiver(t);
  const bad = await receiver(t, { answer: (request, response) => { response.statusCode = 410; response.end(); } });
  const down = await receiver(t, { answer: (request, response) => { response.statusCode = 500; response.end(); } });
  const targets = [['good', good], ['bad', bad], ['down', down]].map(([name, { url }]) => ({ name, url, failures: 2, retry_min: '1s', retry_max: '1s' }));
  const hub = await startHubWithWebhooks(t, targets, told());
  const of = async (target) => {
    const { samples } = await scrape(hub);
    return (name) => value(samples, `syncline_webhook_${name}{target="${target}"}`);
  };
  assert.equal((await increment(hub)).status, 200);
  await until(async () => (await of('good'))('deliveries_total') === 1, 'the delivery');
  await until(async () => (await of('bad'))('dead_letters') === 1, 'the dead letter');
  await until(async () => (await of('down'))('breaker_open') === 1, 'the breaker to open');
  const [goods, bads, downs] = await Promise.all([of('good'), of('bad'), of('down')]);
  const named = (metric) => ['failures_total', 'dead_total', 'dead_letters', 'owed_documents', 'behind', 'breaker_open', 'paused', 'position'].map(metric);
  assert.deepEqual(named(goods), [0, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual(named(bads).slice(0, 4), [1, 1, 1, 0]);
  assert.ok(downs('failures_total') >= 2 && downs('owed_documents') === 1 && downs('deliveries_total') === 0);
  await syncline({ url: `${hub.internal.replace('http', 'ws')}/` }, 'webhooks', 'pause', 'good');
  assert.equal((await of('good'))('paused'), 1);
});
