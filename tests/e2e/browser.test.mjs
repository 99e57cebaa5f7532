/**
 * Goal:   the shop's tabs and visitors agree, offline edits come back, a reload without a hub shows what there was, and a hub that is
 *         killed loses nothing it acknowledged.
 * Method: Debian's Chromium, driven by clicks, a profile for each visitor; the values are read off the page.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { connect } from 'syncline';
import { health, sleep, until } from './support.mjs';
import { addTag, card, goOffline, goOnline, isOpen, openShop, openTab, press, read, show, visit, visitor } from './shop.mjs';

test('first visitors who come at once fill the shelves once', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const contexts = await Promise.all(['Ann', 'Bob', 'Eve', 'Tim'].map((name) => visitor(shop, name)));
  const pages = await Promise.all(contexts.map((context) => openTab(shop, context)));
  await Promise.all(pages.map(isOpen));
  for (const key of ['kettle', 'lamp', 'backpack']) await show(pages, { left: '6 left', toasts: [] }, key);
  await show(pages, { tags: ['1 litre', 'enamel'], likes: '0' });
  assert.deepEqual(shop.problems, []);
});

test('tabs and visitors agree, offline and through a kill of the hub', { timeout: 120000 }, async (t) => {
  const shop = await openShop(t);
  const a = await visit(shop, 'Ann');
  const tab = await openTab(shop, a.context());
  const b = await visit(shop, 'Bob');
  assert.equal((await health(shop.hub)).connections, 2, 'the two tabs share one');
  await press(a, 'like');
  await press(b, 'like');
  await press(tab, 'buy');
  await press(a, 'add');
  await addTag(a, 'red');
  await card(b).locator('[data-tag="enamel"] button').click();
  await show([a, tab, b], { likes: '2', left: '5 left', tags: ['1 litre', 'red'], saved: 'All saved' });
  await show([a, tab], { cart: { kettle: '1' } });
  await show(b, { cart: {} });

  await goOffline(b);
  await press(b, 'like');
  await addTag(b, 'blue');
  await card(a).locator('[data-tag="red"] button').click();
  await show(b, { status: 'offline', likes: '3', saved: '2 changes wait', waits: '2 changes not saved yet', tags: ['1 litre', 'blue', 'red'] });
  await show(a, { likes: '2', tags: ['1 litre'] });
  await goOnline(b);
  await show([a, tab, b], { likes: '3', tags: ['1 litre', 'blue'], saved: 'All saved', waits: '' });
  assert.deepEqual(shop.problems, []);

  await shop.hub.kill();
  await show(a, { status: 'connecting' });
  await press(a, 'like');
  await press(a, 'like');
  await show(a, { saved: '2 changes wait' });
  await shop.hub.start();
  await show([a, tab, b], { likes: '5', tags: ['1 litre', 'blue'], saved: 'All saved' });
});

/** Perhaps more than were made: a reload may come before the last acknowledgements are on the device's disk. */
const waiting = async (page) => Number(/^\d+/.exec((await read(page)).saved)[0]);

test('what was done offline is there after a reload, also without a hub', { timeout: 120000 }, async (t) => {
  const shop = await openShop(t);
  const page = await visit(shop, 'Ann');
  await page.evaluate(() => navigator.serviceWorker.ready);
  await goOffline(page);
  await press(page, 'add');
  await press(page, 'add');
  await press(page, 'buy', 'lamp');
  await show(page, { cart: { kettle: '2' }, saved: '3 changes wait' });
  await page.reload();
  await show(page, { status: 'offline', cart: { kettle: '2' } });
  await show(page, { left: '5 left', usable: true }, 'lamp');
  assert.ok(await waiting(page) >= 3);
  assert.equal(await page.isDisabled('#checkout'), true);
  assert.match(await page.textContent('#cart-note'), /needs the network/);
  assert.deepEqual(shop.problems, []);

  await shop.hub.stop();
  await page.reload();
  await show(page, { status: 'offline', cart: { kettle: '2' }, left: '6 left', usable: true });
  assert.ok(await waiting(page) >= 3);
  await card(page).locator('.add').click();
  await show(page, { cart: { kettle: '3' } });
  await shop.hub.start();
  await goOnline(page);
  await show(page, { status: 'online', cart: { kettle: '3' }, saved: 'All saved' });
  const other = await visit(shop, 'Bob');
  await show(other, { left: '5 left', cart: {} }, 'lamp');
});

test('a cart is shared by its link, and keeps what both put in', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const a = await visit(shop, 'Ann');
  await press(a, 'add');
  await show(a, { cart: { kettle: '1' }, saved: 'All saved' });
  const link = await a.getAttribute('#cart-link', 'href');
  const b = await openTab(shop, await visitor(shop, 'Bob'), link);
  await isOpen(b);
  assert.equal(new URL(b.url()).search, '', 'the link is not left in the address');
  await show(b, { cart: { kettle: '1' } });
  await Promise.all([goOffline(a), goOffline(b)]);
  await press(a, 'add');
  await press(b, 'add');
  await press(b, 'add', 'lamp');
  await Promise.all([goOnline(a), goOnline(b)]);
  await show([a, b], { cart: { kettle: '3', lamp: '1' } });
  await b.reload();
  await show(b, { cart: { kettle: '3', lamp: '1' } });

  await press(b, 'buy', 'lamp');
  await b.click('#checkout');
  await show([a, b], { cart: {}, left: '3 left', saved: 'All saved' });
  await show([a, b], { left: '4 left' }, 'lamp');
  assert.deepEqual(shop.problems, []);
});

test('what is wrong is told until it is over', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t, { wrap: ['prlimit', '--fsize=1000000:unlimited'] }); // as if the disk were full
  const page = await visit(shop, 'Ann');
  const filler = connect(shop.hub.url);
  t.after(() => filler.close());
  const doc = filler.open('post/other');
  await doc.ready;
  for (let i = 0; i < 400 && !(await health(shop.hub)).read_only; i++) {
    for (let k = 0; k < 20; k++) doc.tags.add(`${i}-${k}-${'x'.repeat(100)}`);
    await Promise.race([doc.saved, sleep(300)]);
  }
  await press(page, 'like');
  await until(async () => (await read(page)).trouble !== '', 'the banner');
  await show(page, { likes: '1', waits: '1 change not saved yet' });
  execFileSync('prlimit', ['--pid', String(shop.hub.process.pid), '--fsize=unlimited']);
  await show(page, { likes: '1', saved: 'All saved', trouble: '' });
  assert.equal(await page.isVisible('#trouble'), false);
});

test('a hub without the shop\'s schemas is told as that', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t, { schemas: 'post: {likes: g-counter}' });
  const page = await openTab(shop, await visitor(shop, 'Ann'));
  await until(async () => /no schema .*server\/demo\.yaml/.test((await read(page)).trouble), 'the banner');
  assert.equal(await card(page).locator('.buy').isDisabled(), true);
  assert.equal(await card(page).locator('.tag-form input').isDisabled(), true);
  assert.deepEqual(shop.problems, []);
});
