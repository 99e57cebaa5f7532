/**
 * What readers that lag behind cost the hub while one client writes.
 *
 * The readers read until they are up to date and then nothing for a while, on sockets as narrow as a network's, so the hub must stop
 * sending to them and tell them later what changed meanwhile. Each edit is one element of a set again, of 250 bytes, by turns of
 * `changing` that lie all over it: a reader that was away for all of them needs each once.
 * `cpu ms`: the hub's processor time for all of it, most of which is the writer's; `kB` and `messages`: what one client is sent in a
 * second; `MiB`: how much the hub grew meanwhile.
 *
 * node tests/bench/lag.mjs [rounds]
 */
import { join } from 'node:path';
import { folder } from '../e2e/support.mjs';
import { createScope } from './scope.mjs';
import { delta, hubClient, writePlan } from './plan.mjs';
import { load, startHub } from './servers.mjs';
import { printTable, summary } from './table.mjs';
import { openWriter, quiet, write } from './writer.mjs';

const ROUNDS = Number(process.argv[2] ?? 2);
const READERS = 20;
const SECONDS = 2;
const BATCH = 200;
const RATE = 8000;
const DOCUMENTS = [{ size: 2000, changing: 2000 }, { size: 50000, changing: 2000 }];
/** The second is longer than the writer writes: the kernel's buffers, 600 kB or so, are full by then. */
const NAPS = [0, 2500];

const scope = createScope();
const keyOf = (i) => `element ${String((i * 7919) % 1000003).padStart(7, '0')}, ${'and so on '.repeat(23)}`;

async function fill(hub, { size, changing }) {
  const name = `set/${changing} of ${size}`;
  const writer = await openWriter(hub, name);
  for (let i = 0; i < size; i += BATCH) {
    await write(writer, [[false, Array.from({ length: Math.min(BATCH, size - i) }, (_, j) => keyOf(i + j)), []]]);
  }
  writer.socket.close();
  return { name, size, changing, cases: NAPS.map((nap) => ({ nap, figures: [] })) };
}

/** Edits that have seen all that the document holds, so that each takes the place of what was there. */
const edits = ({ size, changing }, position) => Array.from({ length: RATE * SECONDS }, (_, i) =>
  delta({ first: i + 1, change: [false, [keyOf((i % changing) * (size / changing))], []], position }));

async function play(hub, document, nap) {
  const { name } = document;
  const { journal, position, socket } = await openWriter(hub, name);
  socket.close();
  const open = (updates) => hubClient([name], updates, { cursor: [journal, position] });
  const clients = [open(edits(document, position)), ...Array.from({ length: READERS }, () => open([]))];
  const file = writePlan(join(hub.plans, 'plan'), 'syncline', clients);
  const found = await load(hub, file, { rate: RATE, seconds: SECONDS + 1, ...(nap > 0 ? { nap } : {}) });
  if (!found.complete || found.refused > 0) throw new Error(`${name}: ${JSON.stringify(found)}`);
  return found;
}

async function measure(hub, document) {
  for (const { nap, figures } of document.cases) {
    const found = await play(hub, document, nap);
    const each = (READERS + 1) * SECONDS;
    figures.push({
      ms: found.cpu_ms, kB: found.bytes / each / 1000, messages: found.messages / each,
      MiB: (found.memory_kib[2] - found.memory_kib[1]) / 1024,
    });
  }
}

const told = (values, digits) => {
  const { median, least, most } = summary(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
};

function rowOf({ size, changing }, { nap, figures }) {
  const of = (name, digits) => told(figures.map((one) => one[name]), digits);
  return [`${changing} of ${size}`, String(nap), of('ms', 0), of('kB', 1), of('messages', 0), of('MiB', 1)];
}

async function main() {
  const hub = await startHub(scope, { schemas: 'set: {items: {type: or-set, of: string}}', config: 'durability: relaxed' });
  hub.plans = folder(scope);
  const documents = [];
  for (const one of DOCUMENTS) documents.push(await fill(hub, one));
  await quiet(hub);
  for (let round = 0; round < ROUNDS; round++) {
    for (const document of documents) await measure(hub, document);
  }
  console.log(`${READERS} readers of one writer, ${RATE} edits/s: median (least-most) of ${ROUNDS} rounds`);
  const rows = documents.flatMap((document) => document.cases.map((one) => rowOf(document, one)));
  printTable([['changing', 'nap ms', 'cpu ms', 'kB', 'messages', 'MiB'], ...rows]);
}

try {
  await main();
} finally {
  await scope.end();
}
