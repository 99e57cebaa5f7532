/**
 * Goal:   an app that says what its documents are is told by its editor what it can do with them, and what is wrong; one that does
 *         not has the same documents.
 * Method: right and wrong uses through the compiler, and what its language service offers; then a client without a hub.
 */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { connect } from '../../../clients/js/dist/index.js';
import { completionsIn, mistakesIn } from '../compile.mjs';

const schemas = `
  import { connect, type Counter, type Document, type Element, type LiveMap, type LwwRegister, type MvRegister, type OrSet, type PnCounter }
    from 'syncline';
  type Post = { likes: Counter; tags: OrSet<string>; cart: LiveMap<PnCounter>; notes: LiveMap<LwwRegister<string>>; by: MvRegister<string> };
  type Shop = { name: LwwRegister<string>; open: MvRegister<number> };
  type Schemas = { post: Post; 'work-shop': Shop; open: Shop };
  type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
  const same = <A, B>(_: Same<A, B>) => {};
`;

test('a client with schemas opens documents with their types', () => {
  assert.deepEqual(mistakesIn(`${schemas}
    const client = connect<Schemas>('ws://x/');
    const post = client.post('42');
    post.likes.increment();
    post.tags.add('x');
    post.cart.at('apple').decrement(2);
    post.notes.set('a', 'b');
    same<typeof post.value.tags, readonly string[]>(true);
    same<typeof post.value.by, readonly string[]>(true);
    same<ReturnType<typeof post.cart.get>, number | undefined>(true);
    const [pair] = post.cart.entries();
    same<typeof pair, [string, number]>(true);
    const again = client.open('post/42');
    same<typeof again, typeof post>(true);
    const shop = client['work-shop']('1');
    shop.field('name').set('here');
    same<typeof shop.name, string>(true);
    shop.open.set(1);
    const other: typeof shop = client.open('open/1');
    const given = client.open<{ other: Counter }>('other/1').other;
    same<typeof given, Counter>(true);
    const some: string = 'post/1';
    client.open(some).whatever.increment();
    const plain: Document = post;
    const anyone = (of: Document) => of.pending;
    anyone(post);
    client.on('status', (status) => status === 'online');
    // @ts-expect-error no such field
    post.like.increment();
    // @ts-expect-error tags are strings
    post.tags.add(7);
    // @ts-expect-error counters count up
    post.likes.decrement();
    // @ts-expect-error a counter under a key is not set
    post.cart.set('apple', 2);
    // @ts-expect-error values are texts
    post.notes.set('a', 1);
    // @ts-expect-error no such schema
    client.open('psot/42');
    // @ts-expect-error no such schema
    client.psot('42');
    // @ts-expect-error no such field
    post.field('like');
  `), []);
});

test('a client without schemas opens documents of any fields', () => {
  assert.deepEqual(mistakesIn(`
    import { connect } from 'syncline';
    const client = connect('ws://x/', { schema: { post: { likes: 'g-counter', tags: { type: 'or-set', of: 'string' } } } });
    client.post('42').likes.increment();
    client.open('post/42').tags.add('x');
    const { value } = client.open('post/42');
    console.log(value.likes, client.pending.toFixed());
    // @ts-expect-error a number, not an opener
    client.pending('1');
  `), []);
});

const registered = `${schemas}
  import { SynclineProvider, useClient, useDocument, useField } from 'syncline/react';
  declare module 'syncline' { interface Register { schemas: Schemas } }
`;

test('an app that registers its schemas has them everywhere', () => {
  assert.deepEqual(mistakesIn(`${registered}
    connect('ws://x/').post('1').likes.increment();
    export function Typed() {
      const post = useDocument('post/1');
      post.tags.add('x');
      const likes = useField(post, 'likes');
      same<typeof likes, number | undefined>(true);
      const name = useField(useClient()['work-shop']('1'), 'name');
      same<typeof name, string | null | undefined>(true);
      const own = useDocument<{ other: Counter }>('other/1');
      same<typeof own.other, Counter>(true);
      // @ts-expect-error no such field
      useField(post, 'like');
      // @ts-expect-error no such schema
      useDocument('psot/1');
      return <SynclineProvider client={connect<Schemas>('ws://x/')} />;
    }
  `), []);
});

test('an editor completes schemas, fields and their methods', () => {
  const offered = (code) => completionsIn(`${registered}\n const client = connect<Schemas>('ws://x/');\n ${code}`);
  assert.ok(offered('client.|').includes('post'));
  assert.ok(offered(`client.post('1').|`).includes('likes'));
  assert.ok(offered(`client.post('1').likes.|`).includes('increment'));
  assert.ok(!offered(`client.post('1').likes.|`).includes('decrement'));
  assert.ok(offered(`client.open('post/1').cart.at('x').|`).includes('decrement'));
  assert.ok(offered(`useDocument('post/1').|`).includes('tags'));
  assert.ok(offered(`useField(client.post('1'), '|')`).includes('cart'));
});

test('without types each schema has its opener, and the client is what it was', async () => {
  const schema = { post: { likes: 'g-counter' } };
  const client = connect('ws://127.0.0.1:1/', { autoConnect: false, schema });
  const post = client.post('42');
  assert.equal(post, client.open('post/42'));
  assert.equal(client.post, client.post);
  post.likes.increment();
  assert.equal(client.pending, 1);
  assert.equal(client['work-shop']('a/b').name, 'work-shop/a/b');
  assert.deepEqual(client.documents.map(({ name }) => name), ['post/42', 'work-shop/a/b']);
  // What everything may be asked for is no schema.
  assert.equal(await client, client);
  assert.match(JSON.stringify({ client }), /"status":"offline"/);
  assert.match(inspect(client), /status/);
  assert.equal(String(client), '[object Object]');
  assert.equal('post' in client, false);
  assert.equal(client['no name'], undefined);
  client.close();
  assert.equal(client.status, 'closed');
});
