/**
 * Goal:   rates hold at a real socket: who sends more than may be is read more slowly and loses nothing; others do not notice.
 * Method: connections of two principals that send as fast as their sockets take it, for two seconds; what the hub has read of each. A
 *         hub's own count is what is compared, so that nothing depends on how fast this machine is.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { scrape, told, value } from './metrics.mjs';
import { startHub, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';

/** Sends PINGs until it is stopped, each batch when the last was taken; counts the PONGs. */
async function flood(hub, token) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  socket.binaryType = 'arraybuffer';
  const sender = { pongs: 0, welcome: undefined, stop: () => { socket.terminate(); } };
  socket.on('error', () => {});
  await once(socket, 'open');
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1, token }));
  const welcomed = once(socket, 'message');
  socket.on('message', (data) => {
    for (const packet of decodeMessage(new Uint8Array(data))) {
      if (packet.type === 'WELCOME') sender.welcome = packet;
      if (packet.type === 'PONG') sender.pongs += 1;
    }
  });
  await welcomed;
  const ping = encodePacket({ type: 'PING', id: 0, token: 7 });
  const more = () => { if (socket.readyState === WebSocket.OPEN) socket.send(ping, () => setImmediate(more)); };
  for (let i = 0; i < 20; i++) more();
  return sender;
}

async function floodFor(hub, tokens, until_) {
  const senders = await Promise.all(tokens.map((token) => flood(hub, token)));
  try {
    await until(() => until_(senders), 'enough of it', 40000);
  } finally {
    for (const sender of senders) sender.stop();
  }
  return senders;
}

test('a principal has one rate for all its connections, and WELCOME tells it', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, told('limits: {principal_updates: 200/s, principal_bytes: 1 MiB/s}'));
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  const senders = await floodFor(hub, [ann, ann, ann, bob], ([, , , last]) => last.pongs > 800);
  const ofAnn = senders[0].pongs + senders[1].pongs + senders[2].pongs;
  assert.ok(ofAnn < 2 * senders[3].pongs, `three connections of one: ${ofAnn}; one of another: ${senders[3].pongs}`);
  assert.ok(ofAnn > senders[3].pongs / 2);
  assert.deepEqual(senders[0].welcome.limits.principal_updates, [200, 1000]);
  assert.deepEqual(senders[0].welcome.limits.principal_bytes, [1 << 20, 1000]);
  const { samples } = await scrape(hub);
  assert.ok(value(samples, 'syncline_limit_hits_total{limit="principal_updates"}') > 0);
  assert.equal(value(samples, 'syncline_limit_hits_total{limit="updates"}'), 0);
  await hub.logs(/ limit limit=principal_updates connection=\d+ principal="(ann|bob)"/);
});

test("the hub's rate is shared by principals, however many connections one has", { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, told('limits: {hub_updates: 400/s}'));
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  const senders = await floodFor(hub, [ann, ann, ann, ann, bob], (all) => all[4].pongs > 1000);
  const ofAnn = senders.slice(0, 4).reduce((sum, { pongs }) => sum + pongs, 0);
  assert.ok(ofAnn < 2 * senders[4].pongs, `four connections of one: ${ofAnn}; one of another: ${senders[4].pongs}`);
  assert.ok(value((await scrape(hub)).samples, 'syncline_limit_hits_total{limit="hub_updates"}') > 0);
});

test('who is slowed down loses no edit', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, told('limits: {updates: 50/s, bytes: 8 KiB/s, hub_bytes: 16 KiB/s}'));
  const client = connect(hub.url, { schema: { post: { likes: 'g-counter' } } });
  t.after(() => client.close());
  const docs = Array.from({ length: 150 }, (_, i) => client.open(`post/${i}`));
  for (const doc of docs) doc.field('likes').increment(1);
  await until(() => client.pending === 0, 'all acknowledged', 30000);
  const { samples } = await scrape(hub);
  assert.equal(value(samples, 'syncline_edits_total'), docs.length);
  assert.ok(value(samples, 'syncline_limit_hits_total{limit="updates"}') > 0);
});
