/**
 * What a connection that is just there costs the hub in memory: resident, beyond what the hub has before the first one comes. Each has
 * opened one document, and has been sent its snapshot.
 *
 * The sockets are as many as the machine's hard limit of open files lets both processes have.
 *
 * node tests/bench/idle.mjs [runs]
 */
import { execFileSync } from 'node:child_process';
import { hubClient, writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { load, startHub } from './servers.mjs';
import { figure, printGoal, printTable, spread, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const SHARED = 100;
/** Of a process's files, those that are no client's. */
const OTHER_FILES = 100;
const files = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).replace('unlimited', '1000000'));
const CROWDS = [5000, Math.min(20000, files - OTHER_FILES)];
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
const ends = [];
const bases = [];
for (const [name, nameOf] of Object.entries(kinds)) {
  for (const connections of CROWDS) {
    const runs = [];
    for (let i = 0; i < RUNS; i++) runs.push(await play(connections, nameOf));
    const all = (of) => spread(runs.map(of));
    rows.push([name, figure(connections), all(({ base }) => base / 1024), all(({ joined }) => joined), all(({ end }) => end), all(({ cpu }) => cpu)]);
    bases.push(...runs.map(({ base }) => base / 1024));
    ends.push({ name, each: summary(runs.map(({ end }) => end)).median });
  }
}
printTable(rows);
printGoal('before the first connection', summary(bases).median, 12, ' MiB', { most: true });
for (const { name, each } of ends) printGoal(`each, ${name}`, each, 4, ' KiB', { most: true });
for (let i = 0; i < ends.length; i += 2) printGoal(`${CROWDS[1]} beside ${CROWDS[0]}, ${ends[i].name}`, ends[i + 1].each / ends[i].each, 1.1, ' ×', { most: true });
