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
import { connect } from 'syncline';
import { bundle, launchOptions, servePage } from './pages.mjs';
import { folder, sleep, startHub, until } from './support.mjs';

async function start(t) {
  const origin = await servePage(t, await bundle('offline.js'));
  const hub = await startHub(t, { config: `allowed_origins: ["${origin}"]` });
  return { origin, hub, profile: join(folder(t), 'profile') };
}

async function browse(t, profile) {
  const context = await chromium.launchPersistentContext(profile, launchOptions);
  t.after(() => context.close().catch(() => {}));
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

async function crash(t, prepare) {
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

  const heirs = [await visit(context, world, { begin: false }), await visit(context, world, { begin: false })];
  await Promise.all(heirs.map((page) => page.evaluate((url) => window.begin(url), world.hub.url)));
  await Promise.all(heirs.map(ready));
  const counts = await until(async () => {
    const all = (await Promise.all(heirs.map(seen))).map(({ pending }) => pending).sort();
    return all[1] > 0 && all;
  }, 'an heir');
  assert.equal(counts[0], 0, 'one of them has it');
  await world.hub.start();
  for (const page of [...heirs, living]) await shows(page, 5, 0);
  await hubHas(t, world.hub, 5, ['crashed', 'living']);
}

test('a tab that crashes loses nothing that is stored, and a tab that lives keeps its own', { timeout: 120000 }, (t) => crash(t, () => {}));

test('the same without Web Locks', { timeout: 120000 }, (t) => crash(t, (context) => context.addInitScript(() => {
  Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });
})));

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
