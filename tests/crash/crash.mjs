/** The long crash test, `./dev crash [--kills N] [--seconds S] [--seed N]`: plays a run (run.mjs) and prints what was seen. */
import { parseArgs } from 'node:util';
import { createScope } from '../bench/scope.mjs';
import { figure, printTable, summary } from '../bench/table.mjs';
import { Wrong, play } from './run.mjs';

const { values } = parseArgs({ options: {
  kills: { type: 'string', default: '120' },
  seconds: { type: 'string', default: 'Infinity' },
  seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
} });
const [kills, seconds, seed] = [values.kills, values.seconds, values.seed].map(Number);
if (!(kills >= 1 && seconds > 0 && seed >= 0)) throw new RangeError('--kills, --seconds and --seed are positive numbers');

function printFigures({ figures, counts }) {
  const restarts = summary(figures.restarts);
  printTable([
    ['kills of the hub', figure(figures.kills)],
    ['  while it started', figure(figures.starting)],
    ['  while it stopped', figure(figures.stopping)],
    ['kills of clients', figure(figures.members + figures.commands)],
    ...Object.entries(figures.tears).map(([name, count]) => [`${name}, behind the log`, figure(count)]),
    ['edits', figure(counts.edits)],
    ['  acknowledged to who had made them', figure(counts.acknowledged)],
    ['  refused (out of bounds)', figure(counts.refused)],
    ['edits per second, kills included', figure(counts.edits / figures.worked)],
    ['a restart, until it listens, median (most)', `${figure(restarts.median)} (${figure(restarts.most)}) ms`],
    ['documents', figure(figures.documents)],
    ['  whose stock follows exactly from what was heard', figure(figures.exact)],
    ['wrong', '0'],
  ]);
}

const scope = createScope();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void scope.end().finally(() => process.exit(1)));
let shown = 0;
function progress({ kills: now }, { edits }) {
  if (now < shown + 10) return;
  shown = now;
  console.log(`${now} kills, ${edits} edits`);
}
console.log(`seed ${seed}`);
try {
  printFigures(await play(scope, { seed, kills, seconds, progress }));
} catch (error) {
  if (!(error instanceof Wrong)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await scope.end();
}
