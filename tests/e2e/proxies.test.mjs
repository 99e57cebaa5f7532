/**
 * Goal:   docs/proxies.md's files let browsers and programs through to the hub, idle ones too, and nothing that the hub would refuse.
 * Method: Debian's nginx and Caddy run the page's files; only addresses, names, certificates, and times by one factor are other ones.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { launchOptions } from './pages.mjs';
import { folder, freePort, program, startHub, until } from './support.mjs';

const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8');
const snippet = (language) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)[1];

/** What must be there is replaced, so that the page cannot change unseen. */
function replace(text, pairs) {
  return pairs.reduce((now, [from, to]) => {
    assert.ok(now.includes(from), from);
    return now.replaceAll(from, to);
  }, text);
}

/** A certificate for localhost, which clients are told to trust. */
async function certify(dir) {
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate]);
  return { key, certificate };
}

const proxies = {
  nginx({ dir, hub, port, key, certificate }) {
    writeFileSync(join(dir, 'syncline.conf'), replace(snippet('nginx'), [
      ['127.0.0.1:7962', `127.0.0.1:${hub.port}`], ['listen 443', `listen 127.0.0.1:${port}`], ['sync.example.com;', 'localhost;'], ['90s', '3s'],
      ['/etc/letsencrypt/live/sync.example.com/fullchain.pem', certificate], ['/etc/letsencrypt/live/sync.example.com/privkey.pem', key],
    ]));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
    writeFileSync(join(dir, 'nginx.conf'), `daemon off; master_process off; pid ${dir}/pid; error_log stderr warn;
      events {} http { access_log off; ${temporary} include ${dir}/syncline.conf; }`);
    return [program('usr/sbin/nginx'), ['-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')]];
  },
  caddy({ dir, hub, port, key, certificate }) {
    writeFileSync(join(dir, 'Caddyfile'), `{
      admin off
      auto_https disable_redirects
      storage file_system ${dir}
    }
    ${replace(snippet('caddyfile'), [['sync.example.com {', `https://localhost:${port} {\nbind 127.0.0.1\ntls ${certificate} ${key}`],
    ['127.0.0.1:7962', `127.0.0.1:${hub.port}`]])}`);
    return [program('usr/bin/caddy'), ['run', '--adapter', 'caddyfile', '--config', join(dir, 'Caddyfile')]];
  },
};

async function startProxy(t, name, hub) {
  const dir = folder(t);
  const port = await freePort();
  const { key, certificate } = await certify(dir);
  const [command, args] = proxies[name]({ dir, hub, port, key, certificate });
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir } });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { log += data; });
  t.after(async () => {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  });
  const ca = readFileSync(certificate);
  const origin = `https://localhost:${port}`;
  const dial = (headers = {}) => new WebSocket(`wss://localhost:${port}/`, 'syncline.v1', { ca, headers });
  const answers = () => new Promise((resolve, reject) => {
    const socket = dial().on('open', () => { socket.close(); resolve(true); }).on('error', reject);
  });
  await until(() => { if (child.exitCode !== null) throw new Error(log); return answers(); }, `${name}: ${log}`);
  return { origin, ca, dial };
}

/** A client in Node that trusts the certificate; `sockets` are those it has had. */
function joinBy(t, proxy, options) {
  const sockets = [];
  class Trusting extends WebSocket {
    constructor(url, protocol) {
      super(url, protocol, { ca: proxy.ca });
      sockets.push(this);
    }
  }
  const client = connect(`${proxy.origin.replace('https', 'wss')}/`, { WebSocket: Trusting, ...options });
  t.after(() => client.close());
  return { client, sockets };
}

const refused = (socket) => new Promise((resolve, reject) => {
  socket.on('unexpected-response', (request, { statusCode }) => { request.destroy(); resolve(statusCode); });
  socket.on('open', () => reject(new Error('it was let in')));
  socket.on('error', reject);
});
const closed = (socket) => once(socket, 'close').then(([code]) => code);
const opened = async (socket) => { await once(socket, 'open'); return socket; };

/** A request of a backend; what has come of the answer is in `text`, also before it ends. */
function ask(proxy, path, { method = 'GET', body } = {}) {
  const answer = { text: '' };
  const request = https.request(proxy.origin + path, { method, ca: proxy.ca, headers: body === undefined ? {} : { 'content-type': 'application/json' } });
  answer.ended = new Promise((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      response.on('data', (data) => { answer.text += data; }).on('error', () => {}).on('close', () => resolve(response.statusCode));
    });
  });
  answer.stop = () => request.destroy();
  request.end(body);
  return answer;
}

for (const name of Object.keys(proxies)) {
  test(`${name}: a client edits, also across a restart of the hub`, { timeout: 60000 }, async (t) => {
    const hub = await startHub(t);
    const proxy = await startProxy(t, name, hub);
    const { client } = joinBy(t, proxy);
    const [post, other] = [client.open('post/42'), joinBy(t, proxy).client.open('post/42')];
    await Promise.all([post.ready, other.ready]);
    post.likes.increment(2);
    await until(() => other.likes.value === 2, 'the edit at the other');
    await hub.stop();
    post.likes.increment();
    await hub.start();
    await post.saved;
    await until(() => other.likes.value === 3, 'the edit that waited');
  });

  test(`${name}: a backend watches, and edits as much at once as the hub takes`, { timeout: 60000 }, async (t) => {
    const proxy = await startProxy(t, name, await startHub(t));
    const watch = ask(proxy, '/api/documents/post/42/watch');
    t.after(watch.stop);
    await until(() => watch.text.includes('"likes":0'), 'the first event');
    const padded = (bytes) => '{"by": 1}'.padEnd(bytes);
    const edit = (bytes) => ask(proxy, '/api/documents/post/42/likes/increment', { method: 'POST', body: padded(bytes) }).ended;
    assert.equal(await edit(1024 * 1024), 200);
    await until(() => watch.text.includes('"likes":1'), 'the edit, at once');
    assert.equal(await edit(1024 * 1024 + 1), 413);
  });

  test(`${name}: an idle connection stays`, { timeout: 60000 }, async (t) => {
    const hub = await startHub(t, { config: 'ping: 1s' });
    const socket = await opened((await startProxy(t, name, hub)).dial());
    t.after(() => socket.terminate());
    let pings = 0;
    socket.on('message', (data) => {
      for (const packet of decodeMessage(new Uint8Array(data))) {
        if (packet.type === 'PING') {
          pings += 1;
          socket.send(encodePacket({ type: 'PONG', id: 0, token: packet.token }));
        }
      }
    });
    socket.on('ping', () => { pings += 1; });
    socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
    // Longer than the proxy waits, which is three times `ping` as on the page.
    await until(() => { assert.equal(socket.readyState, WebSocket.OPEN); return pings >= 5; }, 'five pings', 40000);
    assert.equal(socket.readyState, WebSocket.OPEN);
  });

  test(`${name}: pages of the hub may connect, others may not`, { timeout: 60000 }, async (t) => {
    const hub = await startHub(t);
    const proxy = await startProxy(t, name, hub);
    assert.equal(await refused(proxy.dial({ origin: 'https://elsewhere.example' })), 403);
    assert.equal(await refused(proxy.dial({ origin: proxy.origin.replace('localhost', 'localhost.example') })), 403);
    const browser = await chromium.launch({ ...launchOptions, args: [...launchOptions.args, '--ignore-certificate-errors'] });
    t.after(() => browser.close());
    const tab = await browser.newPage();
    const answer = await tab.goto(`${proxy.origin}/console`);
    assert.equal(answer.status(), 200);
    assert.equal(await tab.evaluate(() => new Promise((resolve) => {
      const socket = new WebSocket(`wss://${location.host}/`, 'syncline.v1');
      socket.onopen = () => resolve('open');
      socket.onclose = ({ code }) => resolve(code);
    })), 'open');
  });

  test(`${name}: a message is as long as the hub lets it be`, { timeout: 60000 }, async (t) => {
    const hub = await startHub(t, { config: 'limits: {message_bytes: 256 KiB}' });
    const proxy = await startProxy(t, name, hub);
    const hello = encodePacket({ type: 'HELLO', id: 0, version: 1 });
    const ping = encodePacket({ type: 'PING', id: 0, token: 7 });
    const filled = (bytes) => Buffer.concat([hello, Buffer.alloc(Math.floor((bytes - hello.length) / ping.length) * ping.length, ping)]);
    const good = await opened(proxy.dial());
    t.after(() => good.terminate());
    let pongs = 0;
    good.on('message', (data) => { pongs += decodeMessage(new Uint8Array(data)).filter(({ type }) => type === 'PONG').length; });
    const message = filled(256 * 1024);
    good.send(message);
    await until(() => pongs === Math.floor((message.length - hello.length) / ping.length), 'every ping’s answer');
    const long = await opened(proxy.dial());
    const code = closed(long);
    long.send(filled(300 * 1024));
    assert.equal(await code, 1009);
  });
}
