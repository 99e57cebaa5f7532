/**
 * Goal:   the tabs of a browser have one connection to the hub, by whatever the browser gives them for that, and it outlives every one
 *         of them.
 * Method: Debian's Chromium, pages that hold a client each, a real hub that counts its connections. A browser without a means is one
 *         whose page has lost it before its script ran.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { WebSocketServer } from 'ws';
import { bundle, launchOptions, servePage } from './pages.mjs';
import { health, startHub, until } from './support.mjs';

async function begin(page, hub, options = {}) {
  await page.waitForFunction(() => window.begin !== undefined);
  await page.evaluate(([url, given]) => window.begin(url, given), [hub.url, options]);
}

async function start(t, { worker = true, lacks = [], launch = {} } = {}) {
  const origin = await servePage(t, await bundle('tabs.js'), { worker });
  const hub = await startHub(t, { config: `allowed_origins: ["${origin}"]` });
  const browser = await chromium.launch({ ...launchOptions, ...launch });
  t.after(() => browser.close());
  const context = await browser.newContext();
  for (const lack of lacks) await context.addInitScript(lack);
  const tab = async (options = {}) => {
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    await page.goto(origin);
    await begin(page, hub, options);
    return page;
  };
  return { hub, tab, browser };
}

const noWorker = 'delete window.SharedWorker';
const noLocks = 'Object.defineProperty(Navigator.prototype, "locks", { get: () => undefined })';

const mode = (page) => page.evaluate(() => window.client.mode);
const synced = (page) => page.evaluate(() => window.post.synced);
const like = (page) => page.evaluate(() => { window.post.likes.increment(); return window.post.saved; });
const shows = (pages, count) => Promise.all(pages.map((page) =>
  page.waitForFunction((likes) => window.post.likes?.value === likes && window.post.pending === 0, count)));
const counts = async (hub) => (({ connections, streams }) => ({ connections, streams }))(await health(hub));
const one = { connections: 1, streams: 1 };

async function tabs(tab, count, options) {
  const pages = [];
  for (let i = 0; i < count; i++) pages.push(await tab(options));
  await Promise.all(pages.map(synced));
  return pages;
}

test('fifty tabs share one connection through a shared worker', { timeout: 180000 }, async (t) => {
  const { hub, tab } = await start(t);
  const pages = await tabs(tab, 50);
  assert.deepEqual(new Set(await Promise.all(pages.map(mode))), new Set(['shared-worker']));
  assert.deepEqual(await counts(hub), one);
  await Promise.all(pages.map(like));
  await shows(pages, 50);
  assert.deepEqual(await counts(hub), one);
  await Promise.all(pages.slice(1).map((page) => page.close()));
  await like(pages[0]);
  assert.deepEqual(await counts(hub), one);
  await pages[0].close();
  await until(async () => (await health(hub)).connections === 0, 'the last tab takes the connection with it');
  assert.deepEqual(pages.flatMap(({ problems }) => problems), []);
});

test('where no shared worker can be had a tab leads, and when it crashes another does', { timeout: 120000 }, async (t) => {
  for (const options of [{ lacks: [noWorker] }, { worker: false }]) {
    const { hub, tab } = await start(t, options);
    const pages = await tabs(tab, 5);
    assert.deepEqual((await Promise.all(pages.map(mode))).sort(), ['follower', 'follower', 'follower', 'follower', 'leader']);
    assert.deepEqual(await counts(hub), one);
    await Promise.all(pages.map(like));
    await shows(pages, 5);
    const leads = (await Promise.all(pages.map(mode))).indexOf('leader');
    const rest = pages.filter((_, i) => i !== leads);
    await pages[leads].evaluate(() => { window.client.disconnect(); });
    await like(rest[0]);
    await shows(rest, 6);
    const crashed = once(pages[leads], 'crash');
    pages[leads].goto('chrome://crash').catch(() => {});
    await crashed;
    const since = Date.now();
    await Promise.all(rest.map(like));
    t.diagnostic(`after the crash of the tab that led, all others had an edit acknowledged within ${Date.now() - since} ms`);
    await shows(rest, 10);
    assert.deepEqual((await Promise.all(rest.map(mode))).sort(), ['follower', 'follower', 'follower', 'leader']);
    assert.deepEqual(await counts(hub), one);
    assert.deepEqual(rest.flatMap(({ problems }) => problems), []);
  }
});

test('a shared worker that is killed is started again', { timeout: 120000 }, async (t) => {
  const { hub, tab, browser } = await start(t);
  const pages = await tabs(tab, 3);
  const devtools = await browser.newBrowserCDPSession();
  const worker = async () => (await devtools.send('Target.getTargets')).targetInfos.find(({ type }) => type === 'shared_worker')?.targetId;
  const targetId = await worker();
  await devtools.send('Target.closeTarget', { targetId });
  const since = Date.now();
  await Promise.all(pages.map(like));
  t.diagnostic(`after the end of the worker, all had an edit acknowledged within ${Date.now() - since} ms`);
  await shows(pages, 3);
  assert.notEqual(await worker(), targetId);
  assert.deepEqual(new Set(await Promise.all(pages.map(mode))), new Set(['shared-worker']));
  assert.deepEqual(await counts(hub), one);
});

test('a tab that leads is closed: what waits in the others is sent, once', { timeout: 120000 }, async (t) => {
  const { hub, tab } = await start(t, { lacks: [noWorker] });
  const pages = await tabs(tab, 3);
  await hub.kill();
  const likes = pages.map((page) => page.evaluate(() => { window.post.likes.increment(); return window.post.stored; }));
  await Promise.all(likes);
  const leads = (await Promise.all(pages.map(mode))).indexOf('leader');
  await pages[leads].close();
  await hub.start();
  const rest = pages.filter((_, i) => i !== leads);
  await Promise.all(rest.map((page) => page.waitForFunction(() => window.post.pending === 0 && window.post.status === 'synced')));
  await shows(await tabs(tab, 1), 3); // one more finds what the closed one has left, and sends it
  await shows(rest, 3);
});

test('a client that is closed while it connects stands for nothing', { timeout: 120000 }, async (t) => {
  const failsSlowly = `window.SharedWorker = class {
    port = new MessageChannel().port1;
    constructor() { setTimeout(() => this.onerror(), 1000); }
  }`;
  const { hub, tab } = await start(t, { lacks: [failsSlowly] });
  const closed = await tab();
  await closed.evaluate(async () => {
    const isAlive = ({ name }) => name.startsWith('syncline life');
    while (!(await navigator.locks.query()).held.some(isAlive)) await new Promise((resolve) => { setTimeout(resolve, 10); });
    window.client.close();
    await new Promise((resolve) => { setTimeout(resolve, 1500); });
  });
  assert.deepEqual(await closed.evaluate(async () => (await navigator.locks.query()).held.map(({ name }) => name)), []);
  const pages = await tabs(tab, 2);
  assert.deepEqual((await Promise.all(pages.map(mode))).sort(), ['follower', 'leader']);
  assert.deepEqual(await counts(hub), one);
});

test('where tabs cannot share each has its own connection, and so has one that wants it', { timeout: 120000 }, async (t) => {
  const { hub, tab } = await start(t, { lacks: [noLocks] });
  const pages = await tabs(tab, 2);
  assert.deepEqual(await Promise.all(pages.map(mode)), ['own', 'own']);
  assert.deepEqual(await counts(hub), { connections: 2, streams: 2 });
  await Promise.all(pages.map(like));
  await shows(pages, 2);
  const denied = 'LockManager.prototype.request = async () => { throw new DOMException("denied", "SecurityError"); }'; // no site data
  const strict = await start(t, { lacks: [denied] });
  const kept = await tabs(strict.tab, 2);
  assert.deepEqual(await Promise.all(kept.map(mode)), ['own', 'own']);
  assert.deepEqual(await counts(strict.hub), { connections: 2, streams: 2 });
  const shared = await start(t);
  const [page] = await tabs(shared.tab, 1, { share: false });
  assert.equal(await mode(page), 'own');
});

test('the hub is killed and started again under load, and the tabs count right', { timeout: 120000 }, async (t) => {
  const { hub, tab } = await start(t);
  const pages = await tabs(tab, 10);
  const alone = connect(hub.url);
  t.after(() => alone.close());
  const other = alone.open('post/1');
  await other.synced;
  const load = pages.map((page) => page.evaluate(async () => {
    for (let i = 0; i < 100; i++) {
      window.post.likes.increment();
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }));
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    await hub.kill();
    await hub.start();
  }
  await Promise.all(load);
  await shows(pages, 1000);
  await until(() => other.likes.value === 1000, 'the other sees all');
  await until(async () => (await health(hub)).connections === 2, 'one connection for the tabs');
});

test('a tab that brings another address, as with a newer ticket in it, is connected by that', { timeout: 120000 }, async (t) => {
  const { tab } = await start(t);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  t.after(() => server.close());
  const asked = new Set();
  server.on('connection', (socket, { url }) => {
    asked.add(url);
    socket.close();
  });
  for (const path of ['/?ticket=1', '/?ticket=2']) {
    const page = await tab({ autoConnect: false });
    await page.evaluate((url) => { window.other = window.syncline.connect(url); }, `ws://127.0.0.1:${server.address().port}${path}`);
    await until(() => asked.has(path), path);
    assert.equal(await page.evaluate(() => window.other.mode), 'shared-worker');
  }
});

test('clients of other stores do not share', { timeout: 120000 }, async (t) => {
  const { hub, tab } = await start(t);
  const page = await tab();
  await synced(page);
  await page.evaluate(async (url) => {
    const { connect: again, indexedDbStore } = window.syncline;
    window.second = again(url, { store: indexedDbStore('somebody else') });
    await window.second.open('post/1').synced;
  }, hub.url);
  assert.deepEqual(await counts(hub), { connections: 2, streams: 2 });
});

/** Away and back, with a like elsewhere meanwhile; anew if the browser has not kept the page, as it may decide. Answers how often. */
async function leaveAndReturn(page, other, hub) {
  for (let times = 1; ; times++) {
    await synced(page);
    const home = page.url();
    await page.evaluate(() => {
      window.isKept = true;
      window.addEventListener('pageshow', ({ persisted }) => { window.restored = persisted; });
    });
    await page.goto(`${home}elsewhere`);
    await like(other);
    await page.goBack({ waitUntil: 'commit' });
    await page.waitForFunction((url) => location.href === url && document.readyState === 'complete'
      && (window.restored === true || window.isKept === undefined), home);
    if (await page.evaluate(() => window.isKept === true)) return times;
    const reasons = await page.evaluate(() => JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons));
    assert.ok(times < 5, `the page was not kept: ${reasons}`);
    await begin(page, hub);
  }
}

test('a page that comes back from the back-forward cache goes on where it was', { timeout: 120000 }, async (t) => {
  for (const lacks of [[], [noWorker], [noLocks]]) {
    const { hub, tab } = await start(t, { lacks, launch: { ignoreDefaultArgs: ['--disable-back-forward-cache'] } });
    const [page, other] = await tabs(tab, 2);
    const times = await leaveAndReturn(page, other, hub);
    await like(page);
    await shows([page, other], times + 1);
    if (!lacks.includes(noLocks)) assert.deepEqual(await counts(hub), one);
    assert.deepEqual(page.problems, []);
  }
});
