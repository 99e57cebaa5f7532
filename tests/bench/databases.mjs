/** Large databases, made in seconds: a real hub writes one document, and SQL writes it again under other names. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { startHub } from '../e2e/support.mjs';
import { delta, dial, newReplica } from './wire.mjs';

/** Not while the hub runs. */
export function change(hub, sql) {
  execFileSync('sqlite3', ['-bail', hub.data], { input: sql, maxBuffer: 1 << 26 });
}

export function ask(hub, query) {
  const text = execFileSync('sqlite3', ['-readonly', '-json', hub.data, query], { maxBuffer: 1 << 26 }).toString().trim();
  return text === '' ? [] : JSON.parse(text);
}

/** A stopped hub whose file holds `post/template`: two counters and three tags, written by one client. */
export async function hubWithTemplate(scope, options) {
  const hub = await startHub(scope, options);
  const client = await dial(hub);
  client.send({ type: 'OPEN', id: 1, name: 'post/template', replicas: [newReplica()] });
  await client.heard('SNAPSHOT');
  const edits = [[0, 5], [1, [3, 1]], [2, [false, ['crdt'], []]], [2, [false, ['sync'], []]], [2, [false, ['sqlite'], []]]];
  edits.forEach(([field, changes], i) => client.send(delta(1, i + 1, field, changes)));
  while ((await client.heard('ACK')).packet.seq < edits.length);
  client.close();
  await hub.stop();
  return hub;
}

const PARTS = [
  ['document_fields', 'i, field, position, horizon'],
  ['entries', 'i, field, key, value, detail, position'],
  ['replicas', 'i, replica, number, seq, position, at, detail, principal'],
];

/** `post/template` becomes one of `count` documents, called post/0000002 and so on. */
export function multiply(hub, count) {
  const copies = PARTS.map(([table, columns]) => `
    CREATE TEMP TABLE one AS SELECT * FROM ${table} WHERE document = 1;
    INSERT INTO ${table} SELECT ${columns} FROM numbers CROSS JOIN one;
    DROP TABLE one;`);
  change(hub, `PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA journal_mode = MEMORY; BEGIN;
    CREATE TEMP TABLE numbers AS WITH RECURSIVE counted(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM counted WHERE i < ${count})
      SELECT i FROM counted;
    CREATE TEMP TABLE first AS SELECT * FROM documents WHERE id = 1;
    INSERT INTO documents(id, schema, key, position, next_index, retired)
      SELECT i, schema, printf('%07d', i), position, next_index, retired FROM numbers CROSS JOIN first;
    ${copies.join('')}
    COMMIT; PRAGMA journal_mode = WAL;`);
}

/** Brings the file to the disk, and out of the system's memory. */
export function forgetPages(hub) {
  execFileSync('dd', [`of=${hub.data}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
}

/** Mebibytes of the hub's memory: `all`, what of it is its own and no file's, and `most` that it ever had. */
export function memory(hub) {
  const status = readFileSync(`/proc/${hub.process.pid}/status`, 'utf8');
  const read = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024;
  return { all: read('VmRSS'), own: read('RssAnon'), most: read('VmHWM') };
}
