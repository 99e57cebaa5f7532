/**
 * Goal:   a token opens what it allows and nothing else, and an edit that it does not allow is the app's again, whatever the client does.
 * Method: a real hub with keys and grants, the package in Node, packets by hand where the package would not send them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { connect } from 'syncline';
import { bin, folder, until } from './support.mjs';
import { startHubWithKeys } from './tokens.mjs';

const schema = {
  post: { likes: 'g-counter', price: { type: 'lww-register', of: 'int' } },
  cart: { items: { type: 'or-set', of: 'string' } },
};
const schemas = 'post: {likes: g-counter, price: {type: lww-register, of: int, write: admin}}\n  cart: {items: or-set}';

/** In the configuration's `tokens`: what a token that says nothing allows. */
const allow = 'allow: {"post/*": [read, write, presence], "cart/{sub}": [read, write]}';

function client(t, hub, token) {
  const made = connect(hub.url, { schema, token });
  t.after(() => made.close());
  return made;
}

/** The next time that the document says so. */
const next = (doc, event) => new Promise((resolve) => { doc.on(event, resolve); });

test('what a token allows is opened and edited, and everything else is refused with a code', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const ann = client(t, hub, issue());
  const cart = ann.open('cart/ann');
  await cart.synced;
  cart.items.add('tea');
  await cart.saved;

  const bob = client(t, hub, issue({ sub: 'bob' }));
  const other = bob.open('cart/ann');
  assert.equal((await next(other, 'error')).code, 'FORBIDDEN');
  assert.deepEqual([...other.items.values()], []);
  const post = bob.open('post/1');
  await post.synced;
  post.likes.increment();
  await post.saved;

  const rejected = next(post, 'rejected');
  post.price.set(1);
  const why = await rejected;
  assert.deepEqual([why.code, why.field, why.edits], ['FORBIDDEN', 'price', { price: { set: 1 } }]);
  await until(() => post.pending === 0, 'nothing waits');
  assert.equal(post.price.value, null);

  const seller = client(t, hub, issue({ sub: 'eve', allow: { 'post/*': ['read', 'admin', 'write'] } }));
  const offer = seller.open('post/1');
  await offer.synced;
  offer.price.set(2);
  await offer.saved;
  await until(() => post.price.value === 2, 'the price is shown');
  assert.equal(post.likes.value, 1);
});

test('a token to read with edits nothing, also from the command line', { timeout: 60000 }, async (t) => {
  const { hub, issue, secretFile } = await startHubWithKeys(t, { tokens: allow, schemas });
  const reader = client(t, hub, issue({ allow: { 'post/*': ['read'] } }));
  const post = reader.open('post/1');
  await post.synced;
  const rejected = next(post, 'rejected');
  post.likes.increment(5);
  const why = await rejected;
  assert.deepEqual([why.code, why.edits], ['FORBIDDEN', { likes: { increment: 5 } }]);
  assert.equal(post.likes.value, 0);

  const run = promisify(execFile);
  const file = join(folder(t), 'token');
  const { stdout } = await run(join(bin, 'syncline'), ['token', '--secret-file', secretFile, '--sub', 'zoe', '--allow', 'post/1:read,write cart/{sub}:read']);
  writeFileSync(file, stdout);
  const cli = (...words) => run(join(bin, 'syncline'), ['--hub', hub.url, '--token-file', file, ...words]);
  await cli('increment', 'post/1', 'likes');
  await until(() => post.likes.value === 1, 'the like is shown');
  await assert.rejects(cli('increment', 'post/2', 'likes'), /FORBIDDEN/);
  await assert.rejects(cli('add', 'cart/zoe', 'items', 'tea'), /FORBIDDEN/);
  await assert.rejects(cli('get', 'cart/ann'), /FORBIDDEN/);
});

test('a fresh token that allows less takes effect at once', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const tokens = [issue({ life: 3 }), issue({ allow: { 'post/2': ['read'] } })];
  const ann = client(t, hub, () => tokens.shift());
  const post = ann.open('post/1');
  await post.synced;
  assert.equal((await next(post, 'error')).code, 'FORBIDDEN');
  assert.equal(tokens.length, 0);
  const allowed = ann.open('post/2');
  await allowed.synced;
});
