/**
 * One document, one writer, many subscribers: how many updates a second all of them have, what a message costs the server, and how long
 * an update takes to the last of them.
 *
 * node tests/bench/fan-out.mjs [runs]
 */
import { median, rounds } from './rounds.mjs';
import { figure, printGoal, printGrowth, printTable, spread } from './table.mjs';
import { targets } from './targets.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const CROWDS = [100, 1000];
const SECONDS = 3;
const RATE = 200;
/** Updates that not all have yet: what a real writer's outbox may hold, and no server is asked to queue more. */
const WINDOW = 2048;
/** More than each can take in the time. */
const UPDATES = { hub: 600000, others: 30000 };

/** Each of the hub's clients is a replica of its own; the others' readers all say the same. */
const crowd = (subscribers, updatesOf) => (target) => [
  target.client(target.updates(0, updatesOf(target))), ...Array.from({ length: subscribers }, () => target.client([])),
];

const deliveries = (subscribers) => ({ everywhere, seconds }) => (everywhere * subscribers) / seconds;
const perMessage = ({ cpu_ms: cpu, messages }) => (cpu * 1000) / messages;

async function fast(subscribers) {
  const list = [targets.hub, targets.floor, ...targets.peers];
  const figures = await rounds(RUNS, list, crowd(subscribers, (target) => (target === targets.hub ? UPDATES.hub : UPDATES.others)), { seconds: SECONDS, window: WINDOW, until: 'all' });
  console.log(`\n${subscribers} subscribers, as fast as it goes: updates that all have, times subscribers`);
  printTable([
    ['', 'deliveries/s', 'updates/s', 'messages/s', 'µs of CPU per message'],
    ...list.map((target) => {
      const runs = figures.get(target);
      return [target.name, spread(runs.map(deliveries(subscribers))), figure(median(runs, (run) => run.everywhere / run.seconds)),
        figure(median(runs, (run) => run.messages / run.seconds)), spread(runs.map(perMessage))];
    }),
  ]);
  const best = Math.max(...targets.peers.map((target) => median(figures.get(target), deliveries(subscribers))));
  if (subscribers === 1000 && targets.peers.length > 0) {
    printGoal('deliveries/s beside the best of the peers', median(figures.get(targets.hub), deliveries(subscribers)) / best, 20, ' ×');
  }
}

async function steady(subscribers) {
  const bareWs = targets.peers.filter(({ name }) => subscribers === 100 && name.startsWith('ws'));
  const list = [targets.hub, targets.floor, targets.durableFloor, ...bareWs];
  const sweep = subscribers === 1000 ? 20 : RATE; // the floor's single sweep; at 200/s it cannot keep up
  const figures = await rounds(RUNS, [targets.hub, ...bareWs], crowd(subscribers, () => RATE * SECONDS), { seconds: SECONDS, rate: RATE });
  const bare = await rounds(RUNS, [targets.floor, targets.durableFloor], crowd(subscribers, () => sweep * SECONDS), { seconds: SECONDS, rate: sweep });
  const runsOf = (target) => figures.get(target) ?? bare.get(target);
  const at = (target, part) => median(runsOf(target), (run) => run.all_ms[part]);
  console.log(`\n${subscribers} subscribers, ${RATE} updates/s (the floor: ${sweep}/s): from the writer to the last subscriber`);
  printTable([
    ['', 'p50 ms', 'p99 ms', 'messages/s', 'µs of CPU per message'],
    ...list.map((target) => [target.name, ...['p50', 'p99'].map((part) => spread(runsOf(target).map((run) => run.all_ms[part]))),
      figure(median(runsOf(target), (run) => run.messages / run.seconds)), spread(runsOf(target).map(perMessage))]),
  ]);
  printGoal('CPU per message beside the floor\'s send', median(runsOf(targets.hub), perMessage) / median(runsOf(targets.floor), perMessage), 1.4, ' ×', { most: true });
  if (subscribers === 1000) {
    printGoal('p99 beside one sweep and one commit of the floor', at(targets.hub, 'p99') / at(targets.durableFloor, 'p50'), 3, ' ×', { most: true });
  }
  const commit = Math.max(0, at(targets.durableFloor, 'p50') - at(targets.floor, 'p50'));
  for (const target of bareWs) {
    for (const part of ['p50', 'p99']) printGoal(`${part} beside ws and a commit`, at(targets.hub, part), at(target, part) + commit, ' ms', { most: true });
  }
}

/** At a rate that the largest crowd is no match for, beside the floor, whose sends cost more in a larger crowd, too. */
async function growth() {
  const sizes = [100, 400, 1600];
  const rate = 40;
  const costs = new Map([targets.hub, targets.durableFloor].map((target) => [target, []]));
  for (const subscribers of sizes) {
    const figures = await rounds(RUNS, [...costs.keys()], crowd(subscribers, () => rate * SECONDS), { seconds: SECONDS, rate });
    for (const [target, list] of costs) list.push(figures.get(target).map(perMessage));
  }
  for (const [target, list] of costs) printGrowth(`${target.name}: fan-out by subscribers`, 'µs of CPU per message', sizes, list);
}

for (const subscribers of CROWDS) {
  await fast(subscribers);
  await steady(subscribers);
}
await growth();
