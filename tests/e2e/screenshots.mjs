/** The pictures of the shop in docs/screenshots: `npm run screenshots -w tests/e2e`, to be looked at before they are committed. */
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { until } from './support.mjs';
import { addTag, card, goOffline, openShop, press, read, show, visit } from './shop.mjs';

const target = new URL('../../docs/screenshots/', import.meta.url).pathname;
const wide = { width: 1440, height: 1010 };
const narrow = { width: 390, height: 844 };

/** With nothing pointed at but the product that is looked at. */
async function picture(page, viewport, colorScheme) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  await page.screenshot({ path: `${target}shop-${viewport.width}-${colorScheme}.png` });
}

test('a busy shop', { timeout: 120000 }, async (t) => {
  mkdirSync(target, { recursive: true });
  const shop = await openShop(t);
  const names = ['Merry Heron', 'Bold Lynx', 'Sunny Otter', 'Quiet Wren'];
  const [ann, bob, eve, tim] = await Promise.all(names.map((name) => visit(shop, name)));
  for (let i = 0; i < 3; i++) await press(bob, 'like');
  await press(eve, 'like', 'lamp');
  for (let i = 0; i < 4; i++) await press(tim, 'buy');
  for (let i = 0; i < 6; i++) await press(tim, 'buy', 'backpack');
  await addTag(bob, 'giftable', 'lamp');
  await press(eve, 'hold');
  await press(ann, 'hold', 'lamp');
  await press(ann, 'add', 'lamp');
  await press(ann, 'add', 'lamp');
  await press(ann, 'add');
  await show(ann, { left: '1 left, 1 held', saved: 'All saved' });
  for (const [page, key] of [[bob, 'kettle'], [eve, 'kettle'], [tim, 'backpack']]) await card(page, key).locator('h3').hover();
  await until(async () => (await read(ann, 'backpack')).lookers.length === 1, 'who looks at the backpack');
  await ann.mouse.move(0, 0);
  for (const colorScheme of ['light', 'dark']) await picture(ann, wide, colorScheme);
  await goOffline(ann);
  await press(ann, 'like');
  await press(ann, 'buy');
  await press(ann, 'add');
  await show(ann, { saved: '3 changes wait' });
  await ann.mouse.move(0, 0);
  for (const colorScheme of ['light', 'dark']) await picture(ann, narrow, colorScheme);
});
