/**
 * What a hub makes of a database of which a page was overwritten while it was stopped: it refuses to start, or it refuses the documents
 * that the page belongs to; both with a sentence for the operator. All that it shows must be as it was.
 */
import { closeSync, copyFileSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { folder, run, startHub } from '../e2e/support.mjs';

const PAGE = 4096;
const DOCUMENTS = 6;
const TAGS = 60;

/** How a page may be overwritten. */
export const damages = {
  zeros: () => Buffer.alloc(PAGE),
  noise: (random) => Buffer.from(Array.from({ length: PAGE }, () => random(256))),
};

/** A stopped hub's file, some of whose values are longer than a page, and what its documents hold. */
export async function makeDatabase(t) {
  const hub = await startHub(t);
  const names = Array.from({ length: DOCUMENTS }, (_, i) => `post/${i}`);
  const values = {};
  for (const [i, name] of names.entries()) {
    const tags = Array.from({ length: TAGS }, (_, k) => `add tags ${i}-${k}-${'x'.repeat(k % 20 === 0 ? 4000 : 60)}`);
    const input = [`increment likes ${i + 1}`, ...tags, `remove tags ${i}-1-${'x'.repeat(60)}`].join('\n');
    const { code, stderr } = await run('syncline', ['--hub', hub.url, 'batch', name], { input: `${input}\n` });
    if (code !== 0) throw new Error(stderr);
    values[name] = JSON.parse((await run('syncline', ['--hub', hub.url, 'get', name])).stdout);
  }
  await hub.stop();
  return { data: hub.data, pages: statSync(hub.data).size / PAGE, values };
}

/** A copy with one page overwritten. */
function damaged(t, database, { page, damage, random }) {
  const data = join(folder(t), 'hub.db');
  copyFileSync(database.data, data);
  const file = openSync(data, 'r+');
  writeSync(file, damages[damage](random), 0, PAGE, (page - 1) * PAGE);
  closeSync(file);
  return data;
}

/** The log names the table, and whose row it is. */
function isTold(log, name) {
  return log.split('\n').some((line) => line.includes(' error ') && line.includes(name) && /table[ =][a-z]/.test(line));
}

/** What became of `page`, counted from 1: 'refused', 'reported', 'right', or a sentence that says what is wrong. */
export async function tryDamage(t, database, what) {
  const data = damaged(t, database, what);
  let hub;
  try {
    hub = await startHub(t, { data });
  } catch (error) {
    return error.message.startsWith('the hub exited 1:') && error.message.includes(data) ? 'refused' : error.message;
  }
  let reported = 0;
  for (const [name, value] of Object.entries(database.values)) {
    const { code, stdout } = await run('syncline', ['--hub', hub.url, '--timeout', '5', 'get', name]);
    const { exitCode, signalCode } = hub.process;
    if (exitCode !== null || signalCode !== null) return `the hub ended with ${exitCode ?? signalCode}: ${hub.log}`;
    if (code === 0 && !isDeepStrictEqual(JSON.parse(stdout), value)) return `${name} is shown as ${stdout.slice(0, 200)}`;
    if (code !== 0 && !isTold(hub.log, name)) return `${name} is not shown, and the log does not say why: ${hub.log}`;
    reported += code === 0 ? 0 : 1;
  }
  await hub.kill();
  return reported > 0 ? 'reported' : 'right';
}
