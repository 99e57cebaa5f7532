/**
 * What a connection that is just there costs the hub in memory: resident, beyond what the hub has before the first one comes. Each has
 * opened one document, and has been sent its snapshot.
 *
 * The sockets are as many as the machine's hard limit of open files lets both processes have.
 *
 * node tests/bench/idle.mjs [runs]
 */
import { hubClient, writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { connectionsMost, load, startHub } from './servers.mjs';
import { figure, printGoal, printGrowth, printTable, spread, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const SHARED = 100;
const CROWDS = [1250, 5000, Math.min(20000, connectionsMost)];
const kinds = {
  'one of 100 documents': (i) => `post/${i % SHARED}`,
  'a document of its own': (i) => `post/${i}`,
};

async function play(connections, nameOf) {
  const scope = createScope();
  try {
    const server = await startHub(scope, { schemas: 'post: {likes: g-counter, tags: {type: or-set, of: string}}' });
    const plan = writePlan(`${scope.folder()}/plan`, 'syncline', Array.from({ length: connections }, (_, i) => hubClient([nameOf(i)])));
    const { memory_kib: [base, joined, end], join_cpu_ms: cpu } = await load(server, plan, { hold: 2 });
    return { base, joined: (joined - base) / connections, end: (end - base) / connections, cpu: (cpu * 1000) / connections };
  } finally {
    await scope.end();
  }
}

const rows = [['', 'connections', 'before MiB', 'each, joined KiB', 'each, 2 s later KiB', 'to join µs of CPU']];
const ends = new Map();
const bases = [];
for (const [name, nameOf] of Object.entries(kinds)) {
  ends.set(name, []);
  for (const connections of CROWDS) {
    const runs = [];
    for (let i = 0; i < RUNS; i++) runs.push(await play(connections, nameOf));
    const all = (of) => spread(runs.map(of));
    rows.push([name, figure(connections), all(({ base }) => base / 1024), all(({ joined }) => joined), all(({ end }) => end), all(({ cpu }) => cpu)]);
    bases.push(...runs.map(({ base }) => base / 1024));
    ends.get(name).push(runs.map(({ end }) => end));
  }
}
printTable(rows);
printGoal('before the first connection', summary(bases).median, 12, ' MiB', { most: true });
for (const [name, costs] of ends) {
  for (const [i, size] of CROWDS.entries()) {
    if (size >= 5000) printGoal(`each of ${figure(size)}, ${name}`, summary(costs[i]).median, 4, ' KiB', { most: true });
  }
  printGrowth(`idle connections, ${name}`, 'KiB each', CROWDS, costs);
}
