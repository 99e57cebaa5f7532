/**
 * Goal:   real input through real processes ends as plain arithmetic says it must.
 * Method: 20,000 US flights (vega-datasets) are dealt to 20 clients, 14 in JavaScript and 6 in C with a store on disk, which
 *         count departures and minutes late and collect destinations of every airport. Clients go offline and come back at
 *         random moments; some updates are sent twice on purpose; the hub is killed and restarted five times meanwhile.
 *         At the end every client, a fresh one, and the SQL views must equal the aggregation of the file.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { connect } from 'syncline';
import { folder, run, sleep, sql, startHub, until } from './support.mjs';

const JS_CLIENTS = 14;
const C_CLIENTS = 6;
const KILLS = 5;
const schemas = 'airport: {departures: g-counter, minutes_late: pn-counter, destinations: {type: or-set, of: string}}';
const file = join(createRequire(import.meta.url).resolve('vega-datasets'), '../../data/flights-20k.json');
const flights = JSON.parse(readFileSync(file, 'utf8'));

const seed = Number(process.env.SEED ?? Date.now() % 1e9);
let state = seed;
function random() { // mulberry32: a printed seed replays the deal
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n) => Math.floor(random() * n);

function aggregate() {
  const airports = new Map();
  for (const { origin, destination, delay } of flights) {
    const airport = airports.get(origin) ?? { departures: 0, minutes_late: 0, destinations: new Set() };
    airport.departures += 1;
    airport.minutes_late += delay;
    airport.destinations.add(destination);
    airports.set(origin, airport);
  }
  return new Map([...airports].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, airport]) => [
    code, { ...airport, destinations: [...airport.destinations].sort() }]));
}

/** Sends a third of the binary messages with updates a second time. */
class RepeatingSocket extends WebSocket {
  send(bytes) {
    super.send(bytes);
    if (bytes[1] === 6 && random() < 0.3) super.send(bytes);
  }
}

function edit(doc, { destination, delay }) {
  doc.transact(() => {
    doc.departures.increment();
    if (delay > 0) doc.minutes_late.increment(delay);
    if (delay < 0) doc.minutes_late.decrement(-delay);
    doc.destinations.add(destination);
  });
}

async function jsClient(hub, mine) {
  const client = connect(hub.url, { WebSocket: RepeatingSocket });
  const docs = new Map();
  client.on('error', ({ text }) => { throw new Error(text); });
  for (const flight of mine) {
    const name = `airport/${flight.origin}`;
    let doc = docs.get(name);
    if (doc === undefined) {
      doc = client.open(name);
      docs.set(name, doc);
      if (client.status === 'offline') client.reconnect();
      await doc.ready; // the fields are known from the hub alone
    }
    edit(doc, flight);
    if (random() < 0.02) client.disconnect();
    if (client.status === 'offline' && random() < 0.2) client.reconnect();
    if (random() < 0.1) await sleep(below(30));
  }
  client.reconnect();
  return { client, docs };
}

/** Edits offline and online by turns, a process each time, with what waits kept on disk. */
async function cClient(hub, mine, store) {
  const byOrigin = new Map();
  for (const flight of mine) {
    byOrigin.set(flight.origin, [...(byOrigin.get(flight.origin) ?? []), flight]);
  }
  const common = ['--hub', hub.url, '--store', store, '--timeout', '60'];
  let known = false;
  for (const [origin, list] of byOrigin) {
    const input = list.map(({ destination, delay }) => [
      'increment departures',
      ...(delay === 0 ? [] : [`${delay > 0 ? 'increment' : 'decrement'} minutes_late ${Math.abs(delay)}`]),
      `add destinations ${destination}`,
    ].join('\n')).join('\n');
    const mode = known && random() < 0.5 ? ['--offline'] : [];
    const { code, stderr } = await run('syncline', [...common, ...mode, 'batch', `airport/${origin}`], { input });
    assert.equal(code, 0, stderr);
    known = true;
  }
  const { code, stderr } = await run('syncline', [...common, 'sync']);
  assert.equal(code, 0, stderr);
}

async function killAndRestart(hub, done) {
  let kills = 0;
  while (kills < KILLS || !done()) {
    await sleep(150 + below(500));
    if (kills < KILLS) {
      await hub.kill();
      await sleep(below(200));
      await hub.start();
      kills += 1;
    }
  }
  return kills;
}

test(`flights agree with the plain aggregation (SEED=${seed})`, { timeout: 240000 }, async (t) => {
  const expected = aggregate();
  const hub = await startHub(t, { schemas });
  const dir = folder(t);
  const hands = Array.from({ length: JS_CLIENTS + C_CLIENTS }, () => []);
  for (const flight of flights) hands[below(hands.length)].push(flight);

  let finished = false;
  const killing = killAndRestart(hub, () => finished);
  const clients = [];
  t.after(() => clients.forEach(({ client }) => client.close()));
  await Promise.all(hands.map(async (mine, i) => {
    if (i < JS_CLIENTS) clients.push(await jsClient(hub, mine));
    else await cClient(hub, mine, join(dir, `client-${i}.db`));
  }));
  finished = true;
  assert.equal(await killing, KILLS);
  await Promise.all(clients.flatMap(({ docs }) => [...docs.values()].map((doc) => doc.saved)));

  const fresh = connect(hub.url);
  clients.push({ client: fresh, docs: new Map([...expected.keys()].map((code) => [`airport/${code}`, fresh.open(`airport/${code}`)])) });
  for (const { docs } of clients) {
    for (const [name, doc] of docs) {
      await until(() => {
        assert.deepEqual(doc.value, expected.get(name.slice(8)), name);
        return true;
      }, name);
    }
  }
  const [first] = expected.keys();
  const { stdout } = await run('syncline', ['--hub', hub.url, 'get', `airport/${first}`]);
  assert.deepEqual(JSON.parse(stdout), expected.get(first));

  await hub.stop();
  const rows = await sql(hub.data, 'SELECT * FROM airport ORDER BY key');
  assert.deepEqual(
    new Map(rows.map(({ key, departures, minutes_late, destinations }) => [
      key, { departures, minutes_late, destinations: JSON.parse(destinations).sort() }])),
    expected);
});
