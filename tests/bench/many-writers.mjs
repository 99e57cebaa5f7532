/**
 * Many clients that all edit one document, and all are told of it: updates a second that the server has acknowledged.
 *
 * node tests/bench/many-writers.mjs [runs]
 */
import { median, rounds } from './rounds.mjs';
import { figure, printGoal, printGrowth, printTable, spread } from './table.mjs';
import { targets } from './targets.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const CROWDS = [100, 1000];
const SECONDS = 3;
/** Updates of one client that wait for their acknowledgement. */
const WINDOW = 16;
const BATCH = 64;
const KINDS = { counter: 'increment', map: 'addition' };
const acknowledging = targets.peers.filter(({ dialect }) => dialect === 'hocuspocus');

/** So many updates as each can take in the time, and more. */
const updatesOf = (target, crowd, edits) => Math.ceil((target === targets.hub ? 900000 : 40000) / crowd / (edits > 1 ? 8 : 1));

const writers = (crowd, kind, edits) => (target) => {
  const each = (writer) => target.client(target.updates(writer, updatesOf(target, crowd, edits), { kind, edits }));
  return Array.from({ length: crowd }, (_, writer) => each(writer));
};

const perEdit = (edits) => (run) => (run.cpu_ms * 1000) / (run.acked * edits);
const perSecond = (edits) => ({ acked, seconds }) => (acked * edits) / seconds;

async function measure(crowd, kind, edits) {
  const list = [targets.hub, ...acknowledging];
  const figures = await rounds(RUNS, list, writers(crowd, kind, edits), { seconds: SECONDS, window: WINDOW, edits });
  console.log(`\n${crowd} writers, ${edits} ${KINDS[kind]}${edits > 1 ? 's' : ''} in a message`);
  printTable([
    ['', 'edits/s', 'ack p50 ms', 'ack p99 ms', 'µs of CPU per edit'],
    ...list.map((target) => {
      const runs = figures.get(target);
      return [target.name, spread(runs.map(perSecond(edits))), ...['p50', 'p99'].map((part) => figure(median(runs, (run) => run.ack_ms?.[part] ?? NaN))),
        spread(runs.map(perEdit(edits)))];
    }),
  ]);
  const reached = median(figures.get(targets.hub), perSecond(edits));
  if (edits > 1 && crowd === 100) printGoal(`${KINDS[kind]}s when clients batch them`, reached, 200000, '/s');
  const stored = list.find(({ name }) => name.includes('SQLite'));
  if (edits === 1 && crowd === 100 && stored !== undefined) {
    printGoal('updates/s beside Hocuspocus with SQLite', reached / median(figures.get(stored), perSecond(1)), 20, ' ×');
  }
}

async function growth() {
  const sizes = [100, 400, 1600];
  const costs = [];
  for (const crowd of sizes) {
    const figures = await rounds(RUNS, [targets.hub], writers(crowd, 'counter', 1), { seconds: SECONDS, window: WINDOW });
    costs.push(figures.get(targets.hub).map(perEdit(1)));
  }
  printGrowth('many writers', 'µs of CPU per update', sizes, costs);
}

for (const crowd of CROWDS) {
  await measure(crowd, 'counter', 1);
  await measure(crowd, 'counter', BATCH);
  await measure(crowd, 'map', BATCH);
}
await growth();
