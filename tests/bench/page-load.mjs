/**
 * What a page load costs a page's main thread, by the size of its document.
 *
 * Each run is a page of its own, so its code is as cold as after a navigation, in one browser profile that has seen the document once.
 * `stored`: from `client.open` until the first view has been painted, without a hub: open IndexedDB, read, decode, sort all elements,
 * and show the count and the first fifty. `hub`: the same from a hub over the socket, with an empty store. `floor`: the same stored
 * bytes read from IndexedDB and decoded by the msgpack library alone. `edit`: one edit of the loaded document until it is stored.
 * Milliseconds are the durations of the main thread's tasks (Chromium's TaskDuration), as median and range of the runs.
 *
 * node tests/bench/page-load.mjs [runs] [sizes]
 */
import { connect } from 'syncline';
import { startHub } from '../e2e/support.mjs';
import { createScope, openBrowser, openTab, servePage } from './browser.mjs';
import { printTable, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 7);
const EDITS = 20;
const SIZES = (process.argv[3] ?? '1000,10000,40000').split(',').map(Number);
const KINDS = {
  set: { schema: 'set: {items: {type: or-set, of: string}}', fill: ({ items }, key) => items.add(key) },
  map: { schema: 'map: {items: {type: map, of: lww-register}}', fill: ({ items }, key) => items.set(key, `value of ${key}`) },
};
const BATCH = 200;

const scope = createScope();
const here = new URL('.', import.meta.url).pathname;
const cases = Object.keys(KINDS).flatMap((kind) => SIZES.map((size) => ({ kind, size, name: `${kind}/${size}` })));
const keyOf = (i) => `element ${String((i * 7919) % 1000003).padStart(7, '0')}`;

async function fill(hub) {
  const client = connect(hub.url, { store: 'memory' });
  for (const { kind, size, name } of cases) {
    const document = client.open(name);
    await document.ready;
    for (let i = 0; i < size; i += BATCH) {
      document.transact(() => { for (let j = i; j < i + BATCH; j++) KINDS[kind].fill(document, keyOf(j)); });
      await document.saved;
    }
    document.close();
  }
  client.close();
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
  await fill(hub);
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
