/**
 * Goal:   each attempt to get at what is not one's own fails, with the code that docs/errors.md explains, and changes nothing.
 * Method: the real process; whatever a client of ours would not send is written by hand. Attempts that other files make are named in
 *         docs/security.md, which is held against them here.
 */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { makeAuthority } from './certificates.mjs';
import { ask, assertProblem } from './http.mjs';
import { Peer, frame, hubFor } from './socket.mjs';
import { folder, postSchema, run, startHub, until } from './support.mjs';
import { makeToken, startHubWithKeys } from './tokens.mjs';

const schemas = 'post: {likes: g-counter}\n  cart: {likes: g-counter}';
const allow = 'allow: {"post/*": [read, write], "cart/{sub}": [read, write]}';
const likes = async (hub, token, name = 'post/1') => (await ask(hub, 'GET', `/api/documents/${name}/likes`, { token })).json.value;

const mint = () => mintReplica(Date.now(), (bytes) => webcrypto.getRandomValues(bytes));

/** A connection that says packets as they are and keeps what it is answered. */
async function guest(hub, token) {
  const peer = await new Peer(hub).upgraded();
  const packets = () => peer.frames.filter(({ opcode }) => opcode === 2).flatMap(({ payload }) => decodeMessage(payload));
  const say = (packet) => peer.write(frame(Buffer.from(encodePacket(packet))));
  const told = (type, id) => until(() => packets().find((packet) => packet.type === type && packet.id === id), `${type} ${id}`);
  say({ type: 'HELLO', id: 0, version: 1, ...(token === undefined ? {} : { token }) });
  return {
    peer, say, told, packets,
    open: (id, replicas, name = 'post/1') => say({ type: 'OPEN', id, name, replicas }),
    like: (id, replica, seq, total) => say({ type: 'DELTA', id, replica, first: seq, last: seq, context: { position: 0, seen: [] }, changes: new Map([[0, total]]) }),
  };
}

/** One request as it is written; answers status, headers and the problem document. */
async function sent(hub, text) {
  const peer = new Peer(hub);
  peer.write(text);
  const status = await peer.answered();
  const type = /\r\ncontent-type: ([^\r]*)/i.exec(peer.received.toString('latin1'))?.[1];
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(peer.received.toString('latin1'))?.[1]);
  if (length > 0) await until(() => peer.body.length >= length || peer.ended, 'the body');
  const answer = { status, type, text: peer.body.subarray(0, length).toString() };
  peer.socket.destroy();
  return answer;
}

/** Refused by the network's part, with a problem document like the API's. */
function assertRefused({ status, type, text }, expected, code, what) {
  assert.equal(status, expected, `${what}: ${text}`);
  assert.equal(type, 'application/problem+json', what);
  const { type: urn, status: told, title, detail, code: named } = JSON.parse(text);
  assert.deepEqual([urn, told, named], [`urn:syncline:problem:${code}`, expected, code], what);
  assert.ok(title.length > 0 && detail.length > 0, what);
}

test('a token with the algorithm none, however it is written, is no token at any door', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const claims = { sub: 'ann', exp: Date.now() / 1000 + 3600, admin: true };
  const [, , signature] = issue().split('.');
  for (const algorithm of ['none', 'None', 'NONE', 'nOnE', '', null, ['none'], 'HS1', 'HS512', 'HS256 ']) {
    const bare = makeToken(algorithm, '', claims);
    for (const token of [bare, `${bare}${signature}`, bare.slice(0, -1)]) {
      const { told } = await guest(hub, token);
      assert.equal((await told('ERROR', 0)).code, 'TOKEN_INVALID', `${algorithm}: ${token}`);
      assertProblem(await ask(hub, 'GET', '/api/documents/post/1', { token }), 401, 'TOKEN_INVALID');
      assert.equal((await ask(hub, 'GET', '/metrics', { token })).status, 401);
    }
  }
});

test('a token that is signed with a public key as if it were a secret is no token, whatever the key came from', { timeout: 60000 }, async (t) => {
  const { hub, publicKeys } = await startHubWithKeys(t, { tokens: allow, schemas });
  const claims = { sub: 'ann', exp: Date.now() / 1000 + 3600, admin: true };
  const forged = Object.values(publicKeys).flatMap((pem) => [pem, pem.trimEnd(), Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64')])
    .map((secret) => makeToken('HS256', secret, claims));
  for (const token of forged) {
    const { told } = await guest(hub, token);
    assert.equal((await told('ERROR', 0)).code, 'TOKEN_INVALID');
    assertProblem(await ask(hub, 'GET', '/api/documents/post/1', { token }), 401, 'TOKEN_INVALID');
  }
  const file = join(folder(t), 'hub.yaml');
  const pem = join(folder(t), 'key.pem');
  writeFileSync(pem, publicKeys.RS256);
  writeFileSync(file, `data: ${file}.db\ntokens: {keys: [{algorithm: HS256, secret_file: ${pem}}]}\nschemas:\n  ${postSchema}\n`);
  const { code, stderr } = await run('synclined', ['check', '--config', file]);
  assert.deepEqual([code, /expected a secret, which a public key is not/.test(stderr)], [2, true], stderr);
});

test('another algorithm than a key is for does not make a token of it', { timeout: 60000 }, async (t) => {
  const { hub, keys } = await startHubWithKeys(t, { tokens: allow, schemas });
  const claims = { sub: 'ann', exp: Date.now() / 1000 + 3600 };
  const header = (algorithm) => Buffer.from(JSON.stringify({ alg: algorithm, typ: 'JWT' })).toString('base64url');
  for (const signed of ['HS256', 'RS256', 'ES256']) {
    const [own, body, signature] = makeToken(signed, keys[signed], claims).split('.');
    assert.equal((await ask(hub, 'GET', '/api/documents/post/1', { token: `${own}.${body}.${signature}` })).status, 200);
    for (const named of ['HS256', 'RS256', 'ES256', 'none', 'RS512'].filter((name) => name !== signed)) {
      const token = `${header(named)}.${body}.${signature}`;
      assertProblem(await ask(hub, 'GET', '/api/documents/post/1', { token }), 401, 'TOKEN_INVALID');
      const { told } = await guest(hub, token);
      assert.equal((await told('ERROR', 0)).code, 'TOKEN_INVALID');
    }
  }
});

test('someone else\'s replica id takes no edit, over a real socket and after a restart', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const [anns, bobs] = [mint(), mint()];
  const ann = await guest(hub, issue({ sub: 'ann' }));
  ann.open(1, [anns]);
  await ann.told('OPENED', 1);
  ann.like(1, null, 1, 3);
  assert.equal((await ann.told('ACK', 1)).seq, 1);
  for (const round of ['while its owner is there', 'after a restart']) {
    if (round === 'after a restart') {
      await hub.kill();
      await hub.start();
    }
    const bob = await guest(hub, issue({ sub: 'bob' }));
    bob.open(1, [anns]); // as his own
    assert.equal((await bob.told('CLOSE', 1)).code, 'REPLICA_IN_USE', round);
    bob.open(2, [bobs, anns]); // as an outbox that he brings along
    await bob.told('OPENED', 2);
    bob.like(2, anns, 2, 1000);
    const { code, seq, replica } = await bob.told('REJECT', 2);
    assert.deepEqual([code, seq, Buffer.from(replica).equals(Buffer.from(anns))], ['FORBIDDEN', 2, true], round);
    assert.equal(await likes(hub, issue()), 3, round);
    bob.peer.socket.destroy();
  }
  const again = await guest(hub, issue({ sub: 'ann' }));
  again.open(1, [anns]);
  await again.told('OPENED', 1);
  again.like(1, null, 2, 4); // what bob was refused was not spent
  assert.equal((await again.told('ACK', 1)).seq, 2);
  assert.equal(await likes(hub, issue()), 4);
});

test('a name that tries to be another document is refused, or is a document of its own', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const [ann, bob] = [issue({ sub: 'ann' }), issue({ sub: 'bob' })];
  await ask(hub, 'POST', '/api/documents/cart/ann/likes/increment', { token: ann });
  const names = [
    ['../cart/ann', 'BAD_NAME'], ['/cart/ann', 'BAD_NAME'], ['post', 'BAD_NAME'], ['post/', 'BAD_NAME'], ['post/a\nb', 'BAD_NAME'], ['post/\x7f', 'BAD_NAME'],
    ['cart/ann\0', 'BAD_NAME'], ['cart/bob\0', 'BAD_NAME'], ['cart/bob\0/../ann', 'BAD_NAME'], ['post/1\0', 'BAD_NAME'],
    ['cart/bob/', 'FORBIDDEN'], ['cart//bob', 'FORBIDDEN'], ['cart/BOB', 'FORBIDDEN'], ['CART/bob', 'FORBIDDEN'], ['cart/b%6fb', 'FORBIDDEN'], ['cart/./bob', 'FORBIDDEN'],
    ['cart/bob/../ann', 'FORBIDDEN'], ['cart/*', 'FORBIDDEN'], ['cart/{sub}', 'FORBIDDEN'],
    ['post/../cart/ann', undefined], ['post/../../etc/passwd', undefined], ['post/%2e%2e/cart/ann', undefined], ['post/..', undefined],
  ];
  const socket = await guest(hub, bob);
  for (const [i, [name, code]] of names.entries()) {
    const replica = mint();
    socket.open(i + 1, [replica], name);
    const answer = await until(() => socket.packets().find(({ id }) => id === i + 1), `an answer to ${JSON.stringify(name)}`);
    assert.equal(answer.code, code, `${JSON.stringify(name)}: ${JSON.stringify(answer.type)}`);
    const asked = await ask(hub, 'GET', `/api/document?name=${encodeURIComponent(name)}`, { token: bob });
    if (code === undefined) assert.deepEqual([asked.status, asked.json.document, asked.json.position], [200, name, 0]);
    else assert.equal(asked.json.code, name.includes('\0') ? 'BAD_REQUEST' : code, `${JSON.stringify(name)} by HTTP: ${asked.text}`);
  }
  assert.equal(await likes(hub, ann, 'cart/ann'), 1);
});

/** Targets that lead out of where they begin, for whoever decodes once, twice, or as another system does; `fetch` would straighten them. */
const tricks = [
  '/../etc/passwd', '/..', '/console/../../etc/passwd', '/./etc/passwd', '/%2e%2e/etc/passwd', '/%2E%2E/etc/passwd', '/.%2e/etc/passwd', '/..%2fetc/passwd', '/..%2Fetc%2Fpasswd',
  '/%2e%2e%2fetc%2fpasswd', '/%252e%252e/etc/passwd', '/..%252fetc/passwd', '/%c0%ae%c0%ae/etc/passwd', '/..%c0%afetc/passwd', '/..\\..\\etc\\passwd', '/..%5c..%5cetc',
  '//etc/passwd', '///etc/passwd', '/%2fetc/passwd', '/etc/passwd', '/hub.db', '/style.css/', '/style.css%20', '/style.css.', '/STYLE.CSS', '/style.css;a', '/console/..;/health',
  '/%zz', '/%', '/%4', '/a%0d%0aset-cookie:x', 'style.css', '*', 'http://127.0.0.1/../etc/passwd', 'file:///etc/passwd',
];

for (const [over, secure] of [['TCP', false], ['TLS', true]]) {
  test(`${over}: a target that tries to leave the pages finds nothing`, { timeout: 60000 }, async (t) => {
    const authority = secure ? makeAuthority(t) : undefined;
    const files = authority?.issue();
    const hub = await hubFor(t, secure ? { tls: authority.trust, config: `tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}` } : {});
    for (const target of tricks) {
      const answer = await sent(hub, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      if (answer.status === 404) assertRefused(answer, 404, 'NOT_FOUND', target);
      else assertRefused(answer, 400, 'BAD_REQUEST', target);
    }
    await hub.endsWell();
  });
}

test('a path that tries to be another one of the API finds nothing, and nothing is opened for it', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t, { tokens: allow, schemas });
  const token = issue({ sub: 'bob' });
  for (const [path, status, code] of [
    ['/api/documents/post/../cart/ann', 400, 'BAD_REQUEST'], ['/api/documents/post/%2e%2e/cart/ann', 400, 'BAD_REQUEST'], ['/api/documents/post%2f1', 400, 'BAD_REQUEST'],
    ['/api/documents/post/..%2fcart%2fann', 400, 'BAD_REQUEST'], ['/api/../health', 400, 'BAD_REQUEST'], ['/api/documents/cart/./ann', 400, 'BAD_REQUEST'],
    ['/api//documents/cart/ann', 404, 'NOT_FOUND'], ['//api/documents/cart/ann', 404, 'NOT_FOUND'], ['/API/documents/cart/ann', 404, 'NOT_FOUND'],
    ['/api/documents//cart/ann', 404, 'NOT_FOUND'], ['/api/documents/cart/ann/', 404, 'NOT_FOUND'], ['/api/documents/cart/%61nn', 403, 'FORBIDDEN'],
    ['/api/documents/cart/%2561nn', 403, 'FORBIDDEN'], ['/api/documents/%63art/ann', 403, 'FORBIDDEN'], ['/api/document?name=cart%2Fann', 403, 'FORBIDDEN'],
  ]) {
    const answer = await sent(hub, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    assert.deepEqual([answer.status, JSON.parse(answer.text).code], [status, code], `${path}: ${answer.text}`);
  }
  const { json } = await ask(hub, 'GET', '/api/documents', { token: issue({ admin: true }) });
  assert.deepEqual(json.documents, []);
});

test('a NUL in a target ends the request, and is no end of the path', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t);
  for (const target of ['/style.css%00', '/health%00.css', '/%00', '/api/documents/post/1%00', '/style.css\0']) {
    const answer = await sent(hub, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    assertRefused(answer, 400, 'BAD_REQUEST', JSON.stringify(target));
  }
  await hub.endsWell();
});

test('a page of a foreign origin is refused by its code, for a WebSocket and for HTTP', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { config: 'allowed_origins: ["https://app.example"]\ninternal: "127.0.0.1:0"' });
  await until(() => hub.internal !== undefined, 'the internal address');
  const foreign = ['https://evil.example', 'null', `https://app.example.evil.example`, `http://127.0.0.1:${hub.port}.evil.example`, 'http://app.example', 'https://app.example:444'];
  for (const origin of foreign) {
    for (const port of [hub.port, Number(new URL(hub.internal).port)]) {
      const peer = new Peer({ port });
      const request = peer.request({ Origin: origin }).toString();
      peer.socket.destroy();
      assertRefused(await sent({ port }, request), 403, 'FOREIGN_ORIGIN', origin);
    }
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      assertProblem(await ask(hub, method, '/api/documents/post/1', { headers: { origin } }), 403, 'FOREIGN_ORIGIN');
    }
  }
  for (const path of ['/api/documents/post/1', '/health']) {
    assertRefused(await sent(hub, `GET ${path} HTTP/1.1\r\nHost: evil.example:${hub.port}\r\n\r\n`), 403, 'FOREIGN_HOST', path);
  }
  await hub.endsWell();
});

test('a head or a body beyond its bound is refused by its code, and what came with it counts nothing', { timeout: 60000 }, async (t) => {
  const hub = await hubFor(t, { config: 'limits: {request_bytes: 4 KiB, message_bytes: 64 KiB}' });
  const path = '/api/documents/post/1/likes/increment';
  const post = (length, body, more = '') => `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n${body}`;
  const long = JSON.stringify({ by: 1, x: 'x'.repeat(5000) });
  for (const [what, text, status, code] of [
    ['a long header', `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\na: ${'x'.repeat(20000)}\r\n\r\n`, 431, 'HEAD_TOO_LONG'],
    ['many headers', `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(3000)}\r\n`, 431, 'HEAD_TOO_LONG'],
    ['a long target', `GET /api/${'x'.repeat(20000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 431, 'HEAD_TOO_LONG'],
    ['a long token', `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${'x'.repeat(20000)}\r\n\r\n`, 431, 'HEAD_TOO_LONG'],
    ['a head without an end', `POST ${path} HTTP/1.1\r\na: ${'x'.repeat(13000)}`, 431, 'HEAD_TOO_LONG'],
    ['a long body', post(long.length, long), 413, 'TOO_LONG'],
    ['a body beyond all', post(999999999999, ''), 413, 'TOO_LONG'],
    ['a length beyond all', post('9'.repeat(30), ''), 400, 'BAD_REQUEST'],
    ['two lengths', post(10, '{"by": 10}', 'Content-Length: 1\r\n'), 400, 'BAD_REQUEST'],
    ['a length and chunks', post(10, '{"by": 10}', 'Transfer-Encoding: chunked\r\n'), 411, 'LENGTH_REQUIRED'],
    ['chunks', `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{"by": 10}\r\n0\r\n\r\n`, 411, 'LENGTH_REQUIRED'],
    ['another version', `GET ${path} HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n`, 505, 'HTTP_VERSION'],
  ]) {
    assertRefused(await sent(hub, text), status, code, what);
  }
  const { status, json } = await ask(hub, 'GET', '/api/documents');
  assert.deepEqual([status, json.documents], [200, []]);
  const refused = await sent(hub, post(long.length, long, 'X-Request-Id: order-17\r\n'));
  assert.equal(JSON.parse(refused.text).request_id, 'order-17');
  await hub.endsWell();
});

test('docs/security.md tells of each attempt where it is made', () => {
  const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const table = /## Attempts\n([\s\S]*?)\n## /.exec(page)[1];
  const rows = [...table.matchAll(/^\| (?!attempt|-)([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];
  assert.ok(rows.length >= 15, `${rows.length} rows`);
  const errors = ['errors.md', 'http.md', 'webhooks.md'].map((name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')).join();
  for (const [, attempt, codes, tests] of rows) {
    for (const [, code] of codes.matchAll(/`([A-Z_]+)`/g)) assert.ok(errors.includes(`\`${code}\``), `${attempt}: ${code}`);
    const named = [...tests.matchAll(/`(\w[\w-]*)`: ([^;]+)/g)];
    assert.ok(named.length > 0, attempt);
    for (const [, file, title] of named) {
      assert.ok(readdirSync(new URL('.', import.meta.url)).includes(`${file}.test.mjs`), file);
      const text = readFileSync(new URL(`${file}.test.mjs`, import.meta.url), 'utf8');
      assert.ok(text.includes(title.trim().replaceAll('\'', '\\\'')), `${attempt}: ${file} has no test "${title.trim()}"`);
    }
  }
});
