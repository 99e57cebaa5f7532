/** The operator's console in Debian's Chromium, a hub behind it, and clients that do something. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectSocket, createServer } from 'node:net';
import { chromium } from 'playwright-core';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { startHub, until } from './support.mjs';

export const schemas = `post: {likes: g-counter, tags: {type: or-set, of: string}}
  shop: {name: lww-register, open: flag, stock: {type: bounded-counter, min: 0, max: 10}, note: {type: mv-register, of: any}, cart: {type: map, of: pn-counter}}`;

const launchOptions = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

/** `problems` is what the pages' consoles said. */
export async function openConsole(t, options = {}) {
  const hub = await startHub(t, { schemas, ...options });
  const browser = await chromium.launch(launchOptions);
  t.after(() => browser.close());
  return { hub, browser, problems: [], t };
}

export async function openPage({ hub, browser, problems }, { path = '/console', status = 'online', at = hub.http, prepare = () => {}, ...options } = {}) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options });
  page.on('console', (entry) => { if (['error', 'warning'].includes(entry.type())) problems.push(entry.text()); });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('dialog', (dialog) => { problems.push(`a dialog: ${dialog.message()}`); void dialog.dismiss(); });
  await prepare(page);
  await page.goto(`${at}${path}`);
  await page.waitForSelector(`#status[data-status="${status}"]`);
  return page;
}

/** The hub at another address, where from `hold` to `release` connections are taken, and what they say is kept. */
export async function relay(t, hub) {
  const held = [];
  let isHeld = false;
  const { hostname, port } = new URL(hub.http);
  const server = createServer((socket) => {
    const begin = () => {
      const other = connectSocket(port, hostname);
      for (const [from, to] of [[socket, other], [other, socket]]) {
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    };
    if (isHeld) held.push(begin);
    else begin();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    held: () => held.length,
    hold() { isHeld = true; },
    release() {
      isHeld = false;
      for (const begin of held.splice(0)) begin();
    },
  };
}

export async function go(page, hash) {
  await page.evaluate((to) => { location.hash = to; }, hash);
}

export function client({ hub, t }, name, options = {}) {
  const made = connect(hub.url, { client: name, ...options });
  t.after(() => made.close());
  return made;
}

export async function open(made, name) {
  const document = made.open(name);
  await document.ready;
  return document;
}

/** What is seen, with each run of white space as one space. */
export async function seen(page, selector) {
  const texts = await page.locator(selector).allInnerTexts();
  return texts.map((text) => text.replace(/\s+/g, ' ').trim());
}

/** Waits until what is seen there says so. */
export async function says(page, selector, pattern) {
  return until(async () => {
    const texts = await seen(page, selector);
    assert.match(texts.join('\n'), pattern);
    return texts;
  }, selector);
}

/** Two clients that take from a counter what only one of them can have; the second one's name is in the hub's list. */
export async function refuse(given, name) {
  const documents = await Promise.all(['first', 'second'].map((who) => open(client(given, who), name)));
  documents[0].stock.increment(5);
  await documents[0].saved;
  await until(() => documents.every(({ stock }) => stock.value === 5), 'the stock');
  for (const { stock } of documents) stock.decrement(4);
  await Promise.all(documents.map(({ saved }) => saved));
}

const fill = (bytes) => randomBytes(bytes.length).copy(bytes);
const hello = (name) => encodePacket({ type: 'HELLO', id: 0, version: 1, client: name });

/** A connection without a client behind it; `told` is called with each packet. */
async function bare({ hub, t }, name, told = () => {}) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  t.after(() => socket.terminate());
  let isWelcome = false;
  socket.on('message', (data) => {
    for (const packet of decodeMessage(new Uint8Array(data))) {
      if (packet.type === 'WELCOME') isWelcome = true;
      told(packet);
    }
  });
  await until(() => socket.readyState === 1, 'the socket');
  socket.send(hello(name));
  await until(() => isWelcome, 'WELCOME');
  return socket;
}

/** So many connections, and so many documents with one like each, from post/10000 on. */
export async function crowd(given, { documents, connections }) {
  const portion = 100;
  const heard = { OPENED: 0, ACK: 0 };
  const writer = await bare(given, 'crowd 0', ({ type }) => { if (type in heard) heard[type] += 1; });
  for (let from = 0; from < documents; from += portion) {
    const ids = Array.from({ length: portion }, (_, i) => from + i + 1);
    const send = (packetOf) => writer.send(Buffer.concat(ids.map((id) => encodePacket({ id, ...packetOf(id) }))));
    send((id) => ({ type: 'OPEN', name: `post/${9999 + id}`, replicas: [mintReplica(Date.now(), fill)] }));
    await until(() => heard.OPENED === from + portion, 'OPENED');
    send(() => ({ type: 'DELTA', replica: null, first: 1, last: 1, context: { position: 0, seen: [] }, changes: new Map([[0, 1]]) }));
    await until(() => heard.ACK === from + portion, 'the ACKs');
    send(() => ({ type: 'CLOSE', code: '', text: '' }));
  }
  for (let i = 1; i <= connections; i += portion) {
    await Promise.all(Array.from({ length: portion }, (_, k) => bare(given, `crowd ${i + k}`)));
  }
}
