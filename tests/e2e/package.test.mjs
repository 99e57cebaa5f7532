/**
 * Goal:   the packed package works where apps use it: on a page without a bundler, under Vite (its server and its build), and in Node.
 * Method: the tarball in an app's folder, two tabs of Debian's Chromium on the app's page, a real hub. That the tabs share one
 *         connection shows that the shared worker was found.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { build, createServer } from 'vite';
import { makeApp, serveFolder } from './install.mjs';
import { launchOptions } from './pages.mjs';
import { health, run, startHub } from './support.mjs';

const script = (from) => `
  import { connect } from '${from}';
  const url = new URLSearchParams(location.search).get('hub');
  window.client = connect(url);
  window.post = client.post('42');
  const show = () => { document.body.textContent = JSON.stringify(post.value); };
  post.subscribe(show);
  post.ready.then(show);
`;
const page = (src) => `<!doctype html><link rel="icon" href="data:,"><body></body><script type="module" src="${src}"></script>`;

/** Two tabs of the page: what one edits the other shows, and both have one connection by the shared worker. */
async function checkTabs(t, origin, hub) {
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const context = await browser.newContext();
  const problems = [];
  const tabs = [];
  for (let i = 0; i < 2; i++) {
    const tab = await context.newPage();
    tab.on('pageerror', (error) => problems.push(String(error)));
    await tab.goto(`${origin}/?hub=${encodeURIComponent(hub.url)}`);
    await tab.waitForFunction(() => window.post?.status === 'synced');
    tabs.push(tab);
  }
  await tabs[0].evaluate(() => { window.post.likes.increment(2); window.post.tags.add('crdt'); return window.post.saved; });
  for (const tab of tabs) {
    await tab.waitForFunction(() => document.body.textContent === '{"likes":2,"stock":0,"tags":["crdt"]}');
    assert.equal(await tab.evaluate(() => window.client.mode), 'shared-worker');
  }
  assert.equal((await health(hub)).connections, 1);
  assert.deepEqual(problems, []);
  await browser.close();
}

const allow = (origin) => ({ config: `allowed_origins: ["${origin}"]` });

test('the tarball holds what apps need, and nothing else', { timeout: 60000 }, async (t) => {
  const { app, packed } = await makeApp(t);
  for (const path of packed) assert.match(path, /^(package\.json|README\.md|(dist|src)\/.*\.(js|ts|map))$/);
  const { exports } = JSON.parse(readFileSync(join(app, 'node_modules/syncline/package.json'), 'utf8'));
  const targets = Object.entries(exports).filter(([name]) => !name.includes('*'))
    .flatMap(([, target]) => (typeof target === 'string' ? [target] : Object.values(target)));
  for (const target of targets) assert.ok(existsSync(join(app, 'node_modules/syncline', target)), target);
  const whole = ['syncline.js', 'shared-worker.js'].map((name) => readFileSync(join(app, 'node_modules/syncline/dist', name), 'utf8'));
  for (const text of whole) assert.doesNotMatch(text, /(from|import|import\()\s*["']/);
});

test('a page without a bundler', { timeout: 60000 }, async (t) => {
  const { app } = await makeApp(t, {
    'index.html': page('main.js'), 'main.js': script('./node_modules/syncline/dist/syncline.js'),
  });
  const origin = await serveFolder(t, app);
  await checkTabs(t, origin, await startHub(t, allow(origin)));
});

/** Vite finds its own things beside the app. */
async function makeViteApp(t) {
  const { app } = await makeApp(t, { 'index.html': page('/main.js'), 'main.js': script('syncline') });
  symlinkSync(new URL('../../node_modules/vite', import.meta.url).pathname, join(app, 'node_modules/vite'));
  return app;
}

test('an app built by Vite', { timeout: 120000 }, async (t) => {
  const app = await makeViteApp(t);
  await build({ root: app, configFile: false, logLevel: 'warn' });
  const names = readdirSync(join(app, 'dist/assets'));
  for (const name of names) assert.doesNotMatch(readFileSync(join(app, 'dist/assets', name), 'utf8'), /["'](ws|node:[a-z]+)["']/);
  const origin = await serveFolder(t, join(app, 'dist'));
  await checkTabs(t, origin, await startHub(t, allow(origin)));
});

test('an app served by Vite while it is written', { timeout: 120000 }, async (t) => {
  const app = await makeViteApp(t);
  // Vite's copy of a dependency does not take its worker along (clients/js/README.md).
  const optimizeDeps = { exclude: ['syncline'] };
  const server = await createServer({ root: app, configFile: false, logLevel: 'warn', optimizeDeps, server: { host: '127.0.0.1', port: 0 } });
  t.after(() => server.close());
  await server.listen();
  const origin = `http://127.0.0.1:${server.httpServer.address().port}`;
  await checkTabs(t, origin, await startHub(t, allow(origin)));
});

test('a program in Node', { timeout: 60000 }, async (t) => {
  const { app } = await makeApp(t, {
    'main.js': `
      import { webcrypto } from 'node:crypto';
      globalThis.crypto ??= webcrypto;
      const { connect } = await import('syncline');
      const client = connect(process.argv[2]);
      const post = client.post('42');
      await post.ready;
      post.likes.increment();
      await post.saved;
      client.close();
    `,
  });
  const hub = await startHub(t);
  await promisify(execFile)(process.execPath, ['main.js', hub.url], { cwd: app });
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/42', 'likes'])).stdout, '1\n');
});
