/**
 * Goal:   an operator sees in the console what a running hub does: its numbers, clients, documents with their live values and refused
 *         updates; with a mouse, a keyboard or a phone, whatever documents are called, and again after the hub was gone.
 * Method: the page in Debian's Chromium, served by a real hub that real clients use. What it shows is compared with what the clients
 *         did and with /health. No page may say anything to its browser's console.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMessage } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { client, crowd, go, open, openConsole, openPage, refuse, relay, says, seen } from './console.mjs';
import { folder, health, until } from './support.mjs';

const chart = (title) => `.chart:has(h2:text-is("${title}"))`;
const numberOf = (text) => Number(text.replace(/[^\d.]/g, ''));
const row = (text) => `.view:not([hidden]) tbody tr:has-text("${text}")`;

test('the overview changes with the load and agrees with /health', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const page = await openPage(given);
  const till = client(given, 'till 3');
  const post = await open(till, 'post/1');
  let running = true;
  const load = (async () => {
    while (running) {
      post.likes.increment();
      await post.saved;
    }
  })();
  const rate = await until(async () => {
    const [text] = await seen(page, `${chart('Updates')} .chart-value`);
    return numberOf(text) > 1 && text;
  }, 'a rate of updates');
  assert.match(rate, /\/s$/);
  await says(page, `${chart('Commits')} .chart-value`, /[1-9].*\/s/);
  await says(page, `${chart('Connections')} .chart-value`, /^2$/);
  await says(page, row('till 3'), /till 3 [\d.]+ \d+ \d+/);
  await says(page, row('this page'), /up to date/);
  running = false;
  await load;

  await until(async () => {
    const { position, connections, documents } = await health(given.hub);
    assert.equal(numberOf(await page.textContent('#position')), position);
    assert.deepEqual(await seen(page, `${chart('Connections')} .chart-value`), [String(connections)]);
    assert.deepEqual(await seen(page, `${chart('Documents loaded')} .chart-value`), [String(documents)]);
    return position > 0;
  }, '/health');
  await says(page, `${chart('Updates')} .chart-value`, /^0\/s$/);
  const likes = post.likes.value.toLocaleString('en-GB');
  await says(page, '.facts >> nth=0', new RegExp(`Updates ${likes} with ${likes} edits?`));
  assert.deepEqual(given.problems, []);
});

test('charts are read by pointer and by keyboard, all at the same time', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const page = await openPage(given);
  const slider = page.locator(`${chart('Connections')} input`);
  await until(async () => /^now 1, highest 1$/.test(await slider.getAttribute('aria-valuetext') ?? ''), 'the text of the chart');
  await slider.focus();
  await slider.press('ArrowLeft');
  assert.match(await slider.getAttribute('aria-valuetext'), /^1 s ago: (1|not seen)$/);
  await says(page, `${chart('Updates')} .chart-readout`, /^1 s ago: /);
  await page.hover(`${chart('Updates')} .chart-plot`, { position: { x: 5, y: 20 } });
  await says(page, `${chart('Connections')} .chart-readout`, /^4 min ago: not seen$/);
  await page.mouse.move(5, 5);
  await says(page, `${chart('Connections')} .chart-readout`, /^highest 1$/);
  assert.deepEqual(given.problems, []);
});

test('a document is found, and what another client edits is seen at once', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const till = client(given, 'till 3');
  const shop = await open(till, 'shop/main');
  shop.field('name').set('Corner shop');
  shop.stock.increment(7);
  shop.cart.at('apple').increment(3);
  shop.note.set({ urgent: true });
  for (const key of ['1', '22', '333']) (await open(till, `post/${key}`)).likes.increment();
  await Promise.all(till.documents.map(({ saved }) => saved));
  shop.stock.reserve(2, { seconds: 600 });
  await shop.saved;
  const page = await openPage(given);

  await page.fill('#search', '22');
  await until(async () => (await seen(page, '.view:not([hidden]) tbody .row-link')).join() === 'post/22', 'what is found');
  await page.fill('#search', 'nobody');
  await says(page, '.view:not([hidden]) .note:not([hidden])', /No document is called so/);
  await page.fill('#search', '');
  await page.click(`${row('shop/main')} a`);
  await says(page, '[data-field="name"]', /Corner shop/);
  await says(page, '[data-field="open"]', /flag, enable wins off/);
  await says(page, '[data-field="stock"]', /7 at least 0, at most 10; leases set 2 aside/);
  await says(page, '[data-field="cart"]', /1 key .*apple 3$/);
  await says(page, '[data-field="note"]', /one value \{"urgent":true\}/);
  shop.field('open').enable();
  shop.cart.at('pear').decrement(2);
  await says(page, '[data-field="open"]', /on$/);
  await says(page, '[data-field="cart"]', /2 keys .*apple 3 pear -2$/);
  await shop.saved;
  const { position } = await health(given.hub);
  await says(page, '.view:not([hidden]) .detail .facts', new RegExp(`Position ${position} `));
  await says(page, '.view:not([hidden]) .detail tbody', /…[0-9a-f]{8} .*\d/);
  await page.click('.view:not([hidden]) .detail tbody td a');
  await says(page, '.view:not([hidden]) .detail', /till 3.*shop\/main/s);
  assert.deepEqual(given.problems, []);
});

test('a refused update is told with its reason, its field and its document', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const page = await openPage(given, { path: '/console/#/rejected' });
  await says(page, '.view:not([hidden]) .note:not([hidden])', /No update was refused/);
  await refuse(given, 'shop/main');
  await says(page, row('OUT_OF_BOUNDS'), /shop\/main stock OUT_OF_BOUNDS The counter would leave its bounds.* …[0-9a-f]{8} 1$/);
  await go(page, '#/overview');
  await says(page, row('OUT_OF_BOUNDS'), /shop\/main/);
  await until(async () => /Refused 1 /.test((await seen(page, '.facts'))[0]), 'the number of refused updates');
  await page.click(`${row('OUT_OF_BOUNDS')} a`);
  await says(page, '.view:not([hidden]) .detail h2', /^shop\/main$/);
  await says(page, '[data-field="stock"]', /stock .* 1 at least 0/);
  assert.deepEqual(given.problems, []);
});

test('a client that reads too slowly is the first to be seen', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const page = await openPage(given);
  const post = await open(client(given, 'till 3'), 'post/1');
  const sockets = [];
  class SlowSocket extends WebSocket {
    constructor(...args) { super(...args); sockets.push(this); }
  }
  const slow = await open(client(given, 'slow reader', { WebSocket: SlowSocket }), 'post/1');
  sockets[0]._socket.pause();
  let isSeen = false;
  const told = says(page, '.columns tbody tr >> nth=0', /slow reader .* 1 reads too slowly$/).then(() => { isSeen = true; });
  for (let i = 0; !isSeen && i < 400; i++) {
    post.transact(() => { for (let k = 0; k < 100; k++) post.tags.add(`${i}-${k}-${'x'.repeat(1000)}`); });
    await post.saved;
  }
  await told;
  await says(page, '.columns p >> nth=0', /^1 behind or reading too slowly, of 3 connections\.$/);
  await page.click(`${row('slow reader')} a`);
  await says(page, '.view:not([hidden]) .detail .facts', /State reads too slowly .*Behind on 1 of 1 stream/);
  sockets[0]._socket.resume();
  await says(page, '.view:not([hidden]) .detail .facts', /State up to date .*Behind nowhere/);
  await until(() => slow.tags.size === post.tags.size, 'the converged state');
  assert.deepEqual(given.problems, []);
});

test('names and values that try to be HTML stay text', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const name = 'post/<img src=x onerror=alert(1)>';
  const evil = client(given, '<b onclick=alert(2)>me</b>');
  const post = await open(evil, name);
  post.tags.add('<script>alert(3)</script>');
  post.tags.add('x'.repeat(4000));
  await post.saved;
  const page = await openPage(given, { path: '/console#/documents' });
  await page.click('.view:not([hidden]) tbody a');
  await says(page, '.view:not([hidden]) .detail h2', /^post\/<img src=x onerror=alert\(1\)>$/);
  await says(page, '[data-field="tags"]', /2 elements <script>alert\(3\)<\/script> x+…$/);
  assert.ok((await seen(page, '[data-field="tags"] .chip'))[1].length < 200);
  assert.equal((await page.locator('[data-field="tags"] .chip').nth(1).getAttribute('title')).length, 2000);
  await go(page, '#/connections');
  await says(page, '.view:not([hidden]) tbody', /<b onclick=alert\(2\)>me<\/b>/);
  assert.equal(await page.locator('main img, main script, main b[onclick]').count(), 0);
  assert.deepEqual(given.problems, []);
});

test('everything is reached by keyboard', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const till = client(given, 'till 3');
  for (const key of ['1', '2']) (await open(till, `post/${key}`)).likes.increment();
  await Promise.all(till.documents.map(({ saved }) => saved));
  const page = await openPage(given);
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'Overview');
  await page.keyboard.press('/');
  await page.keyboard.type('post');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'post/1', 'the first that is found');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'post/2');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'post/2' && page.evaluate(() => document.activeElement.tagName === 'H2'), 'the inspector');
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), '‹ Documents');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'post/2' && page.evaluate(() => document.activeElement.tagName === 'A'), 'the row it came from');
  await page.focus('#nav-connections');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'Connections', 'the other page');
  await page.focus('th .sort >> nth=4');
  await page.keyboard.press('Enter');
  await until(async () => await page.getAttribute('th:has(.sort:focus)', 'aria-sort') === 'descending', 'the order');
  assert.deepEqual(given.problems, []);
});

test('a document that is left before it came is no error', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const post = await open(client(given, 'till 3'), 'post/1');
  post.likes.increment();
  await post.saved;
  let isHeld = false;
  const page = await openPage(given, {
    prepare: (made) => made.routeWebSocket(/./, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        isHeld ||= decodeMessage(new Uint8Array(message)).some(({ type }) => type === 'OPEN');
        server.send(message);
      });
      server.onMessage((message) => { if (!isHeld) socket.send(message); });
    }),
  });
  await go(page, '#/documents/post%2F1');
  await until(() => isHeld, 'the inspector to open it');
  await go(page, '#/documents');
  await until(() => page.isHidden('.detail'), 'the list');
  assert.deepEqual(given.problems, []);
});

test('the page comes back by itself when the hub does', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const post = await open(client(given, 'till 3'), 'post/1');
  post.likes.increment();
  await post.saved;
  const page = await openPage(given, { path: '/console#/documents/post%2F1' });
  await says(page, '[data-field="likes"]', /1$/);
  assert.deepEqual(given.problems, []);
  await given.hub.kill();
  await says(page, '#banner', /The hub does not answer\. What you see is from/);
  await says(page, '#status', /^Connecting$/);
  await says(page, '[data-field="likes"]', /1$/);
  post.likes.increment();
  await given.hub.start();
  await says(page, '#status', /^Live$/);
  await until(() => page.isHidden('#banner'), 'no banner');
  await says(page, '[data-field="likes"]', /2$/);
  await go(page, '#/overview');
  await says(page, '.facts >> nth=0', /Up \d+ s/);
});

test('who may not ask is told what to do, and can give a token', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t, { config: 'console: off' });
  const page = await openPage(given);
  await says(page, '#forbidden', /does not show its console to you.*console: on/);
  assert.equal(await page.isVisible('#views'), false);
  const told = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framesent'));
  await page.click('#forbidden button');
  await page.fill('#token-input', 'a.secret.token');
  await page.click('button[value="use"]');
  assert.match(String((await told).payload), /a\.secret\.token/);
  assert.deepEqual(await page.evaluate(() => [Object.values(sessionStorage), Object.keys(localStorage)]), [['a.secret.token'], []]);
  await page.reload();
  await page.click('#token-open');
  await page.click('button[value="forget"]');
  await until(() => page.evaluate(() => sessionStorage.length === 0), 'the token to be forgotten');
  assert.deepEqual(given.problems, []);
});

test('a hub with keys shows its console to whose token says admin', { timeout: 60000 }, async (t) => {
  const secret = join(folder(t), 'secret');
  writeFileSync(secret, 'a secret of more than thirty-two bytes');
  const given = await openConsole(t, { config: `tokens: {keys: [{algorithm: HS256, secret_file: ${secret}}]}` });
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokenOf = (claims) => {
    const body = `${encoded({ alg: 'HS256' })}.${encoded(claims)}`;
    return `${body}.${createHmac('sha256', 'a secret of more than thirty-two bytes').update(body).digest('base64url')}`;
  };
  const page = await openPage(given, { status: 'connecting' });
  const give = async (token) => {
    await page.click('#token-open');
    await page.fill('#token-input', token);
    await page.click('button[value="use"]');
  };
  await says(page, '#banner', /\(TOKEN_REQUIRED\)/);
  await says(page, '#forbidden', /paste one that says admin/);
  await give(tokenOf({ sub: 'ann' }));
  await says(page, '#status', /^Live$/);
  await says(page, '#forbidden', /does not show its console to you/);
  await give(tokenOf({ sub: 'ann', admin: true }));
  await says(page, `${chart('Connections')} .chart-value`, /^1$/);
  assert.equal(await page.isHidden('#forbidden') && await page.isHidden('#banner'), true);
  assert.deepEqual(given.problems, []);
});

test('a connection that is ended before it came is no error', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const slow = await relay(t, given.hub);
  const page = await openPage(given, { at: slow.url });
  slow.hold();
  await given.hub.kill();
  await given.hub.start();
  await until(() => slow.held() > 0, 'a handshake that lasts');
  await page.click('#token-open');
  await page.fill('#token-input', 'a.b.c');
  await page.click('button[value="use"]');
  slow.release();
  await says(page, '#status', /^Live$/);
  assert.deepEqual(given.problems, []);
});

test('a page that nobody sees asks nothing', { timeout: 60000 }, async (t) => {
  const given = await openConsole(t);
  const page = await openPage(given);
  await page.clock.install();
  let asked = 0;
  page.on('websocket', (socket) => socket.on('framesent', () => { asked += 1; }));
  await page.reload();
  await until(() => asked > 4, 'questions');
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  const post = await open(client(given, 'till 3'), 'post/1');
  post.likes.increment();
  await post.saved;
  const before = asked;
  await page.clock.runFor(20000);
  assert.equal(asked, before);
  assert.equal(await page.textContent('#position'), '0');
  await page.evaluate(() => {
    delete document.visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await says(page, '#position', /^1$/);
  assert.deepEqual(given.problems, []);
});

test('ten thousand documents and a thousand connections are shown in pages', { timeout: 120000 }, async (t) => {
  const given = await openConsole(t, { config: 'limits: {updates: 0}' });
  await crowd(given, { documents: 10000, connections: 1000 });
  const page = await openPage(given, { path: '/console#/documents' });
  const rows = '.view:not([hidden]) tbody tr';
  await says(page, '.view:not([hidden]) .list > p', /^Page 1, by name: 100 documents\.$/);
  await says(page, `${rows} >> nth=0`, /^post\/10000 /);
  await page.click('.view:not([hidden]) .list > .pager button:text("Next")');
  await says(page, `${rows} >> nth=0`, /^post\/10100 /);
  await page.fill('#search', '19999');
  await says(page, '.view:not([hidden]) .list > p', /^1 document for “19999”, by name\.$/);
  await go(page, '#/connections');
  await says(page, '.view:not([hidden]) .list > p', /^1,000 of 1,002 connections, sorted among themselves\.$/);
  assert.equal(await page.locator(rows).count(), 100);
  await page.click('th .sort >> nth=0');
  await page.click('th .sort >> nth=0');
  await says(page, `${rows} >> nth=0`, /^1000 · crowd/);
  await page.click('.view:not([hidden]) .table button:text("Next")');
  await says(page, `${rows} >> nth=0`, /^900 · crowd/);
  await page.click('.view:not([hidden]) button:text("The next 1,000")');
  await says(page, rows, /this page/);
  assert.deepEqual(given.problems, []);
});

test('it fits a phone, in light and in dark', { timeout: 120000 }, async (t) => {
  const given = await openConsole(t);
  await refuse(given, `shop/${'long-key-without-a-place-to-break-it-'.repeat(6)}`);
  const post = await open(client(given, 'a client with a name that is as long as names of clients seldom are'), 'post/1');
  for (let i = 0; i < 300; i++) post.tags.add(`tag ${i} ${'x'.repeat(i)}`);
  await post.saved;
  const papers = [];
  for (const colorScheme of ['light', 'dark']) {
    const page = await openPage(given, { viewport: { width: 390, height: 800 }, colorScheme });
    for (const hash of ['#/overview', '#/connections', '#/connections/1', '#/documents', '#/documents/post%2F1', '#/documents?q=long', '#/rejected']) {
      await go(page, hash);
      await until(async () => (await seen(page, '.view:not([hidden]) tbody tr')).length > 0, hash);
      const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= screen, `${hash}: ${content} > ${screen}`);
      assert.ok(await page.locator('tbody tr, .chip').count() < 900);
    }
    papers.push(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
  }
  assert.notEqual(papers[0], papers[1]);
  assert.deepEqual(given.problems, []);
});
