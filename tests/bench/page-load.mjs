/**
 * What a page load costs a page's main thread, by the size of its document.
 *
 * Each run is a page of its own, so its code is as cold as after a navigation, in one browser profile that has seen the document once.
 * `stored`: from `client.open` until the first view has been painted, without a hub: open IndexedDB, read, decode, sort all elements,
 * and show the count and the first fifty. `hub`: the same from a hub over the socket, with an empty store. `floor`: the same stored
 * bytes read from IndexedDB and decoded by the msgpack library alone. `edit`: one edit of the loaded document until it is stored.
 * Milliseconds are the processor time of the main thread's tasks (Chromium's TaskDuration by thread ticks), which other programs on the
 * machine do not stretch, as median and range of the runs.
 *
 * node tests/bench/page-load.mjs [runs] [sizes]
 */
import { on, once } from 'node:events';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica, webRandom } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { startHub } from '../e2e/support.mjs';
import { openBrowser, openTab, servePage } from './browser.mjs';
import { createScope } from './scope.mjs';
import { printTable, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 7);
const EDITS = 20;
const SIZES = (process.argv[3] ?? '1000,10000,40000').split(',').map(Number);
/** `change`: the DELTA that adds these keys. */
const KINDS = {
  set: { schema: 'set: {items: {type: or-set, of: string}}', change: (keys) => [false, keys, []] },
  map: {
    schema: 'map: {items: {type: map, of: lww-register}}',
    change: (keys) => keys.map((key) => [key, false, [Date.now(), 0, `value of ${key}`]]),
  },
};
const BATCH = 200;

const scope = createScope();
const here = new URL('.', import.meta.url).pathname;
const cases = Object.keys(KINDS).flatMap((kind) => SIZES.map((size) => ({ kind, size, name: `${kind}/${size}` })));
const keyOf = (i) => `element ${String((i * 7919) % 1000003).padStart(7, '0')}`;

/** One update after the other: a client that shows what it edits would take minutes. */
async function fill(hub, { kind, size, name }) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  const packets = on(socket, 'message');
  const heard = async (type) => {
    for await (const [data] of packets) {
      if (decodeMessage(new Uint8Array(data)).some((packet) => packet.type === type)) return;
    }
  };
  const send = (packet) => socket.send(encodePacket(packet));
  await once(socket, 'open');
  send({ type: 'HELLO', id: 0, version: 1 });
  send({ type: 'OPEN', id: 1, name, replicas: [mintReplica(Date.now(), webRandom())] });
  await heard('SNAPSHOT');
  for (let seq = 1; seq * BATCH <= size; seq++) {
    const keys = Array.from({ length: BATCH }, (_, i) => keyOf((seq - 1) * BATCH + i));
    send({
      type: 'DELTA', id: 1, replica: null, first: seq, last: seq, context: { position: 0, seen: [] },
      changes: new Map([[0, KINDS[kind].change(keys)]]),
    });
    await heard('ACK');
  }
  socket.close();
}

async function fresh(context, origin, act) {
  const tab = await openTab(context, origin);
  try {
    return await act(tab);
  } finally {
    await tab.page.close();
  }
}

const load = (tab, { name, size }, hub, online) => tab.measure((options) => window.load(options), { hub: hub.url, name, online })
  .then(({ ms, result }) => {
    if (result !== size) throw new Error(`${name} shows ${result} items`);
    return ms;
  });

/** From the hub, each time in a profile that has seen nothing. */
async function loadFromHub(browser, origin, one, hub) {
  const context = await browser.newContext();
  const ms = await fresh(context, origin, (tab) => load(tab, one, hub, true));
  await context.close();
  return ms;
}

async function editStored(tab, run) {
  const marks = Array.from({ length: EDITS }, (_, i) => `run ${run} edit ${i}`);
  const { ms } = await tab.measure((texts) => window.edit(texts), marks);
  return ms / EDITS;
}

async function measureStored(context, origin, one, hub, run) {
  return fresh(context, origin, async (tab) => ({ stored: await load(tab, one, hub, false), edit: await editStored(tab, run) }));
}

const floor = (context, origin, { name }, hub) => fresh(context, origin, (tab) =>
  tab.measure((options) => window.floor(options), { hub: hub.url, name }));

/** The stored edits of a run would be adopted by the next, so each measures in a profile that was filled for it. */
async function measure(browser, origin, one, hub) {
  const found = { stored: [], hub: [], floor: [], edit: [], bytes: 0 };
  for (let run = 0; run < RUNS; run++) {
    found.hub.push(await loadFromHub(browser, origin, one, hub));
    const context = await browser.newContext();
    await fresh(context, origin, async (tab) => {
      await load(tab, one, hub, true);
      await tab.page.evaluate(() => window.stored());
    });
    const { ms, result: { bytes } } = await floor(context, origin, one, hub);
    const { stored, edit } = await measureStored(context, origin, one, hub, run);
    found.floor.push(ms);
    found.stored.push(stored);
    found.edit.push(edit);
    found.bytes = bytes;
    await context.close();
  }
  return found;
}

const told = (values) => {
  const { median, least, most } = summary(values);
  return `${median.toFixed(1)} (${least.toFixed(1)}-${most.toFixed(1)})`;
};

async function main() {
  const hub = await startHub(scope, { schemas: Object.values(KINDS).map(({ schema }) => schema).join('\n  '), config: 'allowed_origins: ["*"]' });
  const origin = await servePage(scope, `${here}pages/page-load.js`);
  const browser = await openBrowser(scope);
  for (const one of cases) await fill(hub, one);
  const rows = [['document', 'stored bytes', 'stored ms', 'hub ms', 'floor ms', 'stored/floor', 'edit ms']];
  for (const one of cases) {
    const found = await measure(browser, origin, one, hub);
    const ratio = summary(found.stored).median / summary(found.floor).median;
    rows.push([`${one.kind} of ${one.size}`, String(found.bytes), told(found.stored), told(found.hub), told(found.floor), ratio.toFixed(1),
      told(found.edit)]);
  }
  console.log(`main-thread time, median (least-most) of ${RUNS} runs`);
  printTable(rows);
}

try {
  await main();
} finally {
  await scope.end();
}
