/**
 * Goal:   who has a document open is seen by the others who ask, and is gone at once when the connection ends.
 * Method: JavaScript clients against a real hub, which is killed and started again in between.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'syncline';
import WebSocket from 'ws';
import { startHub, until } from './support.mjs';

function join(t, hub) {
  const client = connect(hub.url, { WebSocket });
  t.after(() => client.close());
  return { client, doc: client.open('post/1') };
}

const seen = ({ doc }) => doc.presence.peers.map(({ data }) => data);

test('who is here is told, and is gone with the connection', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const [ann, bob, eve] = [join(t, hub), join(t, hub), join(t, hub)];
  let calls = 0;
  ann.doc.presence.subscribe(() => { calls += 1; });
  bob.doc.presence.set({ name: 'bob', at: [1, 2] });
  await until(() => seen(ann).length === 1, 'ann sees bob');
  assert.deepEqual(seen(ann), [{ name: 'bob', at: [1, 2] }]);
  ann.doc.presence.set('ann');
  await until(() => seen(bob).length === 1, 'bob sees ann');
  assert.deepEqual(seen(bob), ['ann']);
  assert.deepEqual(seen(eve), [], 'who has not asked is not told');
  const before = ann.doc.presence.peers;
  assert.equal(ann.doc.presence.peers, before, 'the same list until it changes');
  bob.doc.presence.set({ name: 'bob', at: [3, 4] });
  await until(() => seen(ann)[0].at[0] === 3, 'ann sees where bob is');
  assert.equal(ann.doc.presence.peers[0].id, before[0].id, 'the same peer');

  await hub.kill();
  await until(() => seen(ann).length === 0, 'offline nobody is seen');
  await hub.start();
  await until(() => seen(ann).length === 1 && seen(bob).length === 1, 'both are told again');

  bob.client.close();
  await until(() => seen(ann).length === 0, 'bob is gone');
  ann.doc.presence.clear();
  eve.doc.presence.subscribe(() => {});
  eve.doc.likes?.increment();
  await eve.doc.saved;
  assert.deepEqual(seen(eve), []);
  assert.ok(calls >= 4);
});

test('presence data are bounded, and an edit under way survives the asking', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const { doc } = join(t, hub);
  await doc.ready;
  doc.likes.increment();
  doc.presence.set(1);
  doc.likes.increment();
  await doc.saved;
  assert.equal(doc.likes.value, 2);
  assert.throws(() => doc.presence.set('x'.repeat(2000)), RangeError);
});
