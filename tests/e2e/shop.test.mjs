/**
 * Goal:   the shop shows what is pending, held, refused and who is looking as its visitors want to see it, on every screen, in both
 *         colour schemes, and by keyboard alone.
 * Method: as browser.test.mjs. Colours and sizes are those that Chromium computed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'syncline';
import { until } from './support.mjs';
import { addTag, card, goOffline, goOnline, isOpen, openShop, openTab, press, read, show, visit } from './shop.mjs';

test('a purchase that was refused is taken back on the screen, and told', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const [a, b] = [await visit(shop, 'Ann'), await visit(shop, 'Bob')];
  for (let i = 0; i < 4; i++) await press(b, 'buy');
  await show(a, { left: '2 left' });
  await goOffline(a);
  await press(a, 'buy');
  await press(a, 'buy');
  await show(a, { left: 'Sold out', waits: '2 changes not saved yet' });
  assert.equal(await card(a).locator('.buy').isDisabled(), true);
  await press(b, 'hold');
  await show(b, { left: '2 left, 1 held for you', saved: 'All saved' });

  await goOnline(a);
  await show(a, {
    left: '0 left, 1 held', waits: '', saved: 'All saved',
    toasts: ['Someone was faster: your kettle could not be bought, 0 left.'],
  });
  await show(b, { left: '1 left, 1 held for you', toasts: [] });
  await a.getByRole('button', { name: 'Dismiss' }).click();
  await show(a, { toasts: [] });

  await press(b, 'buy');
  await press(b, 'restock');
  await show([a, b], { left: '6 left' });
  assert.deepEqual(shop.problems, []);
});

test('two who fill the shelf at once fill it once', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const [a, b] = [await visit(shop, 'Ann'), await visit(shop, 'Bob')];
  for (let i = 0; i < 4; i++) await press(b, 'buy');
  await show(a, { left: '2 left' });
  await goOffline(a);
  await press(a, 'restock');
  await show(a, { left: '6 left' });
  await press(b, 'restock');
  await press(b, 'buy');
  await show(b, { left: '5 left', saved: 'All saved' });
  await goOnline(a);
  await show(a, { left: '5 left', toasts: ['Someone has filled the shelf already: 5 left.'] });
  assert.deepEqual(shop.problems, []);
});

test('what is held stays its holder\'s, also without a network', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const [a, b] = [await visit(shop, 'Ann'), await visit(shop, 'Bob')];
  await press(a, 'hold');
  await show(a, { left: '6 left, 1 held for you', saved: 'All saved' });
  assert.match(await card(a).locator('.hold').textContent(), /^Release [12]:\d\d$/);
  await show(b, { left: '5 left, 1 held' });
  await a.reload();
  await isOpen(a);
  await show(a, { left: '6 left, 1 held for you' });
  await goOffline(a);
  for (let i = 0; i < 5; i++) await press(b, 'buy');
  await show(b, { left: '0 left, 1 held', saved: 'All saved' });
  assert.equal(await card(b).locator('.buy').isDisabled(), true);
  assert.equal(await card(b).locator('.hold').isDisabled(), true);
  await press(a, 'buy');
  await goOnline(a);
  await show(b, { left: 'Sold out' });
  await show(a, { left: 'Sold out', saved: 'All saved', toasts: [] });

  await press(a, 'hold', 'lamp');
  await show(b, { left: '5 left, 1 held' }, 'lamp');
  await press(a, 'hold', 'lamp');
  await show([a, b], { left: '6 left' }, 'lamp');
  assert.deepEqual(shop.problems, []);
});

test('who is looking comes, has a name, looks at something, and goes', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const [a, b] = [await visit(shop, 'Quick Otter'), await visit(shop, 'Calm Seal')];
  const tab = await openTab(shop, b.context());
  await isOpen(tab);
  await show(a, { others: ['Calm Seal'] }); // two tabs are one visitor
  await show([b, tab], { others: ['Quick Otter'] });
  assert.equal(await a.textContent('#looking'), 'You and Calm Seal are looking');
  await tab.close();
  await card(b, 'lamp').hover();
  await show(a, { lookers: ['Calm Seal'] }, 'lamp');
  await b.hover('h1');
  await show(a, { lookers: [], others: ['Calm Seal'] }, 'lamp');

  await b.click('#me');
  await b.fill('#rename-input', '  Bold Hare  ');
  await b.press('#rename-input', 'Enter');
  await show(a, { others: ['Bold Hare'] });
  await b.reload();
  await show(a, { others: ['Bold Hare'] });
  await b.click('#me');
  await b.fill('#rename-input', 'Nobody');
  await b.keyboard.press('Escape');
  assert.equal(await b.getAttribute('#me', 'title'), 'You are Bold Hare');

  await goOffline(b);
  await show(a, { others: [] });
  await goOnline(b);
  await show(a, { others: ['Bold Hare'] });
  await b.close();
  await show(a, { others: [] });
  assert.equal(await a.textContent('#looking'), 'Only you are looking');
  assert.deepEqual(shop.problems, []);
});

/** Presses Tab until the element that is meant has the focus, which can be seen. */
async function tabTo(page, name) {
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    const [label, outline] = await page.evaluate(() => {
      const { activeElement: element } = document;
      if (element === document.body) return ['', 'solid']; // the browser's own controls are next
      return [element.getAttribute('aria-label') ?? element.textContent.trim(), getComputedStyle(element).outlineStyle];
    });
    assert.equal(outline, 'solid', `the focus is seen on ${label}`);
    if (label.startsWith(name)) return;
  }
  assert.fail(`Tab does not lead to ${name}`);
}

test('everything goes by keyboard alone', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const page = await visit(shop, 'Ann');
  const press = async (name, key = 'Enter') => { await tabTo(page, name); await page.keyboard.press(key); };
  await press('Skip to the products');
  await press('Like the kettle');
  await press('Buy a kettle');
  await press('Add a kettle to the cart', 'Space');
  await press('Hold one kettle');
  await show(page, { likes: '1', left: '5 left, 1 held for you', cart: { kettle: '1' } });
  await press('Remove the tag 1 litre');
  await page.keyboard.type('steel');
  await page.keyboard.press('Enter');
  await show(page, { tags: ['enamel', 'steel'] });
  await press('One kettle more');
  await press('Buy all');
  await show(page, { cart: {}, left: '3 left', saved: 'All saved' });
  await press('Work offline');
  await show(page, { status: 'offline' });
  await page.keyboard.press('Space');
  await show(page, { status: 'online' });
  assert.deepEqual(shop.problems, []);
});

/** Texts whose contrast is too low, and controls that are too small for a finger; in the page. */
function flaws(least) {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  /** As sRGB over what is behind, whatever notation it is in. */
  function over(colour, behind) {
    canvas.fillStyle = `rgb(${behind.join(' ')})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }
  const behind = (element) => over(getComputedStyle(element).backgroundColor,
    element.parentElement === null ? [255, 255, 255] : behind(element.parentElement));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  function contrast(element) {
    const ground = behind(element);
    const [dark, light] = [luminance(ground), luminance(over(getComputedStyle(element).color, ground))].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }
  const isShown = (element) => element.checkVisibility() && getComputedStyle(element).clipPath === 'none';
  const hasText = (element) => [...element.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim() !== '');
  const texts = [...document.body.querySelectorAll('*')]
    .filter((element) => hasText(element) && isShown(element) && !(element instanceof HTMLScriptElement));
  const controls = [...document.querySelectorAll('button, input, a.button, a.to-cart')].filter(isShown);
  return {
    seen: texts.length,
    pale: texts.filter((element) => contrast(element) < 4.5).map((element) => [element.textContent, contrast(element)]),
    small: controls.map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
      .filter(([, { width, height }]) => Math.min(width, height) < least).map(([html, { width, height }]) => [html, width, height]),
  };
}

async function fits(page, width, isTouched, what) {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= screen && screen === width, `${content} > ${screen}`);
  const { seen, pale, small } = await page.evaluate(flaws, isTouched ? 44 : 32);
  assert.ok(seen > 40, `${seen} texts`);
  assert.deepEqual({ pale, small }, { pale: [], small: [] }, what);
}

/** Others who look, each with a client of their own. */
function crowdIn({ hub }, t, count) {
  for (let i = 0; i < count; i++) {
    const client = connect(hub.url);
    t.after(() => client.close());
    client.open('shop/main').presence.set({ id: `visitor${i}0`, name: `Visitor ${i}`, at: 'kettle' });
  }
}

for (const [width, isTouched] of [[360, true], [390, true], [1440, false]]) {
  test(`the shop fits ${width} pixels, in light and dark`, { timeout: 120000 }, async (t) => {
    const shop = await openShop(t);
    const options = { viewport: { width, height: 844 }, hasTouch: isTouched, isMobile: isTouched };
    const page = await visit(shop, 'A Name That Is Too Long', options);
    await addTag(page, 'a-tag-that-has-no-place-to-break');
    for (const key of ['kettle', 'lamp', 'backpack']) await press(page, 'add', key);
    await press(page, 'hold', 'lamp');
    await show(page, { saved: 'All saved', cart: { kettle: '1', lamp: '1', backpack: '1' } });
    crowdIn(shop, t, 6);
    await until(async () => (await read(page)).others.length === 5, 'four avatars and how many more');
    assert.ok((await page.locator('#me').boundingBox()).width >= 44);
    await fits(page, width, isTouched);
    await goOffline(page);
    for (let i = 0; i < 6; i++) await press(page, 'buy');
    await show(page, { left: 'Sold out', saved: '6 changes wait' });
    const grounds = [];
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await fits(page, width, isTouched, colorScheme);
      grounds.push(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
    }
    assert.notEqual(grounds[0], grounds[1]);
    assert.deepEqual(shop.problems, []);
  });
}

test('a name can be read on an avatar of whatever colour', { timeout: 60000 }, async (t) => {
  const page = await visit(await openShop(t), 'Ann');
  for (let hue = 0; hue < 360; hue += 10) {
    await page.evaluate((colour) => document.getElementById('me').style.setProperty('--hue', colour), String(hue));
    assert.deepEqual((await page.evaluate(flaws, 32)).pale, [], `hue ${hue}`);
  }
});

test('a tag of nothing but spaces is none, and what is shown of others is text', { timeout: 60000 }, async (t) => {
  const shop = await openShop(t);
  const a = await visit(shop, '<b>Ann</b>');
  const b = await visit(shop, 'Bob');
  await addTag(a, '   ');
  await addTag(a, '<img src=x>');
  await show([a, b], { tags: ['1 litre', '<img src=x>', 'enamel'] });
  await show(b, { others: ['<b>Ann</b>'] });
  assert.equal(await b.locator('.tags img').count(), 0);
  assert.deepEqual(shop.problems, []);
});
