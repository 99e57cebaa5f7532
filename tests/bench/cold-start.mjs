/**
 * From the start of the process until a client has its first document, by the number of documents in the database, and the memory that
 * takes: what is not open costs nothing. `read before`: the file's pages are in the system's memory; `from disk`: they are not.
 *
 * Then the same after kill -9, when the hub has to replay the journal: once killed under load, and with a longer tail, which
 * comes about as the tables refuse to be written.
 *
 * node tests/bench/cold-start.mjs [--json] [runs]
 */
import { statSync } from 'node:fs';
import { decodeMulti } from '@msgpack/msgpack';
import { WebSocket } from 'ws';
import { postSchema, until } from '../e2e/support.mjs';
import { ask, change, forgetPages, hubWithTemplate, memory, multiply } from './databases.mjs';
import { createScope } from './scope.mjs';
import { printTable, summary } from './table.mjs';
import { delta, dial, newReplica, openFresh } from './wire.mjs';

const json = process.argv.includes('--json');
const RUNS = Number(process.argv.slice(2).find((argument) => argument !== '--json') ?? 9);
const SIZES = [1000, 62500, 250000, 1000000];
const WRITERS = 8;
const DOCUMENTS = 125;
const UPDATES = 200;

const scope = createScope();
const told = (values, digits = 0) => {
  const { median, least, most } = summary(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
};
const report = (figures) => { if (json) console.log(JSON.stringify({ bench: 'cold-start', ...figures })); };

/** Milliseconds until the hub listens, and until the document is there. */
async function start(hub, name) {
  const from = performance.now();
  await hub.start();
  const listens = performance.now() - from;
  const client = await dial(hub);
  await openFresh(client, 1, name);
  const served = performance.now() - from;
  const used = memory(hub);
  client.close();
  return { listens, served, ...used };
}

async function measureStarts(hub, size, pages) {
  const found = [];
  for (let run = 0; run < RUNS; run++) {
    if (pages === 'from disk') forgetPages(hub);
    found.push(await start(hub, `post/${String(2 + ((run * 7919) % (size - 1))).padStart(7, '0')}`));
    await hub.stop();
  }
  const of = (name) => found.map((one) => one[name]);
  report({
    documents: size, pages, listens_ms: summary(of('listens')).median, served_ms: summary(of('served')).median,
    most_ms: summary(of('served')).most, rss_mib: summary(of('all')).median, anonymous_mib: summary(of('own')).median,
  });
  return [pages, told(of('listens')), told(of('served')), told(of('all'), 1), told(of('own'), 1)];
}

async function measureSizes() {
  const rows = [['documents', 'file MB', 'made in s', 'pages', 'listens ms', 'first document ms', 'memory MiB', 'its own MiB']];
  for (const size of SIZES) {
    const hub = await hubWithTemplate(scope, { schemas: postSchema });
    const from = performance.now();
    multiply(hub, size);
    const made = (performance.now() - from) / 1000;
    await start(hub, 'post/template'); // makes the views; this client's code is compiled
    await hub.stop();
    for (const pages of ['read before', 'from disk']) {
      const measured = await measureStarts(hub, size, pages);
      rows.push([String(size), (statSync(hub.data).size / 1e6).toFixed(1), made.toFixed(1), ...measured]);
    }
  }
  if (!json) printTable(rows);
}

/* --- after kill -9 --- */

/** Edits of 125 documents by each of 8 clients. `acknowledged` counts them; `finished` once it is all, or the hub is gone. */
async function load(hub) {
  const found = { acknowledged: 0, finished: undefined };
  const clients = await Promise.all(Array.from({ length: WRITERS }, () => dial(hub)));
  const write = async (client, writer) => {
    const ids = Array.from({ length: DOCUMENTS }, (_, i) => i + 1);
    const done = new Map(ids.map((id) => [id, 0]));
    client.send(...ids.map((id) => ({ type: 'OPEN', id, name: `post/${writer}-${id}`, replicas: [newReplica()] })));
    for (const _ of ids) await client.heard('SNAPSHOT');
    for (let seq = 1; seq <= UPDATES; seq++) client.send(...ids.map((id) => delta(id, seq, 0, 1)));
    while (client.socket.readyState === WebSocket.OPEN && [...done.values()].some((seq) => seq < UPDATES)) {
      const { packet: { id, seq } } = await client.heard('ACK');
      found.acknowledged += seq - done.get(id);
      done.set(id, seq);
    }
  };
  found.finished = Promise.all(clients.map(write));
  found.leave = () => clients.forEach(({ socket }) => socket.terminate());
  return found;
}

/** What the journal holds beyond the tables. A batch is its head and then its records. */
function tail(hub) {
  const batches = ask(hub, 'SELECT hex(batch) AS batch FROM journal').map(({ batch }) => Buffer.from(batch, 'hex'));
  const updates = batches.reduce((sum, batch) => sum + [...decodeMulti(batch)].length - 1, 0);
  return { updates, batches: batches.length, bytes: batches.reduce((sum, { length }) => sum + length, 0) };
}

/** Each start replays the same tail: the hub is killed before it has stored anything. */
async function startsAfterKill(hub) {
  const found = [];
  for (let run = 0; run < RUNS; run++) {
    found.push(await start(hub, 'post/0-1'));
    await hub.kill();
  }
  return found;
}

async function measureTail(hub, name, plain) {
  const { updates, batches, bytes } = tail(hub);
  const found = await startsAfterKill(hub);
  const listens = found.map((one) => one.listens);
  const most = summary(found.map((one) => one.most)).median;
  const each = (1000 * (summary(listens).median - plain)) / updates;
  report({ tail: name, updates, batches, bytes, listens_ms: summary(listens).median, us_per_update: each, rss_most_mib: most });
  return [name, String(updates), String(batches), (bytes / 1e6).toFixed(1), told(listens), told(found.map((one) => one.served)),
    each.toFixed(2), most.toFixed(1)];
}

const heldBack = "CREATE TRIGGER held BEFORE INSERT ON documents BEGIN SELECT RAISE(ABORT, 'held back'); END";

async function killUnderLoad(hub) {
  await hub.start();
  const busy = await load(hub);
  await until(() => busy.acknowledged > (WRITERS * DOCUMENTS * UPDATES) / 2, 'half of the updates', 60000);
  busy.leave();
  await hub.kill();
}

async function killAfterAll(hub) {
  change(hub, heldBack);
  await hub.start();
  const whole = await load(hub);
  await whole.finished;
  whole.leave();
  await hub.kill();
}

async function measureReplay() {
  const rows = [['the journal', 'updates', 'batches', 'MB', 'listens ms', 'first document ms', 'us per update', 'most memory MiB']];
  for (const [name, prepare] of [['killed under load', killUnderLoad], ['nothing was stored', killAfterAll]]) {
    const hub = await hubWithTemplate(scope, { schemas: postSchema, config: 'limits: {updates: 0}' });
    const plain = summary((await startsAfterKill(hub)).map((one) => one.listens)).median;
    await prepare(hub);
    rows.push(await measureTail(hub, name, plain));
  }
  if (!json) {
    console.log();
    printTable(rows);
  }
}

try {
  await measureSizes();
  await measureReplay();
} finally {
  await scope.end();
}
