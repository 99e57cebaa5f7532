/**
 * Goal:   `syncline backup` copies a live hub whole, up to the position that it tells, while writers go on and are not held up; who may
 *         not, or cannot keep it, gets a sentence and no file.
 * Method: a real hub with some megabytes, clients that count while the copy is made; the oracle is what each had acknowledged before
 *         the copy began, and SQLite's own check. The copy is restored and read by a client.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { bin, folder, run, sql, startHub, until } from './support.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

function clientOf(t, hub) {
  const client = connect(hub.url, { schema });
  t.after(() => client.close());
  return client;
}

const backup = (hub, file, ...more) => run('syncline', ['--hub', hub.url, ...more, 'backup', file]);
const check = (file) => execFileSync('sqlite3', ['-readonly', file, 'PRAGMA integrity_check; PRAGMA journal_mode']).toString();

/** Documents of large sets, some megabytes in all. */
async function fill(t, hub, documents = 20) {
  const client = clientOf(t, hub);
  for (let n = 0; n < documents; n++) {
    const doc = client.open(`post/${n}`);
    await doc.ready;
    for (let i = 0; i < 250; i++) doc.tags.add(`${n} ${i} ${'x'.repeat(1000)}`);
    await doc.saved;
    doc.close();
  }
}

test('a backup of a hub under load is whole up to the position it tells, and is restored', { timeout: 120000 }, async (t) => {
  const hub = await startHub(t);
  await fill(t, hub);
  let writing = true;
  const writers = [0, 1, 2].map(async (n) => {
    const doc = clientOf(t, hub).open(`post/counted ${n}`);
    await doc.ready;
    const writer = { doc, acknowledged: 0 };
    writer.done = (async () => {
      while (writing) {
        doc.likes.increment();
        await doc.saved;
        writer.acknowledged++;
      }
    })();
    return writer;
  });
  const all = await Promise.all(writers);
  await until(() => all.every(({ acknowledged }) => acknowledged > 20), 'the writers write');

  const file = join(hub.dir, 'backup.db');
  writeFileSync(file, 'the backup of yesterday');
  for (let round = 0; round < 3; round++) {
    const before = all.map(({ acknowledged }) => acknowledged);
    const { code, stdout, stderr } = await backup(hub, file);
    assert.equal(code, 0, stderr);
    const [, bytes, position] = /backup\.db: (\d+) bytes, everything up to position (\d+)\n/.exec(stdout);
    assert.ok(all.every(({ acknowledged }, i) => acknowledged > before[i]), 'the writers went on');
    assert.equal(statSync(file).size, Number(bytes));
    assert.ok(Number(bytes) > 4 << 20);
    assert.equal(check(file), 'ok\ndelete\n');
    const [{ last }] = await sql(file, "SELECT seq AS last FROM sqlite_sequence WHERE name = 'journal'");
    assert.equal(last, Number(position));
    assert.deepEqual(readdirSync(hub.dir).filter((name) => /part|backing-up|backup\.db-/.test(name)), []);

    const data = join(folder(t), 'hub.db');
    const restored = await run('synclined', ['restore', '--from', file, '--data', data]);
    assert.equal(restored.code, 0, restored.stderr);
    const other = await startHub(t, { data });
    for (const [i, acknowledged] of before.entries()) {
      const doc = clientOf(t, other).open(`post/counted ${i}`);
      await doc.synced;
      assert.ok(doc.likes.value >= acknowledged, `${doc.likes.value} of ${acknowledged}`);
    }
    const large = clientOf(t, other).open('post/7');
    await large.synced;
    assert.equal(large.tags.size, 250);
    await other.stop();
  }
  writing = false;
  await Promise.all(all.map(({ done }) => done));
});

test('a backup waits for the one under way, for as long as it may', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'log: {level: debug}' });
  await fill(t, hub, 2);
  const slow = new WebSocket(hub.url, 'syncline.v1'); // takes what comes without asking, and asks for no more
  t.after(() => slow.terminate());
  const told = [];
  slow.on('message', (data) => told.push(...decodeMessage(data)));
  await once(slow, 'open');
  slow.send(Buffer.concat([encodePacket({ type: 'HELLO', id: 0, version: 1 }), encodePacket({ type: 'CALL', id: 1, method: 'backup', parameters: {} })]));
  await until(() => told.some(({ type }) => type === 'CHUNK'), 'a backup under way');
  const file = join(hub.dir, 'backup.db');
  const refused = await backup(hub, file, '--timeout', '1');
  assert.match(refused.stderr, /BUSY/);
  assert.equal(refused.code, 1);
  const before = hub.log.length;
  const waiting = backup(hub, file, '--timeout', '30');
  await until(() => hub.log.slice(before).includes('BUSY'), 'one that waits');
  slow.close();
  const { code, stderr } = await waiting;
  assert.equal(code, 0, stderr);
  assert.equal(check(file), 'ok\ndelete\n');
});

test('the data and all that is made of it is readable for its user only', { timeout: 60000 }, async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const hub = await startHub(t);
  const doc = clientOf(t, hub).open('post/1');
  doc.likes.increment();
  await doc.saved;
  const file = join(hub.dir, 'backup.db');
  assert.equal((await backup(hub, file)).code, 0);
  assert.equal((await run('syncline', ['--hub', hub.url, '--store', join(hub.dir, 'store.db'), 'get', 'post/1'])).code, 0);
  const modes = () => Object.fromEntries(readdirSync(hub.dir).filter((name) => /\.db/.test(name)).map((name) => [name, (statSync(join(hub.dir, name)).mode & 0o777).toString(8)]));
  assert.deepEqual(modes(), { 'backup.db': '600', 'hub.db': '600', 'hub.db-shm': '600', 'hub.db-wal': '600', 'hub.db.control': '600', 'hub.db.lock': '600', 'store.db': '600' });
  await hub.stop();
  assert.equal((await run('synclined', ['restore', '--from', file, '--config', hub.file])).code, 0);
  assert.deepEqual(new Set(Object.values(modes())), new Set(['600']));
});

test('a backup that cannot be whole leaves the file of before, and says why', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  await fill(t, hub);
  const dir = folder(t);
  const file = join(dir, 'backup.db');
  writeFileSync(file, 'the backup of yesterday');
  const fails = async (result, why) => {
    const { code, stderr, stdout } = await result;
    assert.notEqual(code, 0);
    assert.match(stderr, why);
    assert.equal(stdout, '');
    assert.equal(readFileSync(file, 'utf8'), 'the backup of yesterday');
    assert.deepEqual(readdirSync(dir), ['backup.db']);
  };
  await fails(run('syncline', ['--hub', hub.url, 'backup']), /takes the name of a file/);
  await fails(backup(hub, join(dir, 'no', 'such', 'folder.db')), /No such file/);
  mkdirSync(`${hub.data}.backing-up`); // in the way of the hub's copy
  await fails(backup(hub, file), /UNAVAILABLE: The hub could not copy its database; its log says why/);
  await hub.logs(/no copy of the file can be made/);
  execFileSync('rmdir', [`${hub.data}.backing-up`]);
  // A limit on the size of files is a full disk to the command line, and not to the hub.
  const limited = spawnSync('/bin/sh', ['-c', 'trap "" XFSZ; ulimit -f 512; exec "$@"', 'sh', join(bin, 'syncline'), '--hub', hub.url, 'backup', file]);
  await fails({ code: limited.status, stderr: `${limited.stderr}`, stdout: `${limited.stdout}` }, /backup\.db\.part: File too large/);
  await hub.kill();
  await fails(backup(hub, file, '--timeout', '1'), /cannot be reached/);
  writeFileSync(`${hub.data}.backing-up`, 'what a hub that was killed had copied');
  await hub.start();
  assert.equal(existsSync(`${hub.data}.backing-up`), false);
  const other = spawn('flock', [`${file}.part`, 'sh', '-c', 'echo locked && exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => other.kill());
  await once(other.stdout, 'data');
  const { code: refused, stderr } = await backup(hub, file);
  assert.match(stderr, /backup\.db\.part: another backup writes it/);
  assert.equal(refused, 1);
  other.stdin.end();
  await once(other, 'exit');
  const { code } = await backup(hub, file);
  assert.equal(code, 0);
  assert.equal(check(file), 'ok\ndelete\n');
  assert.equal(existsSync(`${file}.part`), false);
});

test('a hub whose console is off gives no backup', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { config: 'console: off' });
  const file = join(hub.dir, 'backup.db');
  const { code, stderr } = await backup(hub, file);
  assert.equal(code, 1);
  assert.match(stderr, /FORBIDDEN: This call is an operator's/);
  assert.equal(existsSync(file), false);
});
