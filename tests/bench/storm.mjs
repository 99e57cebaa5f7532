/**
 * 5,000 clients come back at once with ten offline edits each: how long until all edits are durable and every client has all of them, and
 * what a pair of clients on another document feels meanwhile, who sends and reads 50 updates a second.
 *
 * The edits come as one update of ten, or as ten updates; to one document or to 50. `counter`: all are likes. `set`: each adds a tag out of
 * a hundred. With a cursor, a client has what was there before the storm; without, it is sent a snapshot.
 *
 * node tests/bench/storm.mjs [runs] [clients]
 */
import { once } from 'node:events';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { delta, hubClient, writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { connectionsMost, load, startHub } from './servers.mjs';
import { figure, printGoal, printGrowth, printTable, spread, summary } from './table.mjs';

const RUNS = Number(process.argv[2] ?? 3);
const CLIENTS = Number(process.argv[3] ?? 5000);
const EDITS = 10;
const PAIR_RATE = 50;
const PAIR_SECONDS = 4;
const PAIR_FIRST_MS = 500;
const [COUNTER, SET] = [0, 1];
const tag = (i) => `tag ${i % 100}`;

/** The messages of one client: its edits in `updates` updates. */
const kinds = {
  counter: (client, updates) => Array.from({ length: updates }, (_, i) =>
    delta({ first: (i * EDITS) / updates + 1, edits: EDITS / updates, field: COUNTER, change: ((i + 1) * EDITS) / updates })),
  set: (client, updates) => Array.from({ length: updates }, (_, i) => delta({
    first: (i * EDITS) / updates + 1, edits: EDITS / updates, field: SET,
    change: [false, Array.from({ length: EDITS / updates }, (__, k) => tag(client * 7 + i * (EDITS / updates) + k)).sort(), []],
  })),
};

/** What a client that was here before the storm has. */
async function cursorOf(hub) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  await once(socket, 'open');
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  const [data] = await once(socket, 'message');
  const { journal } = decodeMessage(new Uint8Array(data)).find(({ type }) => type === 'WELCOME');
  socket.close();
  return [journal, 0];
}

const pairPlan = (scope) => writePlan(`${scope.folder()}/plan`, 'syncline', [
  hubClient(['post/other'], Array.from({ length: PAIR_RATE * PAIR_SECONDS }, (_, i) => delta({ first: i + 1, field: COUNTER, change: i + 1 }))),
  hubClient(['post/other']),
]);

async function play({ kind, updates, documents, cursor }, count = CLIENTS) {
  const scope = createScope();
  try {
    const server = await startHub(scope, { schemas: 'post: {likes: g-counter, tags: {type: or-set, of: string}}' });
    const options = cursor ? { cursor: await cursorOf(server.hub) } : {};
    const clients = Array.from({ length: count }, (_, i) => hubClient([`post/${i % documents}`], kinds[kind](i, updates), options));
    const plan = writePlan(`${scope.folder()}/plan`, 'syncline', clients);
    const pair = load(server, pairPlan(scope), { rate: PAIR_RATE, seconds: PAIR_SECONDS });
    await new Promise((resolve) => setTimeout(resolve, PAIR_FIRST_MS));
    const storm = await load(server, plan, { storm: true, window: updates, edits: EDITS / updates, groups: documents });
    const { all_ms: pairMs } = await pair;
    if (!storm.complete || storm.acked !== count * updates) throw new Error(`not all has come: ${JSON.stringify(storm)}`);
    return {
      seconds: storm.join_ms / 1000 + storm.seconds, cpu: (storm.join_cpu_ms + storm.cpu_ms) / 1000, own: storm.own_cpu_ms / 1000,
      messages: storm.messages / count, pair: pairMs,
    };
  } finally {
    await scope.end();
  }
}

const cases = [
  { kind: 'counter', updates: 1, documents: 1 },
  { kind: 'counter', updates: 10, documents: 1, cursor: true },
  { kind: 'counter', updates: 10, documents: 50 },
  { kind: 'set', updates: 1, documents: 50 },
];
const nameOf = ({ kind, updates, documents, cursor = false }) =>
  `${kind}, ${updates === 1 ? 'one update' : `${updates} updates`}, ${documents === 1 ? 'one document' : `${documents} documents`}${cursor ? ', with cursors' : ''}`;

const rows = [[`${figure(CLIENTS)} clients`, 'all have all after s', 'hub CPU s', 'generator CPU s', 'messages each', 'the pair: p50 ms', 'p99 ms', 'longest ms']];
const goals = [];
for (const one of cases) {
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await play(one));
  const all = (of) => spread(runs.map(of));
  rows.push([nameOf(one), all(({ seconds }) => seconds), all(({ cpu }) => cpu), all(({ own }) => own), all(({ messages }) => messages),
    ...['p50', 'p99', 'most'].map((part) => all(({ pair }) => pair[part]))]);
  goals.push({ name: nameOf(one), seconds: summary(runs.map((run) => run.seconds)).median, longest: summary(runs.map((run) => run.pair.most)).median });
}
printTable(rows);
for (const { name, seconds, longest } of goals) {
  printGoal(`${name}: all have all`, seconds, 5, ' s', { most: true });
  printGoal(`${name}: the pair's longest`, longest, 250, ' ms', { most: true });
}

const sizes = [CLIENTS / 4, CLIENTS, Math.min(CLIENTS * 4, connectionsMost)];
const costs = [];
for (const size of sizes) {
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await play(cases[0], size));
  costs.push(runs.map(({ cpu }) => (cpu * 1e6) / size));
}
printGrowth(`storm, ${nameOf(cases[0])}`, 'µs of CPU per client', sizes, costs);
