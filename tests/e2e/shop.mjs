/** The demo's shop for the tests: a hub with its schemas, visitors with a browser profile each, and what their page shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { launchOptions } from './pages.mjs';
import { startHub, until } from './support.mjs';

const schemas = /^schemas:\n([\s\S]*)$/m.exec(readFileSync(new URL('../../server/demo.yaml', import.meta.url), 'utf8'))[1].trim();

/** The hub that `./dev run` starts, and a browser. */
export async function openShop(t, options = {}) {
  const hub = await startHub(t, { schemas, ...options });
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  return { hub, browser, problems: [] };
}

/** Somebody with a profile of their own: another browser, or another device. */
export async function visitor({ browser }, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
  await context.addInitScript((text) => {
    if (localStorage.getItem('shop-name') === null) localStorage.setItem('shop-name', text);
  }, name);
  return context;
}

export async function openTab({ hub, problems }, context, path = '/') {
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on('console', (entry) => { if (['error', 'warning'].includes(entry.type())) problems.push(entry.text()); });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(hub.http + path);
  return page;
}

/** A visitor's first tab, once the shop is there and the shelves are full. */
export async function visit(shop, name, options) {
  const page = await openTab(shop, await visitor(shop, name, options));
  await isOpen(page);
  return page;
}

export async function isOpen(page) {
  await until(async () => {
    const { status, saved, usable } = await read(page);
    return status === 'online' && saved === 'All saved' && usable;
  }, 'the shop is open');
}

export const card = (page, key = 'kettle') => page.locator(`[data-product="${key}"]`);
export const press = (page, name, key) => card(page, key).locator(`.${name}`).click();

export async function addTag(page, tag, key) {
  const input = card(page, key).locator('.tag-form input');
  await input.fill(tag);
  await input.press('Enter');
}

export const goOffline = (page) => toggle(page, true);
export const goOnline = (page) => toggle(page, false);

async function toggle(page, isOffline) {
  await page.click('#offline-switch');
  assert.equal(await page.getAttribute('#offline-switch', 'aria-checked'), String(isOffline));
}

/** What a visitor sees, of one product. */
export const read = (page, key = 'kettle') => page.evaluate((name) => {
  const shown = document.querySelector(`[data-product="${name}"]`);
  const textOf = (selector, root = document) => root.querySelector(selector)?.textContent.trim();
  return {
    status: document.getElementById('connection').dataset.status,
    saved: textOf('#saved-text'),
    usable: [...document.querySelectorAll('.card')].every((one) => one.getAttribute('aria-busy') === 'false'
      && !one.querySelector('.add').disabled),
    likes: textOf('.likes', shown),
    left: textOf('.left', shown),
    waits: textOf('.waits', shown),
    tags: [...shown.querySelectorAll('.tag')].map((tag) => tag.dataset.tag),
    cart: Object.fromEntries([...document.querySelectorAll('.cart-line')].map((line) => [line.dataset.key, textOf('.amount', line)])),
    toasts: [...document.querySelectorAll('.toast p')].map((text) => text.textContent),
    trouble: textOf('#trouble'),
    others: [...document.querySelectorAll('#others .avatar')].map((one) => one.dataset.visitor).sort(),
    lookers: [...shown.querySelectorAll('.lookers .avatar')].map((one) => one.dataset.visitor).sort(),
  };
}, key);

/** Waits until the pages show that, and perhaps more. */
export async function show(pages, expected, key) {
  for (const page of [pages].flat()) {
    await until(async () => {
      const seen = await read(page, key);
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, seen[name]])), expected);
      return true;
    }, `the page of the ${key ?? 'kettle'}`, 40000); // Chromium makes a page that could not connect wait
  }
}
