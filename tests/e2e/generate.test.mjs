/**
 * Goal:   `syncline generate typescript` gives an app the types of its documents, from a configuration or from a running hub.
 * Method: a configuration with every type and awkward names, against the module that it makes, byte by byte; that module through the
 *         compiler, with right and wrong uses; and a client that edits with it before it has met a hub.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { WebSocketServer } from 'ws';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mistakesIn } from '../clients/compile.mjs';
import { folder, run, startHub } from './support.mjs';

const golden = new URL('../golden/typescript/', import.meta.url).pathname;
const config = join(golden, 'hub.yaml');
const schemas = readFileSync(config, 'utf8').replace(/^[\s\S]*?\nschemas:\n/, '').trim();
const expected = readFileSync(join(golden, 'schemas.ts'), 'utf8');

const generate = (...words) => run('syncline', ['generate', 'typescript', ...words]);

test('the module of a configuration', async (t) => {
  assert.deepEqual(await generate('--config', config), { code: 0, stdout: expected, stderr: '' });
  const output = join(folder(t), 'schemas.ts');
  assert.deepEqual(await generate('--config', config, '--output', output), { code: 0, stdout: '', stderr: '' });
  assert.equal(readFileSync(output, 'utf8'), expected);
});

test('a hub that has the schemas gives the same module', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const { code, stdout, stderr } = await generate('--hub', hub.url);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout, expected);
});

/** Answers CALL with `value`: what no hub of ours would. */
async function startOtherHub(t, value) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'syncline.v1' });
  const answers = {
    HELLO: () => ({ type: 'WELCOME', id: 0, hub: 'other', journal: new Uint8Array(16), schema: new Uint8Array(8),
      limits: { message_bytes: 1 << 20, streams: 16, replicas: 16 }, ping_ms: 30000, resume_ms: 1000, durability: 'full' }),
    CALL: ({ id }) => ({ type: 'RESULT', id, value }),
  };
  server.on('connection', (socket) => socket.on('message', (data) => {
    for (const packet of decodeMessage(new Uint8Array(data))) socket.send(encodePacket(answers[packet.type](packet)));
  }));
  t.after(() => { for (const socket of server.clients) socket.terminate(); server.close(); });
  await once(server, 'listening');
  return `ws://127.0.0.1:${server.address().port}/`;
}

test('no code comes from a hub: what is no list of schemas, or no name, is refused', { timeout: 30000 }, async (t) => {
  const output = join(folder(t), 'schemas.ts');
  writeFileSync(output, 'kept');
  const field = (name) => new Map([['post', [[0, name, 'g-counter', new Map()]]]]);
  for (const value of [
    field('a: 1 } & typeof globalThis; //'), field("-'"), field('a\n'), field(''), field('ä'), field('a\0b'),
    new Map([['post;', []]]), new Map([['post', null]]), ['post'], null, 'post',
    new Map(Array.from({ length: 257 }, (_, i) => [`s${i}`, []])),
  ]) {
    const { code, stdout, stderr } = await generate('--hub', await startOtherHub(t, value), '--output', output);
    assert.deepEqual([code, stdout, readFileSync(output, 'utf8')], [1, '', 'kept'], JSON.stringify([value, stderr]));
    assert.match(stderr, /^syncline: .+\n$/);
  }
  assert.equal((await generate('--hub', await startOtherHub(t, field('a-b')), '--output', output)).code, 0);
  assert.match(readFileSync(output, 'utf8'), /'a-b': Counter;/);
});

test('mistakes are told where they are', { timeout: 30000 }, async (t) => {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  writeFileSync(file, 'schemas:\n  post:\n    likes: gcounter\n    cart: map\n');
  const { code, stdout, stderr } = await generate('--config', file);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /hub\.yaml:3:12: "gcounter" as a type; expected g-counter, /);
  assert.match(stderr, /hub\.yaml:4:11: the type map alone; expected \{type: map, of: ...\}/);
  writeFileSync(file, 'data: hub.db\n');
  assert.match((await generate('--config', file)).stderr, /hub\.yaml:1:1: no key "schemas"; expected schemas/);
  assert.match((await generate('--config', join(dir, 'none'))).stderr, /none: No such file/);
  assert.match((await generate('--config', config, '--output', join(dir, 'none', 'x.ts'))).stderr, /x\.ts: No such file/);
  assert.match((await run('syncline', ['generate', 'cobol', '--config', config])).stderr, /the only language is typescript: cobol/);
  const { code: lost } = await run('syncline', ['--hub', 'ws://127.0.0.1:1/', '--timeout', '1', 'generate', 'typescript']);
  assert.equal(lost, 1);
});

test('the compiler knows what each field can do', () => {
  assert.deepEqual(mistakesIn(`
    import { connect, type DocumentWith, type Element } from 'syncline';
    import { schema, type Post, type Schemas, type WorkShop2 } from './schemas.js';
    type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
    const same = <A, B>(_: Same<A, B>) => {};
    const client = connect('ws://x/', { schema });
    same<typeof client, ReturnType<typeof connect<Schemas>>>(true);
    const post = client.post('42');
    post.likes.increment();
    post.stock.decrement(2);
    post.tags.add('x');
    post.field('name').set('x');
    post.cart.at('apple').increment();
    same<typeof post.value.cart, { readonly [key: string]: number }>(true);
    post.seats.at('a').available.toFixed();
    post.notes.at('a').set('b', [1, 'two', null]);
    same<ReturnType<typeof post.notes.get>, { readonly [key: string]: Element | null } | undefined>(true);
    const shop = client['work-shop']('1');
    shop['opens-at'].set(8.5);
    shop.left.reserve(1, { seconds: 60 });
    same<typeof shop.by.values, readonly number[]>(true);
    shop.keys.add(Uint8Array.of(1));
    shop.class.delete(true);
    client.open<WorkShop2>('work_shop/1').frozen.enable();
    client.uint8Array('1').field('constructor').at('x').disable();
    client.schemas('1').then.add('x');
    client.open('open/1').field('toString').set('x');
    const likes = ({ likes }: DocumentWith<Post>) => likes.value;
    likes(post);
    // @ts-expect-error counts up only
    post.likes.decrement();
    // @ts-expect-error another type
    post.tags.add(1);
    // @ts-expect-error a document's own name
    post.name.set('x');
    // @ts-expect-error no such field
    post.lieks.increment();
    // @ts-expect-error inside a map there are no leases
    post.seats.at('a').reserve(1, { seconds: 60 });
    // @ts-expect-error a counter is not set
    post.cart.set('apple', 1);
    // @ts-expect-error never set
    if (shop['opens-at'].value.toFixed()) throw 1;
    // @ts-expect-error no such schema
    client.workShop('1');
    // @ts-expect-error no such schema
    client.open('pots/1');
  `, { 'schemas.ts': expected }), []);
});

test('with the module documents can be edited before the first connection', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { schemas });
  const script = join(folder(t), 'schemas.mjs');
  const { module, target } = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 };
  writeFileSync(script, ts.transpileModule(expected, { compilerOptions: { module, target } }).outputText);
  const { schema } = await import(pathToFileURL(script));
  const client = connect(hub.url, { schema, autoConnect: false });
  t.after(() => client.close());
  const post = client.post('42');
  post.likes.increment(3);
  post.cart.at('apple').decrement();
  client['work-shop']('1')['opens-at'].set(8.5);
  assert.equal(client.pending, 3);
  client.reconnect();
  await Promise.all(client.documents.map(({ saved }) => saved));
  const { stdout } = await run('syncline', ['--hub', hub.url, 'get', 'post/42']);
  assert.deepEqual(JSON.parse(stdout), { likes: 3, stock: 0, tags: [], name: null, cart: { apple: -1 }, seats: {}, notes: {} });
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'work-shop/1', 'opens-at'])).stdout, '8.5\n');
});
