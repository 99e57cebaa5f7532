/**
 * Goal:   other programs are told what has changed, signed, in order, and as it stands; and what one of them does is
 *         nothing to the hub, nor to the others.
 * Method: real receivers on loopback, which answer late, wrongly, for ever or not at all; what they store from the
 *         messages is compared with what the hub's own client shows.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect } from 'syncline';
import { ask } from './http.mjs';
import { mounted } from './mounts.mjs';
import { folder, sleep, until } from './support.mjs';
import { isSigned, newSecret, receiver, startHubWithWebhooks, stored, syncline, target } from './webhooks.mjs';

function client(t, hub) {
  const one = connect(hub.url);
  t.after(() => one.close());
  return one;
}

async function open(one, name) {
  const doc = one.open(name);
  await doc.ready;
  return doc;
}

test('a target is told what has changed, signed, with its position', { timeout: 60000 }, async (t) => {
  const secret = newSecret();
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: `${at.url}?token=s3cret`, secret }], {
    schemas: 'post: {likes: g-counter, tags: {type: or-set, of: string}}\n  cart: {items: g-counter}',
  });
  await syncline(hub, 'increment', 'post/1', 'likes', '3');
  await until(() => at.got.length === 1, 'the first message');
  await syncline(hub, 'increment', 'cart/1', 'items');
  await syncline(hub, 'add', 'post/1', 'tags', 'a"ü', 'b');
  await until(() => at.got.length === 2, 'the second message');
  const [first, second] = at.got;
  assert.deepEqual(first.changes, { likes: 3 });
  assert.deepEqual(second.changes, { tags: ['a"ü', 'b'] });
  assert.deepEqual([first.target, first.document, first.position], ['orders', 'post/1', 1]);
  assert.ok(second.after >= first.position && second.position > second.after);
  assert.match(first.journal, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(Date.now() - Date.parse(first.at)) < 60000);
  for (const request of at.requests) {
    assert.ok(isSigned(secret, request));
    assert.equal(request.headers['webhook-id'], JSON.parse(request.body).id);
    assert.deepEqual([request.method, request.headers['content-type'], request.url], ['POST', 'application/json', '/hook?token=s3cret']);
  }
  assert.notEqual(first.id, second.id);
  const seen = await target(hub);
  assert.deepEqual([seen.url, seen.delivered, seen.failed, seen.owed, seen.last_status], [at.url, 2, 0, 0, 200]);
  assert.ok(!hub.log.includes('s3cret') && !hub.log.includes(secret));
});

test('two secrets sign each message', { timeout: 60000 }, async (t) => {
  const secrets = [newSecret(), newSecret()];
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url, secret: secrets.join('\n') }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.got.length === 1, 'a message');
  assert.ok(secrets.every((secret) => isSigned(secret, at.requests[0])));
});

test('a reload changes the secrets, and nothing else of a webhook', { timeout: 60000 }, async (t) => {
  const [old, fresh] = [newSecret(), newSecret()];
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url, secret: old }]);
  const text = readFileSync(hub.file, 'utf8');
  const [, file] = /"secret_file":"([^"]+)"/.exec(text);
  const signers = async (reloads) => {
    const [before, count] = [hub.log.length, at.got.length];
    hub.process.kill('SIGHUP');
    await until(() => reloads.test(hub.log.slice(before)), 'the end of the reload');
    await syncline(hub, 'increment', 'post/1', 'likes');
    await until(() => at.got.length === count + 1, 'a message');
    return [old, fresh].map((secret) => isSigned(secret, at.requests[count]));
  };
  writeFileSync(file, `${old}\n${fresh}\n`);
  assert.deepEqual(await signers(/ reloaded/), [true, true]);
  writeFileSync(file, `${fresh}\n`);
  assert.deepEqual(await signers(/ reloaded/), [false, true]);
  writeFileSync(file, 'whsec_short\n');
  assert.deepEqual(await signers(/expected one to four secrets[^]*reload-refused/), [false, true]);
  writeFileSync(file, `${old}\n`);
  writeFileSync(hub.file, text.replace('"orders"', '"others"'));
  assert.deepEqual(await signers(/webhooks[^]*reload-refused/), [false, true]);
});

test('a slow target gets what stands, in order, one message of a document at a time', { timeout: 60000 }, async (t) => {
  const busy = new Set();
  const at = await receiver(t, {
    answer: (request, response, { document }) => {
      assert.ok(!busy.has(document), `two messages of ${document} at once`);
      busy.add(document);
      setTimeout(() => { busy.delete(document); response.end(); }, 200);
    },
  });
  const hub = await startHubWithWebhooks(t, [{ url: at.url, parallel: 2 }]);
  const one = client(t, hub);
  const docs = await Promise.all(['post/a', 'post/b', 'post/c'].map((name) => open(one, name)));
  for (let i = 0; i < 100; i++) {
    for (const doc of docs) doc.likes.increment();
    await docs[0].saved;
    await sleep(5);
  }
  await until(() => docs.every((doc) => stored(at.got)[doc.name]?.likes === 100), 'what stands');
  assert.ok(at.got.length < 100, `${at.got.length} messages`);
  assert.equal(at.most, 2);
  for (const { name } of docs) {
    const chain = at.got.filter(({ document }) => document === name);
    for (let i = 1; i < chain.length; i++) {
      assert.ok(chain[i].position > chain[i - 1].position);
      assert.equal(chain[i].after, chain[i - 1].position);
    }
  }
});

test('what fails is tried again, with what stands by then', { timeout: 60000 }, async (t) => {
  const statuses = [500, 503, 302, 429];
  const at = await receiver(t, {
    answer: (request, response) => {
      const status = statuses.shift() ?? 204;
      if (status === 429) response.setHeader('retry-after', '1');
      if (status === 302) response.setHeader('location', `http://127.0.0.1:${at.port}/elsewhere`);
      response.writeHead(status).end();
      at.at = [...(at.at ?? []), Date.now()];
    },
  });
  const hub = await startHubWithWebhooks(t, [{ url: at.url, retry_min: '1s', retry_max: '1s', failures: 100 }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.got.length === 1, 'the first attempt');
  await syncline(hub, 'increment', 'post/1', 'likes', '4');
  await until(() => at.got.length === 5, 'the fifth attempt');
  assert.deepEqual(at.got[4].changes, { likes: 5 });
  assert.equal(at.got[4].after, 0);
  assert.ok(at.at[4] - at.at[3] >= 990, 'Retry-After was not honoured');
  assert.ok(at.requests.every(({ url }) => url === '/hook'), 'a redirect was followed');
  await until(async () => (await target(hub)).delivered === 1, 'the delivery');
  assert.equal((await target(hub)).failed, 4);
});

test('what is refused is a dead letter, is a gap only, and can be sent again', { timeout: 60000 }, async (t) => {
  let refuses = true;
  const at = await receiver(t, {
    answer: (request, response, { document }) => response.writeHead(refuses && document === 'post/bad' ? 422 : 200).end(),
  });
  const hub = await startHubWithWebhooks(t, [{ url: at.url }]);
  await syncline(hub, 'increment', 'post/bad', 'likes');
  await until(async () => (await target(hub)).letters === 1, 'a dead letter');
  await syncline(hub, 'increment', 'post/good', 'likes');
  refuses = false;
  await syncline(hub, 'increment', 'post/bad', 'stock');
  await until(() => stored(at.got)['post/bad'].stock === 1, 'a later change');
  assert.deepEqual(at.got.at(-1).changes, { stock: 1 });
  const letters = await until(async () => {
    const found = await syncline(hub, 'webhooks', 'dead', 'orders');
    return found.length === 1 && found;
  }, 'the dead letter in its table');
  assert.deepEqual([letters[0].document, letters[0].after, letters[0].status, letters[0].attempts], ['post/bad', 0, 422, 1]);
  await hub.logs(/webhook-dead target=orders document="post\/bad" status=422/);
  assert.deepEqual(await syncline(hub, 'webhooks', 'resend', 'orders', String(letters[0].id + 7)), [{ resent: 0 }]);
  const before = at.got.length;
  assert.deepEqual(await syncline(hub, 'webhooks', 'resend', 'orders', String(letters[0].id)), [{ resent: 1 }]);
  await until(() => at.got.length > before, 'what was resent');
  assert.deepEqual(at.got.at(-1).changes, { likes: 1, stock: 1 });
  await until(async () => (await syncline(hub, 'webhooks', 'dead', 'orders')).length === 0, 'no dead letter');
  await assert.rejects(syncline(hub, 'webhooks', 'dead', 'nobody'), /There is no webhook of this name/);
});

test('attempts are counted, and then a document is given up', { timeout: 60000 }, async (t) => {
  const at = await receiver(t, { answer: (request, response) => response.writeHead(500).end() });
  const hub = await startHubWithWebhooks(t, [{ url: at.url, attempts: 2, retry_min: '1s', retry_max: '1s' }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(async () => (await target(hub)).dead === 1, 'a dead letter');
  assert.equal(at.got.length, 2);
  assert.equal(at.got[0].id, at.got[1].id);
});

test('a target that hangs slows neither the hub nor another target', { timeout: 60000 }, async (t) => {
  const hanging = await receiver(t, { answer: () => {} });
  const good = await receiver(t);
  const hub = await startHubWithWebhooks(t, [
    { name: 'hanging', url: hanging.url, timeout: '1s', failures: 2, retry_min: '1s', retry_max: '1s' },
    { name: 'good', url: good.url },
  ]);
  const one = client(t, hub);
  const docs = await Promise.all(Array.from({ length: 20 }, (_, i) => open(one, `post/${i}`)));
  for (let round = 0; round < 5; round++) {
    for (const doc of docs) doc.likes.increment();
    await Promise.all(docs.map((doc) => doc.saved));
  }
  await until(() => docs.every(({ name }) => stored(good.got)[name]?.likes === 5), 'what the good one stores');
  const seen = await until(async () => {
    const found = await target(hub, 'hanging');
    return found.open && found;
  }, 'the open breaker');
  assert.equal(seen.delivered, 0);
  assert.equal(seen.owed, 20);
  assert.ok(hanging.most <= 4);
  await hub.logs(/webhook-open target=hanging/);
  hanging.answer = (request, response) => response.end();
  await until(() => docs.every(({ name }) => stored(hanging.got)[name]?.likes === 5), 'what the other stores at last');
  await until(() => hub.log.includes('webhook-closed target=hanging'), 'the closed breaker');
  assert.equal((await target(hub, 'good')).failed, 0);
});

/** A name server on an address of its own, which hears of queries and answers none; undefined where nobody may be one. */
async function silentNameServer(t) {
  const self = { address: `127.53.${randomInt(1, 255)}.${randomInt(1, 255)}`, heard: 0 };
  const socket = createSocket('udp4', () => { self.heard++; });
  const bound = once(socket, 'listening').then(() => true, () => false);
  socket.bind(53, self.address);
  if (!await bound) return undefined;
  t.after(() => socket.close());
  return self;
}

test('a name server that does not answer slows neither the hub nor its stop', { timeout: 60000 }, async (t) => {
  const names = await silentNameServer(t);
  if (names === undefined) return t.skip('port 53 cannot be had here');
  const mount = await mounted(t, `echo "nameserver ${names.address}" >$1/conf && echo "options timeout:30 attempts:5" >>$1/conf && mount --bind $1/conf /etc/resolv.conf`);
  if (mount.reason !== undefined) return t.skip(mount.reason);
  const hub = await startHubWithWebhooks(t, [{ url: 'http://hooks.example.test/', timeout: '1s', retry_min: '1s', retry_max: '1s' }], { wrap: mount.wrap });
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => names.heard > 0, 'a query');
  await until(() => hub.log.includes('webhook-failed'), 'the end of an attempt');
  assert.equal((await ask(hub, 'POST', '/api/documents/post/2/likes/increment')).status, 200);
  await until(async () => (await target(hub)).failed >= 2, 'another attempt');
  assert.equal(await hub.stop(), 0);
});

test('an endless answer is cut off, and counts by its status', { timeout: 60000 }, async (t) => {
  let sent = 0;
  const at = await receiver(t, {
    answer: (request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(16384))) sent += 16384;
      };
      response.on('drain', more);
      more();
    },
  });
  const hub = await startHubWithWebhooks(t, [{ url: at.url }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(async () => (await target(hub)).delivered === 1, 'the delivery');
  await until(() => at.now === 0, 'the end of the answer');
  assert.ok(sent < 64 << 20);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.got.length === 2, 'the next message');
});

test('nobody listens, and then somebody does', { timeout: 60000 }, async (t) => {
  const gone = await receiver(t);
  await gone.close();
  const hub = await startHubWithWebhooks(t, [{ url: gone.url, retry_min: '1s', retry_max: '1s' }]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  const seen = await until(async () => {
    const found = await target(hub);
    return found.failed > 0 && found;
  }, 'a failure');
  assert.equal(seen.last_status, 0);
  assert.match(seen.last_reason, /connect/i);
  const back = await receiver(t, { port: gone.port });
  await until(() => back.got.length === 1, 'the message');
});

test('certificates are checked', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, '-days', '2',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
  const at = await receiver(t, { server: createServer({ key: readFileSync(key), cert: readFileSync(certificate) }) });
  const url = at.url.replace('http:', 'https:');
  const hub = await startHubWithWebhooks(t, [
    { name: 'wary', url: `${url}?wary` },
    { name: 'knowing', url: `${url}?knowing`, ca_file: certificate },
  ]);
  await syncline(hub, 'increment', 'post/1', 'likes');
  await until(() => at.requests.length === 1, 'a message');
  assert.equal(at.requests[0].url, '/hook?knowing');
  const wary = await until(async () => {
    const found = await target(hub, 'wary');
    return found.failed > 0 && found;
  }, 'a failure');
  assert.match(wary.last_reason, /certificate/i);
  assert.equal(at.requests.length, 1);
});

test('what is too long is named, with the place to read it', { timeout: 60000 }, async (t) => {
  const at = await receiver(t);
  const hub = await startHubWithWebhooks(t, [{ url: at.url, body_bytes: '1 KiB' }]);
  await syncline(hub, 'add', 'post/a b', 'tags', ...Array.from({ length: 40 }, (_, i) => `${i}-${'x'.repeat(40)}`));
  await until(() => at.got.length === 1, 'a message');
  const [{ truncated, fields, href, changes }] = at.got;
  assert.deepEqual([truncated, fields, href, changes], [true, ['tags'], '/api/documents/post/a%20b', undefined]);
});

test('a receiver made as the documentation says takes messages and refuses what is forged or replayed', { timeout: 60000 }, async (t) => {
  const text = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
  const file = join(folder(t), 'receiver.mjs');
  writeFileSync(file, /```js\n([\s\S]*?)```/.exec(text)[1]);
  const secret = newSecret();
  const probe = await receiver(t);
  await probe.close();
  const child = spawn(process.execPath, [file], { env: { ...process.env, WEBHOOK_SECRET: secret, PORT: String(probe.port) }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = createInterface(child.stdout);
  const relay = await receiver(t, {
    answer: async (request, response) => {
      const { headers, body } = relay.requests.at(-1);
      relay.sent = { headers: { ...headers, host: undefined }, body };
      response.writeHead((await send(relay.sent)).status).end();
    },
  });
  const send = ({ headers, body }) => {
    const wanted = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('webhook-')));
    return fetch(probe.url, { method: 'POST', headers: wanted, body });
  };
  await until(async () => (await fetch(probe.url)).status === 405, 'the receiver');
  const hub = await startHubWithWebhooks(t, [{ url: relay.url, secret }]);
  const told = once(lines, 'line');
  await syncline(hub, 'increment', 'post/1', 'likes', '2');
  assert.equal((await told)[0], 'post/1 1 {"likes":2}');
  await until(async () => (await target(hub)).delivered === 1, 'the delivery');
  const { headers, body } = relay.sent;
  assert.equal((await send({ headers, body })).status, 409);
  assert.equal((await send({ headers, body: body.replace('"likes":2', '"likes":3') })).status, 401);
  assert.equal((await send({ headers: { ...headers, 'webhook-id': 'msg_other' }, body })).status, 401);
  const later = String(Number(headers['webhook-timestamp']) + 1);
  assert.equal((await send({ headers: { ...headers, 'webhook-timestamp': later }, body })).status, 401);
  const old = String(Math.floor(Date.now() / 1000) - 3600);
  const signed = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${headers['webhook-id']}.${old}.${body}`).digest('base64');
  assert.equal((await send({ headers: { ...headers, 'webhook-timestamp': old, 'webhook-signature': `v1,${signed}` }, body })).status, 400);
});
