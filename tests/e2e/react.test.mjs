/**
 * Goal:   React components show what the document has, render again only for what they read, and leave nothing behind.
 * Method: a page with a few components under StrictMode in Debian's Chromium, served from another origin than the hub's. It counts
 *         renders and listeners, the hub connections and streams; a second client edits.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { bundle, launchOptions, servePage } from './pages.mjs';
import { health, sleep, startHub, until } from './support.mjs';

const schemas = 'post: {likes: g-counter, stock: pn-counter, tags: {type: or-set, of: string}, cart: {type: map, of: pn-counter}}';

async function start(t, script = bundle('react.jsx')) {
  const origin = await servePage(t, await script);
  const hub = await startHub(t, { schemas, config: `allowed_origins: ["${origin}"]` });
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const page = await browser.newPage();
  const problems = [];
  page.on('console', (entry) => { if (['error', 'warning'].includes(entry.type())) problems.push(entry.text()); });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`${origin}/?hub=${encodeURIComponent(hub.url)}`);
  const client = connect(hub.url);
  t.after(() => client.close());
  const post = client.open('post/1');
  await post.synced;
  return { hub, page, problems, client, post };
}

const mount = (page, app) => page.evaluate((name) => window.mount(name), app);
const shows = (page, id, text) => until(
  async () => (await page.textContent(`#${id}`)) === text || page.textContent(`#${id}`).then((seen) => Promise.reject(seen)), `#${id}`);
const counts = (page) => page.evaluate(() => ({ ...window.renders }));
/** Beside the second client's. */
const streams = (hub, count) => until(async () => (await health(hub)).streams === count + 1, `${count} streams`);
const connections = (hub, count) => until(async () => (await health(hub)).connections === count + 1, `${count} connections`);

/** Which components have rendered since. */
const rendered = async (page, before) => Object.entries(await counts(page)).filter(([name, count]) => count !== before[name]).map(([name]) => name);

test('of hundreds of components an edit renders only those that read what it changes', { timeout: 120000 }, async (t) => {
  const { page, problems, post } = await start(t);
  post.transact(() => {
    for (let i = 0; i < 1000; i++) post.tags.add(`other ${i}`);
    for (let i = 0; i < 120; i++) post.cart.at(`name ${i}`).increment(1);
  });
  await post.saved;
  await mount(page, 'crowd');
  await until(async () => (await page.getByText('1', { exact: true }).count()) === 120, 'all lines are shown');
  const before = await counts(page);
  assert.equal(Object.keys(before).length, 240);
  const settled = async (act) => {
    const seen = await counts(page);
    await act();
    await post.saved;
    await page.evaluate(() => window.client.open('post/1').saved);
    await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); }));
    return rendered(page, seen);
  };
  const here = (edit) => settled(() => page.evaluate(edit));
  const there = (edit, name, text) => settled(async () => {
    edit();
    await page.waitForFunction(([tag, expected]) => document.getElementById(tag).textContent === expected, [name, text]);
  });
  assert.deepEqual(await there(() => post.tags.add('name 7'), 'tag-name 7', 'true'), ['tag name 7']);
  assert.deepEqual(await here(() => { window.client.open('post/1').tags.add('name 8'); }), ['tag name 8']);
  assert.deepEqual(await there(() => post.cart.at('name 9').increment(2), 'line-name 9', '3'), ['line name 9']);
  assert.deepEqual(await here(() => { window.client.open('post/1').cart.at('name 10').increment(2); }), ['line name 10']);
  assert.deepEqual(await here(() => { window.client.open('post/1').tags.delete('other 1'); }), [], 'nobody reads it');
  assert.deepEqual(problems, []);
});

test('components show what two clients edit, over one stream, and render for what they read', { timeout: 120000 }, async (t) => {
  const { hub, page, problems, post } = await start(t);
  post.transact(() => { post.likes.increment(2); post.tags.add('blue'); post.cart.at('apple').increment(3); });
  await post.saved;
  await mount(page, 'url');
  await shows(page, 'likes', '2');
  await shows(page, 'tags', '["blue"]');
  await shows(page, 'tag-blue', 'true');
  await shows(page, 'tag-red', 'false');
  await shows(page, 'line-apple', '3');
  await shows(page, 'long-tags', '["blue"]');
  await shows(page, 'status', 'online 0');
  await streams(hub, 1);
  await connections(hub, 1);

  await page.click('#like');
  await shows(page, 'likes', '3');
  await until(() => post.likes.value === 3, 'the like');
  await shows(page, 'waiting', '0');

  const before = await counts(page);
  post.tags.add('red');
  await shows(page, 'tag-red', 'true');
  const after = await counts(page);
  assert.ok(after['tag red'] > before['tag red']);
  for (const name of ['tag blue', 'likes', 'line apple', 'line pear']) assert.equal(after[name], before[name], name);

  post.cart.at('pear').increment();
  await shows(page, 'line-pear', '1');
  const last = await counts(page);
  for (const name of ['line apple', 'tags', 'tag red', 'long tags']) assert.equal(last[name], after[name], name);
  assert.ok(last['line pear'] <= after['line pear'] + 2, 'once, which StrictMode doubles');

  await hub.kill();
  await page.click('#like');
  await shows(page, 'status', 'connecting 1');
  await hub.start();
  await shows(page, 'status', 'online 0');
  await until(() => post.likes.value === 4, 'the like that waited');
  assert.deepEqual(problems.filter((text) => !/WebSocket connection/.test(text)), []);
});

test('the last component that goes closes the document, and the provider its client', { timeout: 120000 }, async (t) => {
  const { hub, page, problems, post } = await start(t);
  await mount(page, 'url');
  await shows(page, 'likes', '0');
  await shows(page, 'line-apple', '0');
  const all = await page.evaluate(() => window.listeners());
  assert.equal(all, 4 + 3 + 1 + 2, 'one for each hook that reads');

  await page.evaluate(() => window.show({ first: true, second: false }));
  await until(async () => (await page.evaluate(() => window.listeners())) === 6, 'listeners of those that are left');
  await sleep(100);
  await streams(hub, 1);

  await page.evaluate(() => window.show({ first: false, second: false }));
  await until(async () => (await page.evaluate(() => window.listeners())) === 2, 'those of the status');
  await streams(hub, 0);
  await connections(hub, 1);

  await page.evaluate(() => window.show({ first: true, second: true }));
  post.likes.increment();
  await shows(page, 'likes', '1');
  await streams(hub, 1);

  await hub.kill();
  await page.click('#like');
  await page.evaluate(() => window.show({ first: false, second: false }));
  await shows(page, 'status', 'connecting 1');
  await hub.start();
  await shows(page, 'status', 'online 0');
  await until(() => post.likes.value === 2, 'a like that nobody shows any more');
  await streams(hub, 0);

  await page.evaluate(() => window.show({ first: true, second: true }));
  await shows(page, 'likes', '2');
  await page.evaluate(() => { document.getElementById('like').click(); window.unmount(); });
  await until(() => post.likes.value === 3, 'the last like');
  await until(async () => (await page.evaluate(() => window.listeners())) === 0, 'no listeners');
  await streams(hub, 0);
  await connections(hub, 0);
  assert.equal(await page.evaluate(() => window.client.status), 'closed');
  assert.deepEqual(problems.filter((text) => !/WebSocket connection/.test(text)), []);
});

test('a client of the app, and what it has open, stay when components go', { timeout: 120000 }, async (t) => {
  const { hub, page, problems } = await start(t);
  await mount(page, 'given');
  await shows(page, 'likes', '0');
  await streams(hub, 1);
  await page.evaluate(() => window.unmount());
  await streams(hub, 0);
  await connections(hub, 1);
  assert.equal(await page.evaluate(() => window.listeners()), 0);

  await page.evaluate(() => { window.given.open('post/1'); window.mount('given'); });
  await page.click('#like');
  await shows(page, 'likes', '1');
  await page.evaluate(() => window.unmount());
  await sleep(300);
  await streams(hub, 1);
  assert.deepEqual(problems, []);
});

test('what is hidden closes and is there again when it is shown', { timeout: 120000 }, async (t) => {
  const { hub, page, problems, post } = await start(t);
  assert.ok(await page.evaluate(() => window.canHide), 'React has Activity from 19.2 on');
  await mount(page, 'hideable');
  await shows(page, 'status', 'online 0');
  for (let turn = 1; turn <= 2; turn++) {
    await page.evaluate(() => window.setMode('hidden'));
    await connections(hub, 0);
    assert.equal(await page.evaluate(() => window.listeners()), 0);
    post.likes.increment();
    await page.evaluate(() => window.setMode('visible'));
    await shows(page, 'likes', String(turn));
    await streams(hub, 1);
  }
  return assert.deepEqual(problems, []);
});

test('no render shows two moments', { timeout: 120000 }, async (t) => {
  const { page, problems, post } = await start(t);
  await mount(page, 'sames');
  await page.waitForSelector('.same');
  for (let i = 1; i <= 100; i++) {
    await page.evaluate(() => window.turn());
    post.likes.increment();
  }
  await until(async () => (await page.$$eval('.same', (all) => all.map((one) => one.textContent).join())) ===
    Array(10).fill('100').join(), 'the last');
  assert.deepEqual(await page.evaluate(() => window.torn), []);
  assert.deepEqual(problems, []);
});

test('the example of the README', { timeout: 120000 }, async (t) => {
  const readme = readFileSync(new URL('../../clients/js/README.md', import.meta.url), 'utf8');
  const [, example] = /```tsx\n([\s\S]*?)```/.exec(readme);
  const script = example.replace('"ws://127.0.0.1:7962/"', "{new URLSearchParams(location.search).get('hub')!}");
  const { page, problems, post } = await start(t, bundle({ stdin: { contents: script, loader: 'tsx', resolveDir: new URL('.', import.meta.url).pathname } }));
  await page.click('text=Like');
  await until(() => post.likes.value === 1, 'the like');
  await page.fill('input', 'crdt');
  await page.press('input', 'Enter');
  await until(() => post.tags.has('crdt'), 'the tag');
  post.tags.add('sync');
  await page.waitForSelector('text=sync');
  await page.waitForSelector('text=All saved');
  assert.deepEqual(problems, []);
});
