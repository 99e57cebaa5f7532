/**
 * Goal:   SIGHUP makes another configuration take effect as a whole while clients work, or changes nothing and says why; no edit is lost
 *         or counted twice, and what is in the database is what the last configuration declares.
 * Method: a real hub whose file is rewritten, the JavaScript package and the command line as its clients, and SQL on the file.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { connect } from 'syncline';
import { WebSocket } from 'ws';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { bin, run, sleep, sql, startHub, until } from './support.mjs';
import { makeAuthority } from './certificates.mjs';
import { makeToken, startHubWithKeys } from './tokens.mjs';

const POST = 'post: {likes: g-counter}';

function rewrite(hub, change) {
  writeFileSync(hub.file, change(readFileSync(hub.file, 'utf8')));
}

/** Sends SIGHUP and waits until the hub has said how it went. */
async function reload(hub, change = (text) => text) {
  rewrite(hub, change);
  const before = hub.log.length;
  hub.process.kill('SIGHUP');
  await until(() => /reloaded|reload-refused/.test(hub.log.slice(before)), 'an end of the reload');
  return hub.log.slice(before).replaceAll('\\"', '"'); // as a mistake is told without a log
}

const schemas = (text) => (file) => file.replace(/^ {2}post: .*$/m, `  ${text}`);

function client(t, hub, options) {
  const made = connect(hub.url, { store: 'memory', ...options });
  t.after(() => made.close());
  return made;
}

test('a field that is added appears in documents that are open, and edits go on', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const [one, other] = [client(t, hub), client(t, hub)];
  const [doc, seen] = [one.open('post/1'), other.open('post/1')];
  const statuses = [];
  one.on('status', (status) => statuses.push(status));
  await Promise.all([doc.synced, seen.synced]);
  statuses.length = 0;
  let made = 0;
  const editing = setInterval(() => { doc.likes.increment(); made += 1; }, 5);
  t.after(() => clearInterval(editing));
  await until(() => seen.likes.value > 5, 'edits to arrive');
  assert.match(await reload(hub, schemas('post: {likes: g-counter, tags: {type: or-set, of: string}}')), /reloaded/);
  await until(() => doc.fields.includes('tags') && seen.fields.includes('tags'), 'the field to appear');
  doc.tags.add('new');
  await until(() => seen.tags.has('new'), 'the new field to be shared');
  clearInterval(editing);
  await doc.saved;
  await until(() => seen.likes.value === made, 'every edit, once');
  assert.deepEqual(statuses, [], 'the connection stayed');
  await hub.kill();
  await hub.start();
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, `${made}\n`);
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'tags'])).stdout, '["new"]\n');
  assert.equal(await hub.stop(), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT likes, tags FROM post'), [{ likes: made, tags: '["new"]' }]);
});

test('what an answer over HTTP was before a field was added is not what stands now', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const get = (etag) => fetch(`${hub.http}/api/documents/post/1`, { headers: etag === undefined ? {} : { 'if-none-match': etag } });
  const etag = (await get()).headers.get('etag');
  assert.equal((await get(etag)).status, 304);
  assert.match(await reload(hub), /reloaded/);
  assert.equal((await get(etag)).status, 304);
  assert.match(await reload(hub, schemas('post: {likes: g-counter, votes: g-counter}')), /reloaded/);
  const answer = await get(etag);
  assert.equal(answer.status, 200);
  assert.deepEqual((await answer.json()).values, { likes: 0, votes: 0 });
});

test('a schema that is added opens what could not be opened', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const one = client(t, hub);
  const errors = [];
  const doc = one.open('page/1');
  doc.on('error', ({ code }) => errors.push(code));
  await until(() => errors.includes('UNKNOWN_SCHEMA'), 'the refusal');
  await reload(hub, schemas(`${POST}\n  page: {title: lww-register}`));
  await doc.synced;
  doc.title.set('here');
  await doc.saved;
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'page/1', 'title'])).stdout, '"here"\n');
});

test('a field that is taken out is served no more, and is whole again when it comes back', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter, stock: pn-counter}' });
  const one = client(t, hub);
  const doc = one.open('post/1');
  await doc.synced;
  doc.likes.increment(3);
  doc.stock.increment(40);
  await doc.saved;
  await reload(hub, schemas(POST));
  await until(() => !doc.fields.includes('stock'), 'the field to go');
  const got = await run('syncline', ['--hub', hub.url, 'get', 'post/1']);
  assert.match(got.stdout, /likes/);
  assert.doesNotMatch(got.stdout, /stock/);
  doc.likes.increment();
  await doc.saved;
  const late = client(t, hub).open('post/1'); // which has never heard of the field
  await late.synced;
  await until(() => late.likes.value === 4, 'all that happened');
  await reload(hub, schemas('post: {likes: g-counter, stock: pn-counter}'));
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'stock'])).stdout, '40\n');
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, '4\n');
  // Who had the document without the field, and has seen all that happened, sees what it has held all the time.
  for (const one of [doc, late]) await until(() => one.fields.includes('stock') && one.stock.value === 40, 'the field to be whole');
});

test('a mistake changes nothing, and the log says where it is', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const one = client(t, hub);
  const doc = one.open('post/1');
  await doc.synced;
  doc.likes.increment();
  await doc.saved;
  const good = readFileSync(hub.file, 'utf8');
  const refused = async (change, ...expected) => {
    const log = await reload(hub, () => change(good));
    assert.match(log, /reload-refused/);
    for (const text of expected) assert.match(log, text);
  };
  await refused(schemas('post: {likes: gcounter}\n  page: {title: lww'), /hub\.yaml:\d+:\d+: /);
  await refused((text) => `${text}durabilty: full\nlimits: {streams: 0}\n`, /hub\.yaml:\d+:1: unknown key "durabilty"/, /hub\.yaml:\d+:19: /);
  await refused((text) => text.replace(/^data: .*$/m, 'data: other.db'), /hub\.yaml:2:1: another "data" /);
  await refused((text) => `durability: relaxed\nlimits: {streams: 5, connections: 7}\n${text}`,
    /hub\.yaml:1:1: another "durability" /, /hub\.yaml:2:22: another "limits.connections" /);
  await refused(schemas('post: {likes: {type: or-set, of: string}}'), /field post\.likes holds data of type g-counter/);
  await refused(schemas(`${POST}\n  POST: {likes: g-counter}`), /would have one SQL view/);
  doc.likes.increment();
  await doc.saved;
  assert.deepEqual(doc.fields, ['likes']);
  assert.match(await reload(hub, () => good), /reloaded/);
  assert.equal(await hub.stop(), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT likes FROM post'), [{ likes: 2 }]);
  assert.deepEqual(await sql(hub.data, 'SELECT schema, name FROM fields'), [{ schema: 'post', name: 'likes' }]);
});

/** An open socket, or the status of the refusal. */
async function dial(hub, origin) {
  const socket = new WebSocket(hub.url, 'syncline.v1', { origin });
  socket.binaryType = 'arraybuffer';
  return Promise.race([
    once(socket, 'open').then(() => socket),
    once(socket, 'unexpected-response').then(([, { statusCode }]) => { socket.terminate(); return statusCode; }),
    once(socket, 'error').then(([error]) => error),
  ]);
}

test('limits and origins change at once', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const asks = async (path, origin) => {
    const response = await fetch(`${hub.http}/api/documents/post/1${path}`, { headers: { origin } });
    await response.body.cancel();
    return response.status;
  };
  assert.equal(await dial(hub, 'https://shop.example'), 403);
  assert.equal(await asks('', 'https://shop.example'), 403);
  assert.equal(await asks('/watch', hub.http), 200);
  await reload(hub, (text) => `allowed_origins: ["https://shop.example"]\nlimits: {streams: 1, message_bytes: 16 KiB}\napi: {watches: 0}\n${text}`);
  assert.equal(await asks('', 'https://shop.example'), 200);
  assert.equal(await asks('', 'https://other.example'), 403);
  assert.equal(await asks('/watch', hub.http), 429);
  const socket = await dial(hub, 'https://shop.example');
  const packets = [];
  socket.on('message', (data) => packets.push(...decodeMessage(new Uint8Array(data))));
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  await until(() => packets.length > 0, 'the welcome');
  const { message_bytes: messageBytes, streams } = packets[0].limits;
  assert.deepEqual([messageBytes, streams], [16384, 1]);
  const closed = once(socket, 'close');
  socket.send(Buffer.alloc(16385));
  assert.equal((await closed)[0], 1009);
});

test('edits of what is frozen are refused, and the app has them back', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: 'post: {likes: g-counter, stock: pn-counter}' });
  const one = client(t, hub);
  const doc = one.open('post/1');
  await doc.synced;
  const refused = [];
  doc.on('rejected', ({ code }) => refused.push(code));
  await reload(hub, (text) => `${text}switches: {post.likes: {frozen: true}}\n`);
  doc.stock.increment(2);
  await doc.saved;
  doc.likes.increment();
  await until(() => refused.length === 1, 'the refusal');
  await reload(hub, (text) => text.replace('post.likes:', 'post:'));
  doc.stock.increment();
  await until(() => refused.length === 2, 'the refusal of all');
  assert.deepEqual(refused, ['FROZEN', 'FROZEN']);
  await reload(hub, (text) => text.replace(/^switches.*\n/m, ''));
  doc.likes.increment(5);
  doc.stock.increment(5);
  await doc.saved;
  assert.deepEqual([doc.likes.value, doc.stock.value], [5, 7]);
});

test('a share of principals is offered a schema: more as it grows, and the same ones', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const share = (text) => reload(hub, (file) => `${file.replace(/^switches.*\n/m, '')}switches: {post: {offered: ${text}}}\n`);
  /** Who may open a document. */
  const offered = async () => {
    const has = [];
    for (let i = 0; i < 40; i++) {
      const one = connect(hub.url, { store: 'memory', token: issue({ sub: `user-${i}` }) });
      const doc = one.open('post/1');
      const answer = await Promise.race([
        doc.synced.then(() => 'open'), new Promise((resolve) => { doc.on('error', ({ code }) => resolve(code)); })]);
      if (answer === 'open') has.push(i);
      else assert.equal(answer, 'NOT_OFFERED');
      one.close();
    }
    return has;
  };
  assert.match(await share('0%'), /reloaded/);
  assert.deepEqual(await offered(), []);
  await share('25%');
  const some = await offered();
  assert.ok(some.length > 0 && some.length < 30, `${some}`);
  await share('60%');
  const more = await offered();
  assert.ok(more.length > some.length && some.every((i) => more.includes(i)), `${some}; ${more}`);
  const user = more.find((i) => !some.includes(i));
  const one = client(t, hub, { token: issue({ sub: `user-${user}` }) });
  const doc = one.open('post/1');
  await doc.synced;
  const errors = [];
  doc.on('error', ({ code }) => errors.push(code));
  await share('25%');
  await until(() => errors.includes('NOT_OFFERED'), 'the end of the offer');
  await share('100%');
  doc.likes.increment();
  await until(() => doc.pending === 0, 'the edit to be taken again');
});

test('keys change at once, and who is in stays', { timeout: 60000 }, async (t) => {
  const { hub, issue, secretFile } = await startHubWithKeys(t);
  const old = client(t, hub, { token: issue() });
  const doc = old.open('post/1');
  await doc.synced;
  const secret = 'another secret of at least thirty-two bytes';
  writeFileSync(`${secretFile}-2`, secret);
  const token = makeToken('HS256', secret, { sub: 'bob', exp: Date.now() / 1000 + 3600 });
  const codes = [];
  const early = client(t, hub, { token });
  early.on('error', ({ code }) => codes.push(code));
  await until(() => codes.includes('TOKEN_INVALID'), 'a refusal before');
  await reload(hub, (file) => file.replace(/^tokens: .*$/m, `tokens: {keys: [{algorithm: HS256, secret_file: ${secretFile}-2}]}`));
  await client(t, hub, { token }).open('post/1').synced;
  doc.likes.increment();
  await doc.saved;
  codes.length = 0;
  const late = client(t, hub, { token: issue() });
  late.on('error', ({ code }) => codes.push(code));
  await until(() => codes.includes('TOKEN_INVALID'), 'a refusal of the old key');
  assert.match(await reload(hub, (file) => file.replace(/^tokens: .*$/m, '')), /another "tokens" than the hub was started with/);
  assert.match(await reload(hub, (file) => `tokens: {keys: [{algorithm: HS256, secret_file: ${secretFile}-3}]}\n${file}`), /hub\.yaml:1:\d+: /);
});

test('other files of a certificate are shown from then on', { timeout: 60000 }, async (t) => {
  const authority = makeAuthority(t);
  const [one, other] = [authority.issue({}), authority.issue({})];
  const tls = ({ certificate, key }) => `tls: {certificate_file: ${certificate}, key_file: ${key}}`;
  const hub = await startHub(t, { tls: authority.trust, config: tls(one), schemas: POST });
  const shown = async () => {
    const socket = connectTls({ port: hub.port, host: '127.0.0.1', ...authority.trust });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const before = await shown();
  assert.match(await reload(hub, (file) => file.replace(/^tls: .*$/m, tls({ ...other, key: one.key }))), /hub\.yaml:\d+:\d+: .*the key does not belong to the certificate[^]*reload-refused/);
  assert.equal(await shown(), before);
  assert.match(await reload(hub, (file) => file.replace(/^tls: .*$/m, tls(other))), /reloaded/);
  assert.notEqual(await shown(), before);
  assert.match(await reload(hub, (file) => file.replace(/^tls: .*$/m, '')), /another "tls" /);
});

test('the command line follows a change, too', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const watcher = spawn(join(bin, 'syncline'), ['--hub', hub.url, 'watch', 'post/1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => watcher.kill('SIGKILL'));
  let seen = '';
  watcher.stdout.on('data', (data) => { seen += data; });
  await until(() => seen.includes('likes'), 'the document');
  await reload(hub, schemas('post: {likes: g-counter, stock: pn-counter}'));
  await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'stock', '7']);
  await until(() => /stock.*7/.test(seen), 'the new field');
});

test('a hub that is killed in the middle of a change has lost nothing, and starts with the last configuration', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t, { schemas: POST });
  const one = client(t, hub);
  const docs = Array.from({ length: 20 }, (_, i) => one.open(`post/${i}`));
  await Promise.all(docs.map((doc) => doc.synced));
  let made = 0;
  const editing = setInterval(() => { for (const doc of docs) doc.likes.increment(); made += 1; }, 4);
  t.after(() => clearInterval(editing));
  for (let i = 0; i < 8; i++) {
    const extra = i % 2 === 0 ? ', tags: {type: or-set, of: string}' : '';
    rewrite(hub, schemas(`post: {likes: g-counter, count-${i}: pn-counter${extra}}`));
    hub.process.kill('SIGHUP');
    await sleep(i * 4); // from before it has begun to after it has ended
    await hub.kill();
    await hub.start();
    await until(() => docs.every((doc) => doc.fields.includes(`count-${i}`)), 'the fields of the last configuration');
  }
  clearInterval(editing);
  await Promise.all(docs.map((doc) => doc.saved));
  assert.equal(await hub.stop(), 0);
  assert.deepEqual(await sql(hub.data, 'SELECT min(likes) AS least, max(likes) AS most FROM post'), [{ least: made, most: made }]);
});
