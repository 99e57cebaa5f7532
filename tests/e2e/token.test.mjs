/**
 * Goal:   a hub with keys lets in who has a token, and whatever happens to tokens, no client stops and no edit is lost or counted twice.
 * Method: a real hub, the package in Node and in Chromium, and tokens that the test signs, with lives of seconds. A second client counts
 *         what the hub has.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { encodePacket } from 'syncline/internal/protocol/every';
import { dial } from './packets.mjs';
import { bundle, launchOptions, servePage } from './pages.mjs';
import { bin, health, run, until } from './support.mjs';
import { makeToken, startHubWithKeys } from './tokens.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

/** A client whose statuses and errors are kept. */
function member(t, hub, token) {
  const client = connect(hub.url, { schema, token });
  const statuses = [];
  const errors = [];
  client.on('status', (status) => statuses.push(status));
  client.on('error', ({ code }) => errors.push(code));
  t.after(() => client.close());
  return { client, doc: client.open('post/1'), statuses, errors };
}

async function hubHas(t, { hub, issue }, likes) {
  const { doc } = member(t, hub, issue());
  await doc.synced;
  assert.equal(doc.likes.value, likes);
}

/** What the hub answers to HELLO: packets, and how it closes. */
async function greet(hub, options, more = []) {
  const { socket, packets } = await dial(hub);
  socket.send(Buffer.concat([{ type: 'HELLO', id: 0, version: 1, ...options }, ...more].map(encodePacket)));
  const closed = once(socket, 'close');
  await Promise.race([closed, once(socket, 'message')]);
  if (packets.some(({ type }) => type === 'WELCOME')) socket.close();
  const [code, reason] = await closed;
  return { packets, code, reason: reason.toString() };
}

test('who has a good token is let in, and who has none is told why', { timeout: 20000 }, async (t) => {
  const { hub, issue, publicKeys } = await startHubWithKeys(t);
  for (const algorithm of ['HS256', 'RS256', 'ES256']) {
    const { packets } = await greet(hub, { token: issue({ algorithm }) });
    assert.deepEqual(packets.map(({ type }) => type), ['WELCOME'], algorithm);
  }
  const ann = { sub: 'ann', exp: Date.now() / 1000 + 3600 };
  for (const [token, code] of [
    [undefined, 'TOKEN_REQUIRED'],
    [issue({ life: -1 }), 'TOKEN_EXPIRED'],
    [issue({ key: 'another secret' }), 'TOKEN_INVALID'],
    [issue({ nbf: Date.now() / 1000 + 60 }), 'TOKEN_INVALID'],
    [issue({ sub: '' }), 'TOKEN_INVALID'],
    [makeToken('none', '', ann), 'TOKEN_INVALID'],
    [makeToken('HS256', publicKeys.RS256, ann), 'TOKEN_INVALID'],
    ['x'.repeat(8192), 'TOKEN_INVALID'],
  ]) {
    const edit = { type: 'CALL', id: 1, method: 'schema', parameters: {} };
    const { packets: [error, ...rest], code: closed, reason } = await greet(hub, token === undefined ? {} : { token }, [edit]);
    assert.deepEqual([error.type, error.id, error.code], ['ERROR', 0, code]);
    assert.match(error.text, /^The .*\.$/);
    assert.deepEqual([rest, closed, reason], [[], 4401, code]);
  }
  await until(async () => (await health(hub)).connections === 0, 'nobody is left');
});

test('a token of three seconds is renewed again and again on one connection', { timeout: 60000 }, async (t) => {
  const world = await startHubWithKeys(t);
  let asked = 0;
  const { client, doc, statuses, errors } = member(t, world.hub, async () => {
    asked += 1;
    return world.issue({ life: 3 });
  });
  await doc.synced;
  let likes = 0;
  await until(() => {
    doc.likes.increment();
    likes += 1;
    return asked === 5; // eight seconds: longer than any of the tokens, and the hub's leeway, would last
  }, 'four renewals', 30000);
  await doc.saved;
  assert.deepEqual([client.status, statuses, errors], ['online', ['online'], []]);
  assert.doesNotMatch(world.hub.log, /close connection/);
  await hubHas(t, world, likes);
});

test('a token that expires while offline costs a question, not the edits', { timeout: 60000 }, async (t) => {
  const world = await startHubWithKeys(t);
  const old = world.issue({ life: 2 });
  const tokens = [old, old, world.issue()];
  const { client, doc, errors } = member(t, world.hub, () => tokens.shift());
  await doc.synced;
  client.disconnect();
  for (let i = 0; i < 10; i++) doc.likes.increment();
  await until(async () => (await greet(world.hub, { token: old })).code === 4401, 'the token has expired');
  client.reconnect();
  await doc.saved;
  assert.deepEqual(errors, ['TOKEN_EXPIRED']);
  assert.deepEqual(tokens, []);
  await hubHas(t, world, 10);
});

test('an app whose token fails twice loses nothing that is edited meanwhile', { timeout: 60000 }, async (t) => {
  const world = await startHubWithKeys(t);
  const answers = [() => { throw new Error('no network'); }, () => Promise.reject(new Error('no session')), () => world.issue()];
  const { client, doc, errors } = member(t, world.hub, () => answers.shift()());
  client.on('error', () => doc.likes.increment());
  doc.likes.increment();
  await doc.saved;
  assert.deepEqual(errors, ['TOKEN', 'TOKEN']);
  await hubHas(t, world, 3);
});

test('a client that brings no fresh token in time is sent away, comes back, and its edits count once', { timeout: 60000 }, async (t) => {
  const world = await startHubWithKeys(t);
  let asked = 0;
  let signedIn = false;
  const { client, doc, statuses, errors } = member(t, world.hub, () => {
    asked += 1;
    if (asked === 1) return world.issue({ life: 2 });
    if (asked === 2) return world.issue({ life: 2, sub: 'bob' }); // somebody else's
    if (!signedIn) throw new Error('signed out');
    return world.issue();
  });
  let likes = 0;
  const edit = () => {
    doc.likes.increment();
    likes += 1;
  };
  await until(() => {
    edit();
    return errors.includes('TOKEN_EXPIRED');
  }, 'the end of the token');
  assert.ok(errors.includes('TOKEN_INVALID'), 'another principal is not let in on this connection');
  for (let i = 0; i < 5; i++) edit();
  assert.ok(doc.pending > 0);
  signedIn = true;
  await doc.saved;
  assert.equal(client.status, 'online');
  assert.deepEqual(statuses, ['online', 'connecting', 'online']);
  await hubHas(t, world, likes);
});

test('the command line makes tokens for trials, and brings along what a file holds', { timeout: 60000 }, async (t) => {
  const { hub, issue, secretFile } = await startHubWithKeys(t);
  const file = join(hub.dir, 'token');
  const make = ['token', '--secret-file', secretFile, '--sub', 'ann'];
  const made = await run('syncline', [...make, '--expires', '2m', '--admin']);
  assert.equal(made.code, 0, made.stderr);
  const { iat, ...claims } = JSON.parse(Buffer.from(made.stdout.split('.')[1], 'base64url'));
  assert.deepEqual(claims, { sub: 'ann', exp: iat + 120, admin: true });
  writeFileSync(file, made.stdout);
  const edit = ['--hub', hub.url, '--token-file', file, 'increment', 'post/1', 'likes'];
  assert.equal((await run('syncline', edit)).code, 0);

  writeFileSync(file, issue({ life: -1 }));
  const late = await run('syncline', edit);
  assert.deepEqual([late.code, late.stderr], [1, 'syncline: TOKEN_EXPIRED: The token has expired; bring a fresh one.\n']);
  const bare = await run('syncline', ['--hub', hub.url, 'get', 'post/1']);
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /^syncline: TOKEN_REQUIRED: /);
  for (const [args, mistake] of [
    [['--token-file', join(hub.dir, 'none'), 'get', 'post/1'], /the token's file: No such file/],
    [['token'], /token needs --secret-file and --sub/],
    [[...make, '--expires', '2'], /--expires takes a time/],
    [[...make, '--expires', '99999999999999999999d'], /--expires takes a time/],
    [['token', '--secret-file', hub.file, '--sub', ''], /--sub takes/],
    [['token', '--secret-file', hub.dir, '--sub', 'ann'], /Is a directory/],
    [['token', '--secret-file', '/dev/null', '--sub', 'ann'], /nothing, or far too much/],
    [['token', '--secret-file', '/dev/zero', '--sub', 'ann'], /nothing, or far too much/],
  ]) {
    const { code, stderr } = await run('syncline', ['--hub', hub.url, ...args]);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, mistake);
  }
});

test('the command line reads its file again when the hub wants a fresh token', { timeout: 60000 }, async (t) => {
  const { hub, issue } = await startHubWithKeys(t);
  const file = join(hub.dir, 'token');
  writeFileSync(file, issue({ life: 3 }));
  const child = spawn(join(bin, 'syncline'), ['--hub', hub.url, '--token-file', file, 'watch', 'post/1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, '{"likes":0,"stock":0,"tags":[]}');
  const first = readFileSync(file, 'utf8');
  writeFileSync(file, issue());
  await until(async () => (await greet(hub, { token: first })).code === 4401, 'the first token has expired');
  const { doc } = member(t, hub, issue());
  doc.likes.increment();
  assert.equal((await lines.next()).value, '{"likes":1,"stock":0,"tags":[]}');
  assert.equal([...hub.log.matchAll(/close connection/g)].length, [...hub.log.matchAll(/token-refused/g)].length, 'only those that asked');
});

/** A page whose client begins when it is told to, and a hub for it. `sign` of the app may be another at any time. */
async function openPage(t, app) {
  const origin = await servePage(t, await bundle('token.js'), { worker: true });
  const world = await startHubWithKeys(t, { config: `allowed_origins: ["${origin}"]` });
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.exposeFunction('sign', () => {
    app.asked += 1;
    return app.sign(world);
  });
  await page.goto(origin);
  await page.waitForFunction(() => window.begin !== undefined);
  return { page, world };
}

for (const share of [true, false]) {
  test(`a page ${share ? 'that shares its connection' : 'with its own connection'} renews its token without a word, and goes on after it has expired`, { timeout: 120000 }, async (t) => {
    const app = { asked: 0, sign: ({ issue }) => issue({ life: 3 }) };
    const { page, world } = await openPage(t, app);
    await page.evaluate(([url, shared]) => window.begin(url, shared), [world.hub.url, share]);
    await page.evaluate(() => window.post.synced);
    const edit = (count) => page.evaluate((times) => { for (let i = 0; i < times; i++) window.post.likes.increment(); }, count);
    await edit(2);
    await until(() => app.asked >= 4, 'three renewals', 30000);
    await page.evaluate(() => window.post.saved);
    assert.deepEqual(await page.evaluate(() => [window.errors, window.statuses]), [[], ['online']]);
    assert.equal(await page.evaluate(() => window.client.mode), share ? 'shared-worker' : 'own');
    assert.doesNotMatch(world.hub.log, /close connection/);

    app.sign = () => { throw new Error('signed out'); };
    await page.waitForFunction(() => window.errors.includes('TOKEN_EXPIRED'));
    await edit(3);
    app.sign = ({ issue }) => issue();
    await page.evaluate(() => window.post.saved);
    assert.equal(await page.evaluate(() => window.errors.filter((code) => code === 'TOKEN_EXPIRED').length), 1);
    await world.hub.logs(/close connection=\d+ code=4401 reason="TOKEN_EXPIRED"/);
    await hubHas(t, world, 5);
  });
}
