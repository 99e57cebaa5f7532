/**
 * Many documents, two clients each, and updates spread over all of them: what an update costs the hub, by the number of documents.
 *
 * A hundred connections have all of them open, each document on two, and write round their documents, so many updates a second together.
 * The cost is processor time of the whole process, until the tables have all of it: fewer updates of one document share its rows there
 * the more documents there are.
 *
 * node tests/bench/many-documents.mjs [runs] [updates/s] [documents ...]
 */
import { delta, hubClient, writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { load, startHub } from './servers.mjs';
import { figure, printGoal, printGrowth, printTable, spread, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const RATE = Number(process.argv[3] ?? 10000);
const SIZES = process.argv.length > 4 ? process.argv.slice(4).map(Number) : [1000, 4000, 16000, 50000];
const CONNECTIONS = 100;
const SECONDS = 3;
/** Every document is written, if only once. */
const secondsOf = (documents) => Math.max(SECONDS, documents / RATE);
/** Until all is stored. */
const HOLD_SECONDS = 4;

/** Connection i has every fiftieth document, and so has the one fifty behind it, which has them in an order that begins half way. */
function clientsOf(documents) {
  const groups = CONNECTIONS / 2;
  const streams = documents / groups;
  const updates = Array.from({ length: (RATE * secondsOf(documents)) / CONNECTIONS }, (_, i) => {
    const round = Math.floor(i / streams) + 1;
    return delta({ stream: (i % streams) + 1, first: round, change: round });
  });
  return Array.from({ length: CONNECTIONS }, (_, i) => {
    const begin = i < groups ? 0 : Math.floor(streams / 2);
    return hubClient(Array.from({ length: streams }, (__, k) => `post/${((k + begin) % streams) * groups + (i % groups)}`), updates);
  });
}

async function play(documents) {
  const scope = createScope();
  try {
    const server = await startHub(scope, { schemas: 'post: {likes: g-counter, tags: {type: or-set, of: string}}' });
    const plan = writePlan(`${scope.folder()}/plan`, 'syncline', clientsOf(documents));
    const found = await load(server, plan, { streams: (documents * 2) / CONNECTIONS, rate: RATE / CONNECTIONS, hold: HOLD_SECONDS });
    if (found.acked !== RATE * secondsOf(documents)) throw new Error(`not all was acknowledged: ${JSON.stringify(found)}`);
    return found;
  } finally {
    await scope.end();
  }
}

const figures = new Map(SIZES.map((size) => [size, []]));
for (let i = 0; i < RUNS; i++) {
  for (const size of SIZES) figures.get(size).push(await play(size));
}

const costOf = ({ cpu_ms: cpu, acked }) => (cpu * 1000) / acked;
const rows = [['documents', 'µs of CPU per update', 'ack p50 ms', 'p99 ms', 'µs of CPU to open one twice', 'KiB each']];
for (const [size, runs] of figures) {
  rows.push([figure(size), spread(runs.map(costOf)), ...['p50', 'p99'].map((part) => spread(runs.map((run) => run.ack_ms[part]))),
    spread(runs.map(({ join_cpu_ms: cpu }) => (cpu * 1000) / size)), spread(runs.map(({ memory_kib: [base, joined] }) => (joined - base) / size))]);
}
console.log(`${figure(RATE)} updates/s over all documents`);
printTable(rows);
const median = (size) => summary(figures.get(size).map(costOf)).median;
const last = SIZES.at(-1);
printGoal(`an update of one of ${figure(last)} beside one of ${figure(SIZES[0])}`, median(last) / median(SIZES[0]), 1.5, ' ×', { most: true });
const growing = SIZES.slice(0, 3);
printGrowth('many documents', 'µs of CPU per update', growing, growing.map((size) => figures.get(size).map(costOf)));
