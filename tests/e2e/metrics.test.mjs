/**
 * Goal:   /metrics is what Prometheus reads, counts what happened, and docs/metrics.md tells of every name in it.
 * Method: a real hub, the package and hand-made packets; sums that the test made itself; Prometheus' `promtool`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { connect } from 'syncline';
import { mintReplica } from 'syncline/internal/uuid';
import { encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { metricNames, scrape, told, value } from './metrics.mjs';
import { hello, frame, hubFor, Peer } from './socket.mjs';
import { program, startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

function member(t, hub, options = {}) {
  const client = connect(hub.url, { schema, ...options });
  t.after(() => client.close());
  return client;
}

test('what happened is counted', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, told());
  const [writer, reader] = [member(t, hub), member(t, hub)];
  const [ours, theirs] = [writer.open('post/1'), reader.open('post/1')];
  await Promise.all([ours.synced, theirs.synced]);
  for (let i = 1; i <= 20; i++) {
    ours.likes.increment(1);
    await until(() => theirs.likes.value === i, `like ${i}`);
  }
  await until(() => writer.pending === 0, 'the last acknowledgement');
  const { samples, type } = await scrape(hub);
  assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(value(samples, 'syncline_connections'), 2);
  assert.equal(value(samples, 'syncline_connections_total'), 2);
  assert.equal(value(samples, 'syncline_streams'), 2);
  assert.equal(value(samples, 'syncline_documents'), 1);
  assert.equal(value(samples, 'syncline_streams_opened_total'), 2);
  assert.equal(value(samples, 'syncline_snapshots_sent_total'), 2);
  assert.equal(value(samples, 'syncline_edits_total'), 20);
  assert.equal(value(samples, 'syncline_updates_total{kind="delta",result="accepted"}'), 20);
  assert.equal(value(samples, 'syncline_journal_batches_total'), 20);
  assert.equal(value(samples, 'syncline_journal_position'), 20);
  assert.equal(value(samples, 'syncline_batch_updates_count'), 20);
  assert.equal(value(samples, 'syncline_batch_updates_sum'), 20);
  assert.equal(value(samples, 'syncline_commit_duration_seconds_count'), 20);
  assert.equal(value(samples, 'syncline_end_to_end_duration_seconds_count'), value(samples, 'syncline_updates_sent_total'));
  assert.ok(value(samples, 'syncline_end_to_end_duration_seconds_sum') >= value(samples, 'syncline_publish_duration_seconds_sum'));
  assert.ok(value(samples, 'syncline_commit_duration_seconds_sum') > 0);
  assert.ok(value(samples, 'syncline_received_bytes_total') > 0 && value(samples, 'syncline_sent_bytes_total') > 0);
  assert.ok(value(samples, 'syncline_database_bytes') > 0 && value(samples, 'syncline_disk_free_bytes') > 0);
  assert.ok(value(samples, 'process_resident_memory_bytes') > 1 << 20);
  assert.ok(Math.abs(value(samples, 'process_start_time_seconds') - Date.now() / 1000) < 120, 'since a moment ago');
  assert.ok(value(samples, 'process_open_fds') >= 8);
});

test('buckets of a histogram add up', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, told());
  const client = member(t, hub);
  const doc = client.open('post/1');
  await doc.synced;
  for (let i = 0; i < 5; i++) {
    doc.likes.increment(1);
    await until(() => client.pending === 0, 'an acknowledgement');
  }
  const { samples } = await scrape(hub);
  for (const name of ['batch_updates', 'commit_duration_seconds', 'publish_duration_seconds', 'end_to_end_duration_seconds']) {
    const buckets = [...samples].filter(([key]) => key.startsWith(`syncline_${name}_bucket`));
    let before = 0;
    for (const [key, count] of buckets) {
      assert.ok(count >= before, `${key} does not fall`);
      before = count;
    }
    assert.match(buckets.at(-1)[0], /le="\+Inf"/);
    assert.equal(before, value(samples, `syncline_${name}_count`), name);
    assert.ok(before > 0, name);
  }
});

test('errors, refused updates, closes, tokens and bounds are counted by name', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, told('limits: {streams: 1, principal_connections: 1, message_bytes: 16 KiB}'));
  const ann = member(t, hub, { token: issue() });
  await ann.open('post/1').synced;
  const refused = [];
  const second = member(t, hub, { token: issue() });
  second.on('error', ({ code }) => refused.push(code));
  second.open('post/1');
  await until(() => refused.includes('TOO_MANY_CONNECTIONS'), 'a connection too many');
  second.close();
  const stranger = member(t, hub, { token: 'no.such.token' });
  stranger.open('post/1');
  await until(async () => value((await scrape(hub)).samples, 'syncline_errors_total{code="TOKEN_INVALID"}') > 0, 'a bad token');
  stranger.close();
  ann.open('post/2');
  await until(async () => value((await scrape(hub)).samples, 'syncline_limit_hits_total{limit="streams"}') > 0, 'a stream too many');
  const peer = await new Peer(hub).upgraded();
  peer.write(frame(Buffer.alloc(20000)));
  assert.equal(await peer.end(), 1009);
  const { samples } = await scrape(hub);
  assert.ok(value(samples, 'syncline_limit_hits_total{limit="principal_connections"}') >= 1);
  assert.equal(value(samples, 'syncline_limit_hits_total{limit="message_bytes"}'), 1);
  assert.ok(value(samples, 'syncline_errors_total{code="TOO_MANY_CONNECTIONS"}') >= 1);
  assert.ok(value(samples, 'syncline_errors_total{code="TOO_MANY_STREAMS"}') >= 1);
  assert.ok(value(samples, 'syncline_closes_total{code="4401"}') >= 1);
  assert.ok(value(samples, 'syncline_closes_total{code="1013"}') >= 1);
  assert.ok(value(samples, 'syncline_tokens_total{verdict="TOKEN_OK"}') >= 2);
  assert.ok(value(samples, 'syncline_tokens_total{verdict="TOKEN_MALFORMED"}') + value(samples, 'syncline_tokens_total{verdict="TOKEN_NO_KEY"}') >= 1);
  assert.equal(value(samples, 'syncline_principals'), 1);
});

test('a counter out of bounds counts as refused by its code', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { ...told(), schemas: 'shop: {stock: {type: bounded-counter, min: 0, max: 5}}' });
  const socket = new WebSocket(hub.url, 'syncline.v1');
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const send = (packet) => { socket.send(encodePacket(packet)); return once(socket, 'message'); };
  await send({ type: 'HELLO', id: 0, version: 1 });
  await send({ type: 'OPEN', id: 1, name: 'shop/1', replicas: [mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes))] });
  socket.send(encodePacket({ type: 'DELTA', id: 1, replica: null, first: 1, last: 1, context: { position: 0, seen: [] },
    changes: new Map([[0, [0, 1, null]]]) }));
  await until(async () => (await scrape(hub)).samples.get('syncline_updates_total{kind="delta",result="OUT_OF_BOUNDS"}') === 1, 'the refusal');
});

/** The figures that change neither by themselves nor by a connection that asks for them. */
const steady = (samples) => [...samples].filter(([key]) => !/^process_|disk_free|handshakes|http_request/.test(key));

test('reading does not change what is read', { timeout: 30000 }, async (t) => {
  const hub = await hubFor(t, told());
  const [first, second] = [await scrape(hub), await scrape(hub)];
  assert.deepEqual(steady(second.samples), steady(first.samples));
  const peer = await new Peer(hub).upgraded();
  peer.write(frame(hello));
  await peer.messages(1);
  assert.equal(value((await scrape(hub)).samples, 'syncline_connections'), 1);
  await hub.endsWell();
});

test('the public address tells them to operators only', { timeout: 30000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const ask = async (token) => {
    const answer = await fetch(`${hub.http}/metrics`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    const text = await answer.text();
    return [answer.status, answer.ok ? text.includes('syncline_connections') : JSON.parse(text).code];
  };
  assert.deepEqual(await ask(), [401, 'TOKEN_REQUIRED']);
  assert.deepEqual(await ask('no.such.token'), [401, 'TOKEN_INVALID']);
  assert.deepEqual(await ask(issue({ admin: true, nbf: Date.now() / 1000 + 600 })), [401, 'TOKEN_INVALID']);
  assert.deepEqual(await ask(issue()), [403, 'FORBIDDEN'], 'not an operator');
  assert.deepEqual(await ask(issue({ admin: true, life: -60 })), [401, 'TOKEN_EXPIRED'], 'not any more');
  assert.deepEqual(await ask(issue({ admin: true })), [200, true]);
});

test('every metric is documented, and every documented one is there', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, told());
  const { text } = await scrape(hub);
  const documented = metricNames(readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8'));
  const families = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  assert.deepEqual([...families].filter((name) => !documented.has(name)), [], 'not in docs/metrics.md');
  assert.deepEqual([...documented].filter((name) => !families.has(name)), [], 'in docs/metrics.md only');
});

test('every metric is on the dashboard', () => {
  const read = (name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const { panels } = JSON.parse(read('grafana/syncline.json'));
  const shown = new Set(panels.flatMap(({ targets = [] }) => targets).flatMap(({ expr }) => expr.match(/(?:syncline|process)_\w+/g)));
  assert.ok(shown.size > 50);
  for (const name of metricNames(read('metrics.md'))) assert.ok(shown.has(name) || shown.has(`${name}_bucket`), name);
});

test('every bound that is counted is documented', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, told());
  const { samples } = await scrape(hub);
  const config = readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8');
  const limits = [...samples.keys()].flatMap((key) => /^syncline_limit_hits_total\{limit="(\w+)"\}/.exec(key)?.[1] ?? []);
  assert.ok(limits.length > 15);
  for (const limit of limits) assert.ok(config.includes(`\`${limit}\``), `${limit} in docs/config.md`);
});

test('promtool finds nothing to say', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, told());
  const { text } = await scrape(hub);
  const said = await new Promise((resolve) => {
    const child = execFile(program('usr/bin/promtool'), ['check', 'metrics'], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, said: stdout + stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(text);
  });
  assert.deepEqual(said, { code: 0, said: '' });
});
