/**
 * Goal:   what a page has seen and edited outlives it: shown without a hub, kept through reloads, crashes and the browser's end, and
 *         counted exactly once, even if the profile was copied.
 * Method: Debian's Chromium on profiles of its own, a page that holds one client, a real hub that is killed and started again, and a
 *         second client that tells what the hub has.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { connect, memoryStore } from 'syncline';
import { bundle, launchOptions, servePage } from './pages.mjs';
import { folder, sleep, startHub, until } from './support.mjs';

/** By test: closed before the profile's folder is removed, in which they write until then. */
const contexts = new WeakMap();

async function start(t) {
  contexts.set(t, []);
  t.after(() => Promise.all(contexts.get(t).map((context) => context.close().catch(() => {}))));
  const origin = await servePage(t, await bundle('offline.js'));
  const hub = await startHub(t, { config: `allowed_origins: ["${origin}"]` });
  return { origin, hub, profile: join(folder(t), 'profile') };
}

async function browse(t, profile) {
  const context = await chromium.launchPersistentContext(profile, launchOptions);
  contexts.get(t).push(context);
  return context;
}

async function visit(context, { origin, hub }, { begin = true } = {}) {
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => window.begin !== undefined);
  if (begin) await page.evaluate((url) => window.begin(url), hub.url);
  return page;
}

/** Edits, and waits until they are on the disk. */
const edit = (page, likes, tag) => page.evaluate(async ([count, text]) => {
  window.post.likes.increment(count);
  if (text !== undefined) window.post.tags.add(text);
  await window.post.stored;
}, [likes, tag]);
const ready = (page) => page.evaluate(() => window.post.ready);
const seen = (page) => page.evaluate(() => ({ ...window.post.value, pending: window.post.pending, status: window.post.status }));
const shows = (page, likes, pending) => until(async () => {
  const { likes: count, pending: waiting } = await seen(page);
  return count === likes && waiting === pending;
}, `${likes} likes, ${pending} pending`);

/** The hub has exactly that, and goes on having it. */
async function hubHas(t, hub, likes, tags) {
  const client = connect(hub.url);
  t.after(() => client.close());
  const post = client.open('post/1');
  await post.synced;
  await until(() => post.likes.value >= likes, `${likes} likes at the hub`);
  await sleep(300);
  assert.deepEqual([post.likes.value, [...post.tags]], [likes, tags]);
}

test('a reload without a hub shows the last view with the edits that wait', { timeout: 120000 }, async (t) => {
  const world = await start(t);
  const page = await visit(await browse(t, world.profile), world);
  await ready(page);
  await edit(page, 2, 'seen');
  await page.evaluate(() => window.post.saved);
  await world.hub.kill();
  await edit(page, 3, 'waiting');
  for (let turn = 1; turn <= 2; turn++) {
    await page.reload();
    await page.waitForFunction(() => window.begin !== undefined);
    await page.evaluate((url) => window.begin(url), world.hub.url);
    await ready(page);
    const { likes, tags, pending, status } = await seen(page);
    assert.deepEqual([likes, tags, pending > 0, status !== 'synced'], [5, ['seen', 'waiting'], true, true]);
  }
  await edit(page, 4);
  await world.hub.start();
  await shows(page, 9, 0);
  await hubHas(t, world.hub, 9, ['seen', 'waiting']);
  assert.deepEqual(await page.evaluate(() => window.errors.filter((code) => code.startsWith('STORE'))), []);
});

test('edits made without a hub outlive the browser, and count once', { timeout: 120000 }, async (t) => {
  const world = await start(t);
  let context = await browse(t, world.profile);
  let page = await visit(context, world);
  await ready(page);
  await world.hub.kill();
  await edit(page, 2, 'a');
  await context.close();

  context = await browse(t, world.profile);
  page = await visit(context, world);
  await ready(page);
  await edit(page, 3, 'b');
  await context.close();

  await world.hub.start();
  context = await browse(t, world.profile);
  page = await visit(context, world);
  await shows(page, 5, 0);
  await hubHas(t, world.hub, 5, ['a', 'b']);
  await page.evaluate(() => window.post.stored);
  await page.reload();
  await page.waitForFunction(() => window.begin !== undefined);
  await page.evaluate((url) => window.begin(url), world.hub.url);
  await shows(page, 5, 0);
});

test('a profile that is copied while it holds edits counts them once', { timeout: 120000 }, async (t) => {
  const world = await start(t);
  const first = await browse(t, world.profile);
  const page = await visit(first, world);
  await ready(page);
  await world.hub.kill();
  await edit(page, 2, 'a');
  await first.close();
  const copy = `${world.profile}-copy`;
  cpSync(world.profile, copy, { recursive: true, filter: (path) => !/Singleton/.test(path) });

  await world.hub.start();
  const pages = [];
  for (const profile of [world.profile, copy]) pages.push(await visit(await browse(t, profile), world, { begin: false }));
  await Promise.all(pages.map((one) => one.evaluate((url) => window.begin(url), world.hub.url)));
  for (const one of pages) await shows(one, 2, 0);
  await edit(pages[0], 1);
  await edit(pages[1], 10, 'b');
  for (const one of pages) await shows(one, 13, 0);
  await hubHas(t, world.hub, 13, ['a', 'b']);
});

/** `heir`: who goes on with what the tab that crashed has left, the tab that lives or one that comes. */
async function crash(t, heir, prepare = () => {}) {
  const world = await start(t);
  const context = await browse(t, world.profile);
  await prepare(context);
  const [crashing, living] = [await visit(context, world), await visit(context, world)];
  await ready(crashing);
  await ready(living);
  await world.hub.kill();
  await edit(crashing, 2, 'crashed');
  await edit(living, 3, 'living');
  const crashed = once(crashing, 'crash');
  await Promise.all([crashed, crashing.goto('chrome://crash').catch(() => {})]);

  if (heir === 'living') await shows(living, 5, 4);
  const heirs = [await visit(context, world, { begin: false }), await visit(context, world, { begin: false })];
  await Promise.all(heirs.map((page) => page.evaluate((url) => window.begin(url), world.hub.url)));
  await Promise.all(heirs.map(ready));
  const pages = [living, ...heirs];
  const counts = await until(async () => {
    const all = (await Promise.all(pages.map(seen))).map(({ pending }) => pending);
    return all.reduce((sum, count) => sum + count) === 4 && all;
  }, 'one heir');
  assert.deepEqual(heir === 'living' ? counts : [counts[0], ...counts.slice(1).sort()], heir === 'living' ? [4, 0, 0] : [2, 0, 2]);
  await world.hub.start();
  for (const page of [...heirs, living]) await shows(page, 5, 0);
  await hubHas(t, world.hub, 5, ['crashed', 'living']);
}

test('a tab that crashes loses nothing that is stored, and a tab that lives goes on with it', { timeout: 120000 }, (t) => crash(t, 'living'));

test('without Web Locks the next tab does', { timeout: 120000 }, (t) => crash(t, 'next', (context) => context.addInitScript(() => {
  Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });
})));

test('edits of documents that nobody opens are sent, a few at a time, and once', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const store = memoryStore();
  const options = { store, schema: { post: { likes: 'g-counter' } } };
  const names = Array.from({ length: 9 }, (_, i) => `post/${i}`);
  const before = connect(hub.url, { ...options, autoConnect: false });
  for (const name of names) before.open(name).likes.increment(2);
  await Promise.all(before.documents.map((post) => post.stored));
  before.close();

  const after = connect(hub.url, options);
  t.after(() => after.close());
  const waiting = [];
  after.on('pending', (count) => waiting.push(count));
  const own = after.open('post/0');
  await until(async () => (await store.waiting()).length === 0, 'all sent');
  assert.deepEqual(after.documents, [own]);
  assert.ok(waiting.some((count) => count > 0) && Math.max(...waiting) <= 4, `${waiting}`);
  const other = connect(hub.url);
  t.after(() => other.close());
  for (const name of names) {
    const post = other.open(name);
    await post.synced;
    assert.equal(post.likes.value, 2, name);
  }
  assert.equal(after.pending, 0);
});

test('an edit of a document that is closed at once is sent', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const client = connect(hub.url, { store: memoryStore(), schema: { post: { likes: 'g-counter' } } });
  t.after(() => client.close());
  const post = client.open('post/1');
  await post.synced;
  post.likes.increment(2);
  post.close();
  await hubHas(t, hub, 2, []);
});

test('one of the tabs that have a document open goes on with the edits of one that closes', { timeout: 60000 }, async (t) => {
  const world = await start(t);
  const context = await browse(t, world.profile);
  const [closing, ...living] = [await visit(context, world), await visit(context, world), await visit(context, world)];
  for (const page of [closing, ...living]) await ready(page);
  await world.hub.kill();
  await edit(closing, 2, 'closed');
  await closing.close();
  await until(async () => (await seen(living[0])).pending + (await seen(living[1])).pending === 2, 'an heir');
  await edit(living[0], 3);
  await edit(living[1], 4);
  await world.hub.start();
  for (const page of living) await shows(page, 9, 0);
  await hubHas(t, world.hub, 9, ['closed']);
});

test('what the hub has acknowledged is stored when the page is hidden', { timeout: 60000 }, async (t) => {
  const world = await start(t);
  const page = await visit(await browse(t, world.profile), world);
  await ready(page);
  const left = await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    const request = (asked) => new Promise((resolve) => { asked.onsuccess = () => resolve(asked.result); });
    const database = await request(indexedDB.open(name));
    const timers = window.setTimeout;
    window.setTimeout = (act, ms) => (ms === 500 ? 0 : timers(act, ms)); // what would be written then
    window.post.likes.increment();
    await window.post.saved;
    const count = () => request(database.transaction('outboxes').objectStore('outboxes').index('waiting').count());
    const before = await count();
    Object.defineProperty(document, 'visibilityState', { value: 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
    for (let i = 0; i < 200 && (await count()) > 0; i++) await new Promise((resolve) => timers(resolve, 10));
    return [before, await count()];
  });
  assert.deepEqual(left, [1, 0]);
});

test('a store that another tab holds in an earlier version is told of, and the page works on', { timeout: 60000 }, async (t) => {
  const world = await start(t);
  const page = await visit(await browse(t, world.profile), world, { begin: false });
  await page.evaluate((name) => new Promise((resolve) => {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore('sessions');
    asked.onsuccess = () => { window.holding = asked.result; resolve(); };
  }), `syncline ${world.hub.url}`);
  await page.evaluate((url) => window.begin(url), world.hub.url);
  await until(() => page.evaluate(() => window.errors.includes('STORE_VERSION')), 'STORE_VERSION');
  await ready(page);
  await page.evaluate(async () => {
    window.post.likes.increment();
    await window.post.saved;
  });
  assert.deepEqual(await page.evaluate(() => window.errors), ['STORE_VERSION']);
  await hubHas(t, world.hub, 1, []);
});

test('a store of version 1 is read, and what waits in it is sent', { timeout: 60000 }, async (t) => {
  const world = await start(t);
  const context = await browse(t, world.profile);
  let page = await visit(context, world);
  await ready(page);
  await world.hub.kill();
  await edit(page, 2, 'old');
  const entry = await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    const request = (asked) => new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    const database = await request(indexedDB.open(name));
    const transaction = database.transaction(['sessions', 'outboxes']);
    const [sessions, outboxes] = [transaction.objectStore('sessions'), transaction.objectStore('outboxes')];
    const [[key], [[confirmed]], [{ parts: [outbox] }]] = await Promise.all(
      [sessions.getAllKeys(), sessions.getAll(), outboxes.getAll()].map(request));
    database.close();
    return { name, key, bytes: [...confirmed, ...outbox] };
  });
  await page.close();
  page = await visit(context, world, { begin: false });
  await page.evaluate(({ name, key, bytes }) => new Promise((resolve, reject) => {
    indexedDB.deleteDatabase(name).onsuccess = () => {
      const asked = indexedDB.open(name, 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore('sessions').put([Uint8Array.from(bytes)], key);
      asked.onsuccess = () => { asked.result.close(); resolve(); };
      asked.onerror = () => reject(asked.error);
    };
  }), entry);
  await page.evaluate((url) => window.begin(url), world.hub.url);
  await ready(page);
  await shows(page, 2, 2);
  await world.hub.start();
  await shows(page, 2, 0);
  await hubHas(t, world.hub, 2, ['old']);
});

test('a store that a later version has changed is told of, and the page works on', { timeout: 120000 }, async (t) => {
  const world = await start(t);
  const page = await visit(await browse(t, world.profile), world);
  await ready(page);
  await edit(page, 1);
  await page.evaluate(() => new Promise((resolve, reject) => {
    void indexedDB.databases().then(([{ name }]) => {
      const request = indexedDB.open(name, 9);
      request.onsuccess = () => { request.result.close(); resolve(); };
      request.onerror = () => reject(request.error);
    });
  }));
  await page.evaluate(async () => {
    window.post.likes.increment();
    await window.post.stored.catch(() => {});
    await window.post.saved;
  });
  assert.deepEqual(await page.evaluate(() => window.errors), ['STORE_VERSION']);
  await hubHas(t, world.hub, 2, []);
});

test('a full disk is told of, and the page works on', { timeout: 120000 }, async (t) => {
  const world = await start(t);
  const page = await visit(await browse(t, world.profile), world);
  await ready(page);
  const failed = await page.evaluate(async () => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
    window.post.likes.increment();
    const error = await window.post.stored.then(() => 'none', ({ code }) => code);
    await window.post.saved;
    IDBObjectStore.prototype.put = put;
    await window.post.stored;
    return error;
  });
  assert.equal(failed, 'STORE_FULL');
  assert.deepEqual(await page.evaluate(() => window.errors), ['STORE_FULL']);
  await hubHas(t, world.hub, 1, []);
});
