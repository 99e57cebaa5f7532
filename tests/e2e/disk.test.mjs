/**
 * Goal:   a file system that is full, or may not be written, costs requests or a start, with a sentence that says which file it is
 *         about; nothing acknowledged is lost, also over a kill meanwhile, and nobody needs to do anything once there is room. Of two
 *         hubs on one file one is refused.
 * Method: a tmpfs of a few megabytes that the test fills, a file system mounted read-only, a file that may not be changed; real hubs.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { mounted } from './mounts.mjs';
import { bin, folder, health, postSchema, run, sleep, startHub, until } from './support.mjs';

/** Writes until nothing more fits. */
function fill(path) {
  const file = openSync(path, 'w');
  try {
    for (let bytes = 1 << 16; bytes >= 1;) {
      try {
        writeSync(file, Buffer.alloc(bytes));
      } catch (error) {
        assert.equal(error.code, 'ENOSPC');
        bytes >>= 1;
      }
    }
  } finally {
    closeSync(file);
  }
}

async function document(t, hub) {
  const client = connect(hub.url, { random: () => 0.01 });
  t.after(() => client.close());
  const doc = client.open('post/1');
  await doc.ready;
  return doc;
}

/** Edits until the hub has no room for one. */
async function editUntilFull(hub, doc) {
  for (let i = 0; !(await health(hub)).read_only; i++) {
    assert.ok(i < 1000, 'the file system fills up');
    doc.likes.increment();
    doc.tags.add(`${i} ${'x'.repeat(1000)}`);
    await Promise.race([doc.saved, sleep(300)]);
  }
}

const read = async (hub) => JSON.parse((await run('syncline', ['--hub', hub.url, 'get', 'post/1'])).stdout);

test('a full file system makes the hub read-only, over a kill, and it heals', { timeout: 120000 }, async (t) => {
  const disk = await mounted(t, 'mount -t tmpfs -o size=3m none "$1"');
  if (disk.reason !== undefined) return t.skip(disk.reason);
  const hub = await startHub(t, { wrap: disk.wrap, data: join(disk.dir, 'hub.db') });
  const doc = await document(t, hub);
  const errors = [];
  doc.on('error', (error) => errors.push(error));
  doc.likes.increment(7);
  await doc.saved;
  const filler = disk.seen(join(disk.dir, 'filler'));
  fill(filler);
  await editUntilFull(hub, doc);
  await until(() => errors.some(({ code }) => code === 'READ_ONLY'), 'the client to be told');
  assert.equal((await fetch(`${hub.http}/ready`)).status, 503);
  await hub.logs(new RegExp(`error read-only reason="${hub.data}: .*disk is full`));
  const acknowledged = (await read(hub)).likes;
  assert.ok(acknowledged >= 7 && doc.pending > 0);

  await hub.kill(); // a start needs a little room: to note that the file is in use
  await assert.rejects(hub.start(), new RegExp(`exited 1: [^]*storage-failed reason="${hub.data}: .*disk is full`));
  rmSync(filler);
  await hub.start();
  assert.ok((await read(hub)).likes >= acknowledged);
  await doc.saved;
  assert.deepEqual(await read(hub), doc.value);

  fill(filler);
  await editUntilFull(hub, doc);
  rmSync(filler);
  await doc.saved; // by itself
  assert.equal((await fetch(`${hub.http}/ready`)).status, 200);
  await hub.kill();
  await hub.start();
  assert.deepEqual(await read(hub), doc.value);
});

/** Starts a hub that is to be refused; answers what it says. */
async function refused(hub, wrap = []) {
  const [command, ...args] = [...wrap, join(bin, 'synclined'), 'serve', '--config', hub.file, '--listen', '127.0.0.1:0'];
  const { code, stderr } = await new Promise((resolve) => {
    execFile(command, args, { timeout: 30000 }, (error, stdout, text) => resolve({ code: error?.code ?? 0, stderr: text }));
  });
  assert.equal(code, 1, stderr);
  return stderr;
}

test('a file system that is mounted read-only is told, and the file stays as it is', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes', '3']);
  await hub.stop();
  const disk = await mounted(t, `mount --bind ${hub.dir} ${hub.dir} && mount -o remount,ro,bind ${hub.dir}`);
  if (disk.reason !== undefined) return t.skip(disk.reason);
  assert.ok((await refused(hub, disk.wrap)).includes(`${hub.data}: ${hub.data}.lock beside it cannot be made or locked: Read-only file system`));
  await hub.start();
  assert.equal((await read(hub)).likes, 3);
});

/** Nobody may change the file until what this answers is called: permissions do for all but root. */
function protect(path) {
  const [on, off] = process.getuid() === 0 ? [['chattr', '+i'], ['chattr', '-i']] : [['chmod', '0400'], ['chmod', '0600']];
  const set = ([command, mode]) => execFileSync(command, [mode, path], { stdio: 'pipe' });
  set(on);
  return () => set(off);
}

test('a file that may not be changed is told', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes', '3']);
  await hub.stop();
  let release;
  try {
    release = protect(hub.data);
  } catch (error) {
    return t.skip(`no file can be made immutable here: ${error.message}`);
  }
  try {
    assert.ok((await refused(hub)).includes(`${hub.data}: cannot be written: its owner or its permissions are wrong`));
  } finally {
    release();
  }
  await hub.start();
  assert.equal((await read(hub)).likes, 3);
});

test('of two hubs on one file the second is refused, until the first is gone', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const sentence = `${hub.data}: is in use by another hub: stop it, or name another file`;
  assert.ok((await refused(hub)).includes(sentence));
  const doc = await document(t, hub);
  doc.likes.increment(3);
  await doc.saved;
  assert.ok((await refused(hub)).includes(sentence));
  assert.equal((await read(hub)).likes, 3);
  await hub.kill(); // its lock ends with it
  await hub.start();
  assert.equal((await read(hub)).likes, 3);
});

test('of hubs that start on a new file at once one works', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  writeFileSync(file, `listen: 127.0.0.1:0\ndata: ${join(dir, 'hub.db')}\nschemas:\n  ${postSchema}\n`);
  const hubs = Array.from({ length: 6 }, () => spawn(join(bin, 'synclined'), ['serve', '--config', file]));
  t.after(() => hubs.forEach((hub) => hub.kill('SIGKILL')));
  const outcomes = await Promise.all(hubs.map(async (hub) => {
    let told = '';
    hub.stderr.on('data', (data) => { told += data; });
    const [listens] = await Promise.race([once(hub.stdout, 'data').then(() => [true]), once(hub, 'close').then(() => [false])]);
    return { listens, told };
  }));
  assert.equal(outcomes.filter(({ listens }) => listens).length, 1);
  for (const { listens, told } of outcomes) assert.equal(/in use by another hub/.test(told), !listens, told);
});
