/**
 * What the hub spends on clients that come back with a cursor: by how much they missed, and by how large the document is.
 *
 * Each round, 200 clients connect at once and open the document at 200 different cursors, so that nothing is shared, or all at
 * the same. `us`: the hub's processor time for one of them beyond what it takes for a client that has missed nothing; `ns`: the same
 * for one missed change; `bytes`: what one is sent beyond that, for one change; `least`: the bytes of what changed alone, without the
 * dots that tell which add it was. Each change is an update of its own.
 *
 * node tests/bench/catch-up.mjs [rounds] [kinds]
 */
import { join } from 'node:path';
import { encodeValue } from 'syncline/internal/protocol/values';
import { folder } from '../e2e/support.mjs';
import { createScope } from './scope.mjs';
import { hubClient, writePlan } from './plan.mjs';
import { load, startHub } from './servers.mjs';
import { printGoal, printGrowth, printTable, summary } from './table.mjs';
import { openWriter, quiet, write } from './writer.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const KINDS_ASKED = (process.argv[3] ?? 'set,map,tally').split(',');
const CLIENTS = 200;
/** Of one size what is missed grows; of the others it stands still. */
const GROWING = 100000;
const GROWTH = [100, 1000, 4000, 16000];
const SIZES = { set: [1000, 10000, GROWING, 400000], map: [1000, 10000, GROWING], tally: [1000, GROWING] };
const BATCH = 2000;

const keyOf = (i) => `element ${String((i * 7919) % 1000003).padStart(7, '0')}`;
const valueOf = (key) => `value of ${key}`;
const KINDS = {
  set: {
    schema: 'set: {items: {type: or-set, of: string}}',
    add: (keys) => [false, keys, []],
    remove: (keys) => [false, [], keys],
    least: (key) => encodeValue(key).length,
  },
  map: {
    schema: 'map: {items: {type: map, of: lww-register}}',
    add: (keys) => keys.map((key) => [key, false, [Date.now(), 0, valueOf(key)]]),
    remove: (keys) => keys.map((key) => [key, true, null]),
    least: (key) => encodeValue([key, Date.now(), 0, valueOf(key)]).length,
  },
  tally: {
    schema: 'tally: {items: {type: map, of: pn-counter}}',
    add: (keys) => keys.map((key) => [key, false, 1]),
    remove: (keys) => keys.map((key) => [key, true, null]),
    least: (key) => encodeValue([key, 1]).length,
  },
};

const scope = createScope();

function* batches(kind, size) {
  for (let i = 0; i < size; i += BATCH) {
    yield KINDS[kind].add(Array.from({ length: Math.min(BATCH, size - i) }, (_, j) => keyOf(i + j)));
  }
}

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

/**
 * Fills a document, then changes elements spread over all of it, one by one; answers for each mark `missed` the positions of the 200
 * updates that end where so many are left, and how many elements were changed since each.
 */
async function prepare(hub, { kind, size, marks, edit = 'add' }) {
  const name = `${kind}/${edit} ${size}`;
  const writer = await openWriter(hub, name);
  await write(writer, batches(kind, size), 8);
  const total = Math.max(...marks) + CLIENTS;
  const step = size % 7 === 0 ? 11 : 7;
  const changes = (from, to) => range(from, to).map((i) => KINDS[kind][edit]([keyOf((i * step) % size)]));
  const cursors = {};
  let done = 0;
  for (const mark of [...marks].sort((a, b) => b - a)) {
    const stop = total - mark;
    await write(writer, changes(done, Math.max(done, stop - CLIENTS)));
    cursors[mark] = [];
    for (done = Math.max(done, stop - CLIENTS); done < stop; done++) {
      await write(writer, changes(done, done + 1), 1);
      cursors[mark].push({ position: writer.position, missed: Math.min(size, total - done - 1) });
    }
  }
  await write(writer, changes(done, total));
  writer.socket.close();
  return { name, kind, size, edit, cursors, journal: writer.journal, end: { position: writer.position, missed: 0 } };
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

async function play(hub, document, cursors) {
  const clients = cursors.map(({ position }) => hubClient([document.name], [], { cursor: [document.journal, position] }));
  const file = writePlan(join(hub.plans, 'plan'), 'syncline', clients);
  const found = await load(hub, file, { storm: true });
  if (!found.complete || found.refused > 0) throw new Error(`${document.name}: ${JSON.stringify(found)}`);
  return { us: found.join_cpu_ms * 1000 / CLIENTS, bytes: found.join_bytes / CLIENTS, missed: sum(cursors.map((cursor) => cursor.missed)) / CLIENTS };
}

const same = (cursor) => Array.from({ length: CLIENTS }, () => cursor);

async function measure(hub, document) {
  const idle = await play(hub, document, same(document.end));
  for (const { mark, shared, figures } of document.cases) {
    const cursors = document.cursors[mark];
    const { us, bytes, missed } = await play(hub, document, shared ? same(cursors[CLIENTS - 1]) : cursors);
    figures.push({ us: us - idle.us, ns: (us - idle.us) * 1000 / missed, bytes: (bytes - idle.bytes) / missed, missed });
  }
}

const told = (values, digits = 0) => {
  const { median, least, most } = summary(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
};

function rowOf({ kind, size, edit }, { shared, figures }) {
  const of = (name) => figures.map((one) => one[name]);
  const least = edit === 'remove' ? encodeValue(keyOf(1)).length : KINDS[kind].least(keyOf(1));
  return [
    `${kind} of ${size}${edit === 'remove' ? ', removed' : ''}${shared ? ', one cursor' : ''}`,
    String(Math.round(figures[0].missed)), told(of('us')), told(of('ns')), summary(of('bytes')).median.toFixed(1), String(least),
  ];
}

async function prepareAll(hub) {
  const documents = [];
  for (const kind of KINDS_ASKED) {
    for (const size of SIZES[kind]) documents.push(await prepare(hub, { kind, size, marks: size === GROWING ? GROWTH : [1000] }));
    documents.push(await prepare(hub, { kind, size: GROWING, marks: [1000], edit: 'remove' }));
  }
  for (const document of documents) {
    document.cases = Object.keys(document.cursors).map((mark) => ({ mark: Number(mark), shared: false, figures: [] }));
    if (document.cases.length > 1) document.cases.push({ mark: 1000, shared: true, figures: [] });
  }
  await quiet(hub);
  return documents;
}

/** By how much was missed, and by how large the document is. */
function judge(kind, documents) {
  const growing = documents.find(({ size }) => size === GROWING);
  const ofMark = ({ cases }, mark) => cases.find((one) => one.mark === mark && !one.shared).figures;
  const costs = (document, mark) => ofMark(document, mark).map(({ ns }) => ns);
  const bytes = summary(ofMark(growing, 1000).map((figures) => figures.bytes)).median;
  printGoal(`${kind}: bytes beside the changed elements alone`, bytes / KINDS[kind].least(keyOf(1)), 2, ' ×', { most: true });
  const missed = GROWTH.slice(1);
  printGrowth(`${kind}: changes missed`, 'ns of CPU per change', missed, missed.map((mark) => costs(growing, mark)));
  printGrowth(`${kind}: 1,000 changes of a document of so many elements`, 'ns of CPU per change', documents.map(({ size }) => size), documents.map((document) => costs(document, 1000)));
}

async function main() {
  const schemas = Object.values(KINDS).map(({ schema }) => schema).join('\n  ');
  const hub = await startHub(scope, { schemas, config: 'durability: relaxed' });
  hub.plans = folder(scope);
  const documents = await prepareAll(hub);
  for (let round = 0; round < ROUNDS; round++) {
    for (const document of documents) await measure(hub, document);
  }
  const rows = documents.flatMap((document) => document.cases.map((one) => rowOf(document, one)));
  console.log(`one client of ${CLIENTS}: median (least-most) of ${ROUNDS} rounds`);
  printTable([['document', 'missed', 'us', 'ns/change', 'bytes/change', 'least'], ...rows]);
  KINDS_ASKED.forEach((kind) => judge(kind, documents.filter((document) => document.kind === kind && document.edit === 'add')));
}

try {
  await main();
} finally {
  await scope.end();
}
