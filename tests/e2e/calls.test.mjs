/**
 * Goal:   an operator sees what a running hub does, and what it says is what happened.
 * Method: raw packets to the real process, beside clients that edit; some of it is looked up in the database.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { Peer, frame, hello } from './socket.mjs';
import { behindProxy, sql, startHub, until } from './support.mjs';
import { makeToken } from './tokens.mjs';

/** Maps as objects, all the way down. */
function plain(value) {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

/** A connection that calls: `call(method, parameters)` answers the RESULT's value, or the ERROR. */
async function operator(hub, { greeting = hello } = {}) {
  const peer = await new Peer(hub).upgraded();
  peer.write(frame(greeting));
  const packets = () => peer.frames.filter(({ opcode }) => opcode === 2).flatMap(({ payload }) => decodeMessage(payload));
  let last = 0;
  return {
    peer,
    async call(method, parameters = {}) {
      const id = ++last;
      peer.write(frame(encodePacket({ type: 'CALL', id, method, parameters })));
      const answer = await until(() => packets().find((packet) => packet.id === id), `an answer to ${method}`);
      return answer.type === 'RESULT' ? plain(answer.value) : answer;
    },
  };
}

async function editor(t, hub, name) {
  const client = connect(hub.url);
  t.after(() => client.close());
  const doc = client.open(name);
  await doc.ready;
  return { client, doc };
}

test('an operator sees connections, documents and counts', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const { call, peer } = await operator(hub);
  const before = await call('stats');
  const { client, doc } = await editor(t, hub, 'post/1');
  const other = await editor(t, hub, 'post/other');
  for (let i = 0; i < 10; i++) {
    doc.likes.increment();
    await doc.saved;
  }
  const after = await call('stats');
  assert.equal(after.hub, 'syncline/0.1');
  assert.equal(after.started_ms, before.started_ms);
  assert.ok(after.now_ms >= before.now_ms && Math.abs(after.now_ms - Date.now()) < 60000);
  assert.equal(after.edits - before.edits, 10);
  assert.equal(after.updates - before.updates, 10);
  assert.equal(after.position - before.position, after.batches - before.batches);
  assert.equal(after.journal.length, 16);
  assert.deepEqual([after.connections, after.streams, after.documents, after.read_only], [3, 2, 2, false]);
  assert.ok(after.bytes_in > before.bytes_in && after.bytes_out > before.bytes_out && after.messages_out > before.messages_out);

  const { connections, total, next } = await call('connections');
  assert.deepEqual([connections.length, total, next], [3, 3, null]);
  const first = await call('connections', { limit: 1 });
  assert.deepEqual([first.connections.length, first.next], [1, connections[0].id]);
  assert.deepEqual((await call('connections', { after: first.next })).connections.map(({ id }) => id), connections.slice(1).map(({ id }) => id));
  const busy = connections.find(({ updates }) => updates > 0);
  assert.deepEqual([busy.updates, busy.pending, busy.rejected, busy.blocked, busy.streams], [10, 0, 0, false, 1]);

  const one = await call('connection', { id: busy.id });
  assert.equal(one.stream_count, 1);
  assert.equal(one.streams[0].document, 'post/1');
  assert.equal(one.streams[0].position, after.position);

  const document = await call('document', { name: 'post/1' });
  assert.equal(document.position, after.position);
  assert.deepEqual(document.fields.map(([, name, type]) => [name, type]),
    [['likes', 'g-counter'], ['stock', 'pn-counter'], ['tags', 'or-set']]);
  assert.equal(document.writers.length, 1);
  assert.deepEqual([document.writers[0].seq, document.writers[0].connection], [10, busy.id]);
  client.close();
  await until(async () => (await call('connection', { id: busy.id })) === null, 'the connection to be gone');
  await until(async () => (await sql(hub.data, 'SELECT seq FROM replicas')).some(({ seq }) => seq === 10), 'the writer to be stored');
  const stored = await until(async () => {
    const told = await call('document', { name: 'post/1' });
    return told.stored === told.position ? told : undefined;
  }, 'the document to be told as stored');
  assert.deepEqual([stored.writers[0].seq, stored.writers[0].connection], [10, null]);
  assert.equal(await call('document', { name: 'post/none' }), null);

  const listed = await call('documents');
  assert.deepEqual(listed.documents.map(({ name, streams }) => [name, streams]), [['post/1', 0], ['post/other', 1]]);
  assert.deepEqual((await call('documents', { search: 'oth' })).documents.map(({ name }) => name), ['post/other']);
  const health = await (await fetch(`${hub.http}/health`)).json();
  assert.equal(health.position, after.position);
  other.client.close();
  peer.socket.destroy();
});

test('refused updates are told with their reason', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const { call, peer } = await operator(hub);
  const replica = Buffer.from('0190000000007000800000000000000a', 'hex');
  replica.writeUIntBE(Date.now(), 0, 6);
  peer.write(frame(encodePacket({ type: 'OPEN', id: 1000, name: 'post/1', replicas: [replica] })));
  await until(() => peer.frames.length >= 2, 'OPENED');
  peer.write(frame(encodePacket({ type: 'DELTA', id: 1000, replica: null, first: 1, last: 1,
    context: { position: 0, seen: [] }, changes: new Map([[99, 1]]) })));
  const caller = await operator(hub);
  const told = await until(async () => {
    const { rejected } = await caller.call('rejected');
    return rejected[0]?.id ? rejected[0] : undefined;
  }, 'the refused update');
  assert.deepEqual({ ...told, replica: Buffer.from(told.replica).toString('hex') },
    { id: 1, document: 'post/1', replica: replica.toString('hex'), seq: 1, at_ms: told.at_ms, code: 'UNKNOWN_FIELD', text: told.text, field: 99 });
  const [row] = await sql(hub.data, 'SELECT text, at FROM rejected');
  assert.equal(told.text, row.text);
  assert.equal(told.at_ms, row.at);
  assert.equal((await caller.call('stats')).rejected, 1);
});

test('hostile parameters are answered, and the hub goes on', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const { call, peer } = await operator(hub);
  const deep = [];
  for (let at = deep, i = 0; i < 20; i++) at.push(at = []);
  for (const [method, parameters, code] of [
    ['connections', { limit: 2 ** 53 - 1 }, 'BAD_PARAMETERS'],
    ['connections', { limit: -1 }, 'BAD_PARAMETERS'],
    ['connections', { after: deep }, 'BAD_PARAMETERS'],
    ['connections', [], 'BAD_PARAMETERS'],
    ['documents', { search: 'x'.repeat(257) }, 'BAD_PARAMETERS'],
    ['documents', { search: new Uint8Array(3) }, 'BAD_PARAMETERS'],
    ['documents', { after: { a: 1 } }, 'BAD_PARAMETERS'],
    ['document', { name: 'x' }, 'BAD_PARAMETERS'],
    ['document', null, 'BAD_PARAMETERS'],
    ['rejected', { limit: 0 }, 'BAD_PARAMETERS'],
    ['connection', { id: 'x' }, 'BAD_PARAMETERS'],
    ['drop-everything', {}, 'UNKNOWN_METHOD'],
    ['stats\0', {}, 'UNKNOWN_METHOD'],
  ]) {
    const answer = await call(method, parameters);
    assert.deepEqual([answer.type, answer.code], ['ERROR', code], `${method} ${JSON.stringify(parameters)}`);
    assert.ok(answer.text.length > 10);
  }
  const many = Array.from({ length: 300 }, (_, i) => encodePacket({ type: 'CALL', id: 1000 + i, method: 'documents', parameters: { limit: 1000 } }));
  peer.write(frame(Buffer.concat(many)));
  await until(() => peer.frames.some(({ payload }) => payload.includes('BUSY')), 'too many at once to be refused');
  assert.equal((await (await operator(hub)).call('stats')).documents, 0);
  peer.write(frame(Buffer.from([0x94, 14, 0x7f, 0xa5, 0x73])));
  assert.equal(await peer.end(), 1007);
});

test('whom the configuration does not name is not an operator', { timeout: 60000 }, async (t) => {
  const off = await startHub(t, { config: 'console: off' });
  const refused = await (await operator(off)).call('stats');
  assert.deepEqual([refused.type, refused.code], ['ERROR', 'FORBIDDEN']);
  const secret = 'x'.repeat(64);
  const everywhere = await startHub(t, { host: '0.0.0.0', config: behindProxy(t, secret) });
  const by = (claims) => operator(everywhere, {
    greeting: encodePacket({ type: 'HELLO', id: 0, version: 1, token: makeToken('HS256', secret, { sub: 'ann', ...claims }) }),
  });
  assert.equal((await (await by({})).call('documents')).code, 'FORBIDDEN');
  assert.equal((await (await by({ admin: true })).call('stats')).connections, 2);
});

test('what HELLO says of a client is shown', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const greeting = encodePacket({ type: 'HELLO', id: 0, version: 1, agent: `${'ä'.repeat(100)}`, client: 'tab 1' });
  const { call } = await operator(hub, { greeting });
  const { connections } = await call('connections');
  assert.deepEqual([connections[0].agent, connections[0].client], ['ä'.repeat(64), 'tab 1']);
});
