/**
 * Goal:   types beyond the core's are loaded when a schema first names one: a document waits for them and for nothing else, and what the
 *         hub and the store have for it meanwhile is not lost.
 * Method: the client as a bundler splits it, on a page in Debian's Chromium that holds back or refuses the chunk of types; a real hub.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { launchOptions } from './pages.mjs';
import { serveFolder } from './install.mjs';
import { folder, startHub } from './support.mjs';

const schemas = 'post: {likes: g-counter}\n  note: {likes: g-counter, pages: {type: map, of: lww-register}, done: flag}';
const schema = { note: { likes: 'g-counter', pages: { type: 'map', of: 'lww-register' }, done: 'flag' }, post: { likes: 'g-counter' } };

/** A page, and the requests for the chunk of types: each waits in `asked` until the test answers it. */
async function start(t) {
  const dir = folder(t);
  const { metafile } = await build({
    stdin: { contents: "import { connect } from 'syncline'; window.connect = connect;", resolveDir: new URL('.', import.meta.url).pathname },
    bundle: true, splitting: true, format: 'esm', platform: 'browser', target: 'es2022', outdir: dir, metafile: true, logLevel: 'warning',
    absWorkingDir: dir,
  });
  const [chunk] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith('crdt/more.js'));
  writeFileSync(join(dir, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/stdin.js"></script>');
  assert.doesNotMatch(readFileSync(join(dir, 'stdin.js'), 'utf8'), /function twoPhaseSet/);
  const origin = await serveFolder(t, dir);
  const hub = await startHub(t, { schemas, config: `allowed_origins: ["${origin}"]` });
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const asked = [];
  const context = await browser.newContext();
  await context.route(`**/${chunk}`, (route) => { asked.push(route); });
  async function open() {
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error)));
    await page.goto(origin);
    await page.waitForFunction(() => window.connect !== undefined);
    return page;
  }
  return { hub, asked, open };
}

/** Opens it; `window.doc.ready` has come once `window.isReady` says so. */
const openNote = (page, url, options) => page.evaluate(([hub, given]) => {
  window.errors = [];
  window.isReady = false;
  window.client = window.connect(hub, given);
  window.client.on('error', ({ code }) => window.errors.push(code));
  window.doc = window.client.open('note/1');
  window.doc.ready.then(() => { window.isReady = true; });
}, [url, options]);

const isReady = (page) => page.evaluate(() => [window.isReady, window.doc.fields]);
const become = (page, value) => page.waitForFunction((expected) => JSON.stringify(window.doc.value) === expected, JSON.stringify(value));

async function arrived(asked, count) {
  for (let i = 0; asked.length < count && i < 2000; i++) await new Promise((resolve) => { setTimeout(resolve, 10); });
  assert.ok(asked.length >= count, 'the chunk is asked for');
  return asked[count - 1];
}

test('a schema that names such a type', { timeout: 60000 }, async (t) => {
  const { hub, asked, open } = await start(t);
  const page = await open();
  await openNote(page, hub.url, { schema, store: 'memory', autoConnect: false });
  const route = await arrived(asked, 1);
  assert.deepEqual(await isReady(page), [false, []]);
  assert.deepEqual(await page.evaluate(() => {
    const post = window.client.open('post/1');
    post.likes.increment(); // types of the core are there at once
    return post.likes.value;
  }), 1);
  await route.continue();
  await become(page, { likes: 0, pages: {}, done: false });
  assert.equal(await page.evaluate(() => { window.doc.pages.set('a', 'b'); return window.isReady; }), true);
  await page.evaluate(() => window.client.reconnect());
  await page.evaluate(() => window.doc.saved);
  await become(page, { likes: 0, pages: { a: 'b' }, done: false });
  assert.equal(asked.length, 1);
  assert.deepEqual(page.problems, []);
});

test('what the hub sends meanwhile waits, be it in pieces, and no other document does', { timeout: 60000 }, async (t) => {
  const { hub, asked, open } = await start(t);
  const writer = connect(hub.url, { schema });
  t.after(() => writer.close());
  const note = writer.open('note/1');
  const expected = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${1000 + i}`, 'x'.repeat(3000)]));
  note.transact(() => Object.entries(expected).forEach(([key, text]) => note.pages.set(key, text)));
  await note.saved;
  const page = await open();
  await openNote(page, hub.url, { store: 'memory', share: false });
  const route = await arrived(asked, 1);
  await page.evaluate(() => {
    window.post = window.client.open('post/1');
    return window.post.synced;
  });
  note.done.enable();
  await note.saved;
  assert.deepEqual(await isReady(page), [false, []]);
  await route.continue();
  await become(page, { likes: 0, pages: expected, done: true });
  assert.deepEqual(page.problems, []);
});

test('a chunk that cannot be had is asked for again, and the app is told', { timeout: 60000 }, async (t) => {
  const { hub, asked, open } = await start(t);
  const page = await open();
  await openNote(page, hub.url, { store: 'memory' });
  await (await arrived(asked, 1)).abort();
  const again = await arrived(asked, 2);
  assert.deepEqual(await page.evaluate(() => window.errors), ['TYPES']);
  // The connection is another meanwhile: what waited of the one before is not played on it.
  await page.evaluate(() => { window.client.disconnect(); window.client.reconnect(); });
  await again.continue();
  await page.evaluate(() => window.doc.synced);
  await page.evaluate(() => { window.doc.done.enable(); return window.doc.saved; });
  await become(page, { likes: 0, pages: {}, done: true });
  assert.deepEqual(page.problems, []);
});

test('what is stored waits for its types, without a hub', { timeout: 60000 }, async (t) => {
  const { hub, asked, open } = await start(t);
  const first = await open();
  await openNote(first, hub.url, {});
  await (await arrived(asked, 1)).continue();
  await first.evaluate(() => window.doc.synced);
  await first.evaluate(() => { window.client.disconnect(); window.doc.pages.set('a', 'b'); return window.doc.stored; });
  await hub.kill();
  await first.close();
  const second = await open();
  await openNote(second, hub.url, { autoConnect: false });
  const route = await arrived(asked, 2);
  assert.deepEqual(await isReady(second), [false, []]);
  await route.continue();
  await become(second, { likes: 0, pages: { a: 'b' }, done: false });
  assert.equal(await second.evaluate(() => window.doc.pending), 1);
  assert.deepEqual(second.problems, []);
});
