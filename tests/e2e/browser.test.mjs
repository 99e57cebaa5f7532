/**
 * Goal:   two tabs of the demo agree, offline edits come back, and a hub that is killed loses nothing it acknowledged.
 * Method: Debian's Chromium, driven by clicks; the values are read off the page.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { health, sleep, startHub, until } from './support.mjs';

const launchOptions = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

async function openTab(browser, hub, problems, width = 900) {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  page.on('console', (entry) => { if (entry.type() === 'error') problems.push(entry.text()); });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`${hub.http}/`);
  await page.waitForSelector('#status[data-status="online"]');
  await page.waitForSelector('#like:enabled');
  return page;
}

const read = (page) => page.evaluate(() => ({
  likes: document.getElementById('likes-value').textContent,
  stock: document.getElementById('stock-value').textContent,
  tags: [...document.querySelectorAll('#tags li')].map((item) => item.dataset.tag),
  pending: document.getElementById('pending').textContent,
}));

async function agree(pages, expected) {
  for (const page of pages) {
    await until(async () => {
      const seen = await read(page);
      assert.deepEqual(seen, { ...expected, pending: '0' });
      return true;
    }, 'the tab');
  }
}

async function addTag(page, tag) {
  await page.fill('#tag-input', tag);
  await page.press('#tag-input', 'Enter');
}

test('two tabs agree, offline and through a kill of the hub', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  const problems = [];
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const a = await openTab(browser, hub, problems);
  const b = await openTab(browser, hub, problems);
  await a.click('#like');
  await b.click('#like');
  await b.click('#stock-down');
  await addTag(a, 'red');
  await agree([a, b], { likes: '2', stock: '-1', tags: ['red'] });

  await b.check('#offline-switch');
  await b.click('#like');
  await addTag(b, 'blue');
  await a.click('#tags li[data-tag="red"] button');
  await until(async () => (await read(b)).pending === '2', 'pending while offline');
  assert.equal((await read(a)).likes, '2');
  await b.uncheck('#offline-switch');
  await agree([a, b], { likes: '3', stock: '-1', tags: ['blue'] });
  assert.deepEqual(problems, []);

  await hub.kill();
  await a.click('#like');
  await a.click('#like');
  await hub.start();
  await agree([a, b], { likes: '5', stock: '-1', tags: ['blue'] });
});

test('the page fits a phone', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const problems = [];
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const page = await openTab(browser, hub, problems, 360);
  await addTag(page, 'a-tag-that-is-as-long-as-tags-can-be-and-has-no-place-to-break-it');
  await page.waitForSelector('#tags li');
  const [content, screen] = await page.evaluate(
    () => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= screen, `${content} > ${screen}`);
  assert.deepEqual(problems, []);
});

test('a tag of nothing but spaces is none, and a form that is not ready goes nowhere', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const problems = [];
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const page = await openTab(browser, hub, problems);
  await addTag(page, '   ');
  await addTag(page, 'red');
  await agree([page], { likes: '0', stock: '0', tags: ['red'] });

  const refused = `${hub.http}/?post=${'x'.repeat(300)}`;
  await page.goto(refused);
  await page.waitForSelector('#message:not(:empty)');
  await addTag(page, 'blue');
  await sleep(200);
  assert.equal(page.url(), refused);
  assert.match(await page.textContent('#message'), /name/);
});

test('what is wrong is told until it is over', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { wrap: ['prlimit', '--fsize=1000000:unlimited'] }); // as if the disk were full
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  const page = await openTab(browser, hub, []);
  const filler = connect(hub.url);
  t.after(() => filler.close());
  const doc = filler.open('post/other');
  await doc.ready;
  for (let i = 0; i < 400 && !(await health(hub)).read_only; i++) {
    for (let k = 0; k < 20; k++) doc.tags.add(`${i}-${k}-${'x'.repeat(100)}`);
    await Promise.race([doc.saved, sleep(300)]);
  }
  await page.click('#like');
  await page.waitForSelector('#message:not(:empty)');
  assert.deepEqual(await read(page), { likes: '1', stock: '0', tags: [], pending: '1' });
  execFileSync('prlimit', ['--pid', String(hub.process.pid), '--fsize=unlimited']);
  await agree([page], { likes: '1', stock: '0', tags: [] });
  assert.equal(await page.textContent('#message'), '');
});
