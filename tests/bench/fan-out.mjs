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
const FAST_SECONDS = 2;
const RATE = 200;
/**
 * What the writer edits as fast as it goes. `window`: updates that not all have yet, what a real writer's outbox may hold. `updates`: more
 * than each can take in the time.
 */
const KINDS = {
  counter: { edits: 'increments', window: 16384, updates: { hub: 800000, others: 30000 } },
  map: { edits: 'additions to a set', window: 2048, updates: { hub: 400000, others: 30000 } },
};
const ELEMENT_BYTES = 13;
/** More than the floor can make in the time, of such length. */
const SENDS_MOST = 400000;

/** Each of the hub's clients is a replica of its own; the others' readers all say the same. */
const crowd = (subscribers, updatesOf) => (target) => [target.client(updatesOf(target)), ...Array.from({ length: subscribers }, () => target.client([]))];

const deliveries = (subscribers) => ({ everywhere, seconds }) => (everywhere * subscribers) / seconds;
const perMessage = ({ cpu_ms: cpu, messages }) => (cpu * 1000) / messages;
const perBytes = ({ bytes, messages }) => bytes / messages;
const cells = (subscribers, runs) => [
  spread(runs.map(deliveries(subscribers))), ...[(run) => run.everywhere / run.seconds, (run) => run.messages / run.seconds, perBytes]
    .map((of) => figure(median(runs, of))), spread(runs.map(perMessage)),
];

/** The floor's sends where a message is as long as the hub's are, since it has more to say than the sockets take. */
async function playLong(subscribers, bytes) {
  const edits = Math.max(1, Math.round(bytes / ELEMENT_BYTES));
  const updatesOf = () => targets.floor.updates(0, SENDS_MOST / subscribers, { edits });
  const figures = await rounds(RUNS, [targets.floor], crowd(subscribers, updatesOf), { seconds: FAST_SECONDS, window: 4, until: 'all' });
  return figures.get(targets.floor);
}

async function fast(subscribers, kind) {
  const { edits, window, updates } = KINDS[kind];
  const list = [targets.hub, targets.floor, ...targets.peers];
  const updatesOf = (target) => target.updates(0, target === targets.hub ? updates.hub : updates.others, { kind });
  const figures = await rounds(RUNS, list, crowd(subscribers, updatesOf), { seconds: FAST_SECONDS, window, until: 'all' });
  const hub = figures.get(targets.hub);
  const long = await playLong(subscribers, median(hub, perBytes));
  console.log(`\n${subscribers} subscribers, ${edits} as fast as it goes, ${figure(window)} under way: updates that all have, times subscribers`);
  printTable([
    ['', 'deliveries/s', 'updates/s', 'messages/s', 'bytes each', 'µs of CPU per message'],
    ...list.map((target) => [target.name, ...cells(subscribers, figures.get(target))]),
    ['floor, as long messages', '', '', ...cells(subscribers, long).slice(2)],
  ]);
  const best = Math.max(...targets.peers.map((target) => median(figures.get(target), deliveries(subscribers))));
  if (subscribers === 1000 && targets.peers.length > 0) {
    printGoal(`${edits}: deliveries/s beside the best of the peers`, median(hub, deliveries(subscribers)) / best, 20, ' ×');
  }
}

async function steady(subscribers) {
  const bareWs = targets.peers.filter(({ name }) => subscribers === 100 && name.startsWith('ws'));
  const list = [targets.hub, targets.floor, targets.durableFloor, ...bareWs];
  const sweep = subscribers === 1000 ? 20 : RATE; // the floor's single sweep; at 200/s it cannot keep up
  const figures = await rounds(RUNS, [targets.hub, ...bareWs], crowd(subscribers, (target) => target.updates(0, RATE * SECONDS)), { seconds: SECONDS, rate: RATE });
  const bare = await rounds(RUNS, [targets.floor, targets.durableFloor], crowd(subscribers, (target) => target.updates(0, sweep * SECONDS)), { seconds: SECONDS, rate: sweep });
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
    const figures = await rounds(RUNS, [...costs.keys()], crowd(subscribers, (target) => target.updates(0, rate * SECONDS)), { seconds: SECONDS, rate });
    for (const [target, list] of costs) list.push(figures.get(target).map(perMessage));
  }
  for (const [target, list] of costs) printGrowth(`${target.name}: fan-out by subscribers`, 'µs of CPU per message', sizes, list);
}

for (const subscribers of CROWDS) {
  for (const kind of Object.keys(KINDS)) await fast(subscribers, kind);
  await steady(subscribers);
}
await growth();
