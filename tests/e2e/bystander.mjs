/** Somebody who behaves while others do not, and must not notice it. */
import assert from 'node:assert/strict';
import { connect } from 'syncline';

/** `works` fails if an edit does not arrive, or the client is not online behind it. */
export async function bystander(t, hub, options = {}) {
  const client = connect(hub.url, options);
  t.after(() => client.close());
  const doc = client.open('post/by');
  await doc.ready;
  return { client, doc, async works() {
    doc.likes.increment();
    await doc.saved;
    assert.equal(client.status, 'online');
  } };
}
