/**
 * Goal:   clients/js/README.md takes a new user from nothing to two tabs that are in step, and its other examples run.
 * Method: the files that it has one write, in a folder of their own, with the package unpacked from its tarball; only addresses are
 *         other ones. Two tabs of Debian's Chromium click; the hub is stopped, a tab reloaded, the hub started again.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';
import { mistakesIn } from '../clients/compile.mjs';
import { makeApp, serveFolder } from './install.mjs';
import { launchOptions } from './pages.mjs';
import { run, startHub, until } from './support.mjs';

const readme = readFileSync(new URL('../../clients/js/README.md', import.meta.url), 'utf8');

/** What stands under a heading, down to the next of its kind or above. */
function section(heading) {
  const [marks] = heading.split(' ');
  const start = readme.indexOf(`\n${heading}\n`);
  assert.notEqual(start, -1, heading);
  const rest = readme.slice(start + heading.length + 1);
  const end = rest.search(new RegExp(`\n#{1,${marks.length}} `));
  return end === -1 ? rest : rest.slice(0, end);
}

const blocks = (text, language) => [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, code]) => code);
/** Those whose name stands before them. */
const filesIn = (text) => Object.fromEntries(
  [...text.matchAll(/\n`([\w.]+)`:\n\n```\w+\n([\s\S]*?)```/g)].map(([, name, code]) => [name, code]));
const at = (files, hub) => Object.fromEntries(
  Object.entries(files).map(([name, text]) => [name, text.replaceAll('ws://127.0.0.1:7962/', hub.url)]));

/** The README's hub, on a free port and with the test's pages in place of its own. */
async function startReadmeHub(t, origin) {
  const { 'hub.yaml': yaml } = filesIn(section('## Two tabs in five minutes'));
  const [, schemas] = /\nschemas:\n([\s\S]*)/.exec(yaml);
  return startHub(t, { schemas: schemas.trim(), config: `allowed_origins: ["${origin}"]` });
}

async function browse(t) {
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const context = await browser.newContext();
  const problems = [];
  const tab = async (origin) => {
    const page = await context.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(origin);
    return page;
  };
  return { tab, problems };
}

function write(app, files) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(app, name), text);
}

const shows = (page, likes) => page.waitForFunction((count) => document.querySelector('#likes').textContent === count, String(likes));
/** How many tabs' edits are on the disk and wait: a reload that is faster than that loses them, as any page would. */
const waiting = (page) => page.evaluate(async () => {
  const answer = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const [{ name }] = await indexedDB.databases();
  const database = await answer(indexedDB.open(name));
  const count = await answer(database.transaction('outboxes').objectStore('outboxes').index('waiting').count());
  database.close();
  return count;
});
const tags = (page) => page.evaluate(() => [...document.querySelectorAll('li')].map(({ textContent }) => textContent));

test('two tabs without a bundler', { timeout: 90000 }, async (t) => {
  const { app } = await makeApp(t);
  for (const name of ['syncline.js', 'shared-worker.js']) copyFileSync(join(app, 'node_modules/syncline/dist', name), join(app, name));
  const origin = await serveFolder(t, app);
  const hub = await startReadmeHub(t, origin);
  const files = at(filesIn(section('### Without a bundler')), hub);
  assert.deepEqual(Object.keys(files), ['index.html']);
  const { tab, problems } = await browse(t);
  write(app, files);
  const [first, second] = [await tab(origin), await tab(origin)];
  await Promise.all([shows(first, 0), shows(second, 0)]);
  await first.click('#like');
  await second.click('#like');
  await Promise.all([shows(first, 2), shows(second, 2)]);
  await second.fill('#tag', 'crdt');
  await second.press('#tag', 'Enter');
  await until(async () => (await tags(first)).join() === 'crdt', 'the tag in the other tab');
  // Stop the hub, go on clicking, reload a tab: nothing is lost. Start it again, and the tabs come together.
  await hub.stop();
  await first.click('#like');
  await second.click('#like');
  await Promise.all([shows(first, 3), shows(second, 3)]);
  await until(async () => await waiting(first) === 2, 'both edits are stored');
  await first.reload();
  await shows(first, 3);
  await hub.start();
  await Promise.all([shows(first, 4), shows(second, 4)]);
  assert.deepEqual(problems, []);
});

test('two tabs with Vite and TypeScript', { timeout: 90000 }, async (t) => {
  const files = filesIn(section('### With Vite and TypeScript'));
  assert.deepEqual(Object.keys(files), ['index.html', 'main.ts', 'vite.config.js']);
  const { app } = await makeApp(t, { ...files, 'hub.yaml': filesIn(section('## Two tabs in five minutes'))['hub.yaml'] });
  const generated = await run('syncline', ['generate', 'typescript', '--config', join(app, 'hub.yaml'), '--output', join(app, 'schemas.ts')]);
  assert.deepEqual(generated, { code: 0, stdout: '', stderr: '' });
  const schemas = readFileSync(join(app, 'schemas.ts'), 'utf8');
  assert.deepEqual(mistakesIn(files['main.ts'].replace('./schemas', './schemas.js'), { 'schemas.ts': schemas }), []);
  const server = await createServer({
    root: app, configFile: join(app, 'vite.config.js'), logLevel: 'warn', server: { host: '127.0.0.1', port: 0 },
  });
  t.after(() => server.close());
  await server.listen();
  const origin = `http://127.0.0.1:${server.httpServer.address().port}`;
  const hub = await startReadmeHub(t, origin);
  write(app, at(files, hub));
  const { tab, problems } = await browse(t);
  const [first, second] = [await tab(origin), await tab(origin)];
  await Promise.all([shows(first, 0), shows(second, 0)]);
  await first.click('#like');
  await second.click('#like');
  await Promise.all([shows(first, 2), shows(second, 2)]);
  assert.deepEqual(problems, []);
});

test('the examples for one document run', { timeout: 60000 }, async (t) => {
  const { app } = await makeApp(t, { 'index.html': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>' });
  const origin = await serveFolder(t, app);
  const hub = await startReadmeHub(t, origin);
  const [start] = blocks(readme, 'js');
  const [offline] = blocks(section('## Offline'), 'js');
  write(app, at({
    'main.js': `${start.replace("'syncline'", "'./node_modules/syncline/dist/syncline.js'")}
      window.offline = async () => {
        ${offline}
      };`,
  }, hub));
  const { tab, problems } = await browse(t);
  const page = await tab(origin);
  await page.waitForFunction(() => window.offline !== undefined);
  await page.evaluate(() => window.offline());
  const get = async () => JSON.parse((await run('syncline', ['--hub', hub.url, 'get', 'post/42'])).stdout);
  assert.deepEqual(await get(), { likes: 1, tags: ['crdt'] });
  // The same without the hub: what the device has is shown, and the edit is sent when the hub is there again.
  await hub.stop();
  await page.reload();
  await page.waitForFunction(() => window.offline !== undefined);
  await page.evaluate(() => { window.done = window.offline(); });
  await hub.start();
  await page.evaluate(() => window.done);
  assert.deepEqual(await get(), { likes: 2, tags: ['crdt'] });
  assert.deepEqual(problems, []);
});
