/**
 * What a new client downloads of a document with counters, by the number of sessions that have ever written to it: the SNAPSHOT's bytes
 * must not depend on it. And what the hub needs to serve it: the time from OPEN, of a document that is not in memory, and memory.
 *
 * The first sessions are real: each opens the document with a replica of its own and edits each counter. Rows of more sessions are
 * then made by SQL, once it is sure that rows made so are those that real sessions leave behind; real sessions of
 * a document that retires its replicas at once are the last case.
 *
 * node tests/bench/snapshot.mjs [--json] [runs]
 */
import assert from 'node:assert/strict';
import { decodeMessage } from 'syncline/internal/protocol/every';
import { startHub, until } from '../e2e/support.mjs';
import { ask, change, memory } from './databases.mjs';
import { createScope } from './scope.mjs';
import { printTable, summary } from './table.mjs';
import { delta, dial, openFresh } from './wire.mjs';

const json = process.argv.includes('--json');
const RUNS = Number(process.argv.slice(2).find((argument) => argument !== '--json') ?? 7);
const REAL = 4000;
const SIZES = [10, 10000, 100000, 1000000];
const schemas = 'post: {likes: g-counter, stock: pn-counter, seats: {type: bounded-counter, min: 0, max: 1000000000}}';
/** Of one session: an update for each counter, as each bounded edit stands alone. */
const EDITS = [[0, 1], [1, [3, 1]], [2, [2, 0, null]]];

const scope = createScope();
const told = (values, digits) => {
  const { median, least, most } = summary(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
};

/** One session after the other on one connection. */
async function writeSessions(hub, name, count) {
  const client = await dial(hub);
  for (let id = 1; id <= count; id++) {
    await openFresh(client, id, name);
    client.send(...EDITS.map(([field, changes], i) => delta(id, i + 1, field, changes)));
    while ((await client.heard('ACK')).packet.seq < EDITS.length);
    client.send({ type: 'CLOSE', id, code: '', text: '' });
  }
  client.close();
}

/** SQL for the last four bytes of a replica's id: `i`, so that younger sessions come later. */
const BYTES = `CREATE TEMP TABLE bytes(n INTEGER PRIMARY KEY, b BLOB NOT NULL);
  INSERT INTO bytes(b, n) VALUES ${Array.from({ length: 256 }, (_, n) => `(x'${n.toString(16).padStart(2, '0')}', ${n})`).join()};`;
const byte = (shift) => `(SELECT b FROM bytes WHERE n = i >> ${shift} & 255)`;

/** The document's ledger and totals become those of `count` sessions. */
function addSessions(hub, key, count) {
  const [{ id, sessions }] = ask(hub, `SELECT id, next_index AS sessions FROM documents WHERE key = '${key}'`);
  const total = (n) => `value = ${n}, detail = CAST('${n}' AS BLOB)`;
  const seats = Buffer.alloc(11, 0x92); // [total, []], the total at full width
  seats[1] = 0xcf;
  seats.writeBigInt64BE(BigInt(2 * count), 2);
  seats[10] = 0x90;
  change(hub, `PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; ${BYTES} BEGIN;
    CREATE TEMP TABLE one AS SELECT * FROM replicas WHERE document = ${id} ORDER BY number DESC LIMIT 1;
    WITH RECURSIVE made(i) AS (VALUES (${sessions}) UNION ALL SELECT i + 1 FROM made WHERE i < ${count - 1})
      INSERT INTO replicas SELECT document,
        CAST(substr(replica, 1, 12) || ${byte(24)} || ${byte(16)} || ${byte(8)} || ${byte(0)} AS BLOB), i, seq, position, at, detail, principal
        FROM made CROSS JOIN one;
    UPDATE documents SET next_index = ${count} WHERE id = ${id};
    UPDATE entries SET ${total(count)} WHERE document = ${id} AND field = 0;
    UPDATE entries SET ${total(2 * count)} WHERE document = ${id} AND field = 1;
    UPDATE entries SET value = ${2 * count}, detail = x'${seats.toString('hex')}' WHERE document = ${id} AND field = 2;
    COMMIT;`);
}

/** What rows of sessions have in common, and what the document adds up to; not when, and by whom. */
function shapeOf(hub, key) {
  const where = `WHERE document = (SELECT id FROM documents WHERE key = '${key}')`;
  return {
    ledger: ask(hub, `SELECT typeof(replica), length(replica), seq, typeof(at), hex(detail), hex(principal), count(*), count(DISTINCT replica),
      min(number), max(number), count(DISTINCT number) FROM replicas ${where} GROUP BY 1, 2, 3, 4, 5, 6`),
    entries: ask(hub, `SELECT field, hex(key), value, typeof(value), hex(detail) FROM entries ${where}`),
    document: ask(hub, `SELECT next_index, retired FROM documents WHERE key = '${key}'`),
  };
}

/** Of the last packet in a message. */
function lastPacketBytes(message, type) {
  for (let start = 0; start < message.length; start++) {
    try {
      const packets = decodeMessage(new Uint8Array(message.subarray(start)));
      if (packets.length === 1 && packets[0].type === type) return message.length - start;
    } catch { /* not where a packet begins */ }
  }
  throw new Error(`no ${type} is at the end`);
}

/** On a hub that has just started, behind another document, so that the connection and the code are warm. */
async function openCold(hub, key) {
  await hub.start();
  const client = await dial(hub);
  await openFresh(client, 1, 'post/other');
  const before = memory(hub).own;
  const from = performance.now();
  const { packet, message } = await openFresh(client, 2, `post/${key}`);
  const ms = performance.now() - from;
  const found = { ms, bytes: lastPacketBytes(message, 'SNAPSHOT'), all: message.length, mib: memory(hub).own - before, fields: packet.fields };
  client.close();
  await hub.stop();
  return found;
}

async function measure(hub, key, name, sessions) {
  const found = [];
  for (let run = 0; run < RUNS; run++) found.push(await openCold(hub, key));
  const { bytes, all, fields } = found[0];
  assert.deepEqual([fields[0], fields[1], fields[2][0]].map(Number), [sessions, 2 * sessions, 2 * sessions]);
  assert(found.every((one) => one.bytes === bytes));
  const [{ rows }] = ask(hub, `SELECT count(*) AS rows FROM replicas WHERE document = (SELECT id FROM documents WHERE key = '${key}')`);
  const of = (part) => found.map((one) => one[part]);
  if (json) {
    console.log(JSON.stringify({
      bench: 'snapshot', sessions, kind: name, ledger_rows: rows, snapshot_bytes: bytes, message_bytes: all,
      open_ms: summary(of('ms')).median, memory_mib: summary(of('mib')).median,
    }));
  }
  return [String(sessions), name, String(rows), String(bytes), String(all), told(of('ms'), 2), told(of('mib'), 2)];
}

const rows = [['sessions', 'they are', 'ledger rows', 'SNAPSHOT bytes', 'with OPENED', 'open ms', 'memory MiB']];

async function measureKept() {
  const hub = await startHub(scope, { schemas });
  await writeSessions(hub, 'post/real', REAL);
  await writeSessions(hub, 'post/made', SIZES[0]);
  await hub.stop();
  rows.push(await measure(hub, 'made', 'real', SIZES[0]));
  rows.push(await measure(hub, 'real', 'real', REAL));
  addSessions(hub, 'made', REAL);
  assert.deepEqual(shapeOf(hub, 'made'), shapeOf(hub, 'real'));
  for (const size of SIZES.slice(1)) {
    addSessions(hub, 'made', size);
    rows.push(await measure(hub, 'made', 'made', size));
  }
}

async function measureRetired() {
  const hub = await startHub(scope, { schemas, config: 'replica_ttl: 1s' });
  await writeSessions(hub, 'post/real', REAL);
  await until(() => ask(hub, 'SELECT count(*) AS left FROM replicas')[0].left === 0, 'all are retired', 60000);
  await hub.stop();
  rows.push(await measure(hub, 'real', 'retired', REAL));
}

try {
  await measureKept();
  await measureRetired();
  if (!json) printTable(rows);
} finally {
  await scope.end();
}
