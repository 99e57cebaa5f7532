/**
 * Goal:   the command line does what README.md says, with the exit codes it promises.
 * Method: the README's own configuration and commands, run against a hub on a free port; then what must be refused.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { bin, folder, postSchema, run, sql, startHub, until } from './support.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('the README’s first app', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const dir = folder(t);
  const yaml = /Write `hub.yaml`:\s+```yaml\n([\s\S]*?)```/.exec(readme)[1].replaceAll(/^ {3}/gm, '');
  writeFileSync(join(dir, 'hub.yaml'), yaml);
  assert.deepEqual(await run('synclined', ['check', '--config', join(dir, 'hub.yaml')]).then(({ code }) => code), 0);
  const shell = /Edit from a second shell[^\n]*\s+```sh\n([\s\S]*?)```/.exec(readme)[1];
  const commands = shell.split('\n').map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '' && !line.includes('watch'));
  assert.ok(commands.length >= 6);
  for (const command of commands) {
    const words = command.split(/\s+/).slice(1).map((word) => (word === 'my.db' ? join(dir, 'my.db') : word));
    const { code, stderr } = await run('syncline', ['--hub', hub.url, ...words]);
    assert.equal(code, 0, `${command}: ${stderr}`);
  }
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/42'])).stdout, '{"likes":6,"stock":0,"tags":["blue","red"]}\n');
  await hub.stop();
  const query = /sqlite3 -readonly hub.db '([^']*)'/.exec(readme)[1];
  const [row] = await sql(hub.data, query);
  assert.deepEqual({ ...row, tags: JSON.parse(row.tags).sort() }, { key: '42', likes: 6, tags: ['blue', 'red'] });
});

test('watch prints a line for each change', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const child = spawn(join(bin, 'syncline'), ['--hub', hub.url, '--count', '3', 'watch', 'post/1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  assert.deepEqual(await next(), { likes: 0, stock: 0, tags: [] });
  await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes']);
  assert.deepEqual(await next(), { likes: 1, stock: 0, tags: [] });
  const exited = once(child, 'exit');
  await run('syncline', ['--hub', hub.url, 'add', 'post/1', 'tags', 'x']);
  assert.deepEqual(await next(), { likes: 1, stock: 0, tags: ['x'] });
  assert.equal((await exited)[0], 0);
});

test('exit codes and sentences', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: `${postSchema.slice(0, -1)}, held: {type: map, of: pn-counter}}` });
  const at = ['--hub', hub.url];
  for (const [args, code, said] of [
    [[...at, 'increment', 'post/1', 'nothing'], 2, /no such field/],
    [[...at, 'add', 'post/1', 'likes', 'x'], 2, /does not know this edit.*: add post\/1 likes \(a g-counter knows increment\)$/m],
    [[...at, 'increment', 'post/1', 'likes', '0'], 2, /does not know this edit/],
    [[...at, 'reserve', 'post/1', 'likes', '1'], 2, /a lease belongs to a store/],
    [[...at, 'increment', 'post/1', 'likes', '-3'], 2, /not with such a value: increment post\/1 likes \(a g-counter knows increment\)$/m],
    [['increment', 'post/1', ...at, 'likes', '-3'], 2, /not with such a value/],
    [[...at, 'enable', 'post/1', 'tags'], 2, /\(an or-set knows add, remove, clear\)$/m],
    [[...at, 'put', 'post/1', 'held', 'k', 'add', 'x'], 2, /\(a map knows put, remove; what it holds, increment, decrement\)$/m],
    [[...at, '-3', 'increment', 'post/1', 'likes'], 2, /^usage/m],
    [[...at, 'increment', 'post/1', 'likes', '-x'], 2, /^usage/m],
    [[...at, 'get', 'nothing/1'], 1, /UNKNOWN_SCHEMA/],
    [[...at, 'get', 'post'], 2, /schema\/key/],
    [[...at, 'frobnicate', 'post/1'], 2, /no such command/],
    [['--offline', 'increment', 'post/1', 'likes'], 2, /--store/],
    [['--hub', 'http://x', 'get', 'post/1'], 2, /ws:/],
    [['--hub', 'ws://127.0.0.1:1/', '--timeout', '1', 'get', 'post/1'], 1, /cannot be reached/],
    [['--store', join(folder(t), 'new.db'), '--offline', 'increment', 'post/1', 'likes'], 1, /not known yet/],
  ]) {
    const result = await run('syncline', args);
    assert.equal(result.code, code, `${args}: ${result.stderr}`);
    assert.match(result.stderr, said, `${args}`);
  }
  for (const args of [['add', 'post/1', 'tags', '-1', '-2.5', ...at], [...at, 'add', 'post/1', 'tags', '--', '-x', '--hub']]) {
    assert.equal((await run('syncline', args)).code, 0);
  }
  assert.equal((await run('syncline', [...at, 'get', 'post/1', 'tags'])).stdout, '["--hub","-1","-2.5","-x"]\n');
  await run('syncline', [...at, 'increment', 'post/1', 'likes', '9007199254740991']);
  const rejected = await run('syncline', [...at, 'increment', 'post/1', 'likes']);
  assert.equal(rejected.code, 1);
  assert.match(rejected.stderr, /OVERFLOW: The counter would exceed/);
});

test('an offline edit survives the process that made it, and counts once however often it is sent', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t);
  const store = ['--hub', hub.url, '--store', join(folder(t), 'store.db')];
  assert.equal((await run('syncline', [...store, 'get', 'post/1'])).code, 0);
  await hub.kill();
  for (let i = 0; i < 3; i++) {
    assert.equal((await run('syncline', [...store, '--offline', 'increment', 'post/1', 'likes'])).code, 0);
  }
  const stored = await run('syncline', [...store, '--timeout', '1', 'increment', 'post/1', 'likes']);
  assert.equal(stored.code, 1);
  assert.match(stored.stderr, /stored/);
  await hub.start();
  assert.equal((await run('syncline', [...store, 'sync'])).code, 0);
  assert.equal((await run('syncline', [...store, 'sync'])).code, 0);
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, '4\n');
});

test('the ledger forgets a replica that was silent for replica_ttl, and keeps what it counted', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t, { config: 'replica_ttl: 1s' });
  const at = ['--hub', hub.url];
  const replicas = async () => (await sql(hub.data, 'SELECT count(*) AS rows FROM replicas'))[0].rows;
  assert.equal((await run('syncline', [...at, 'increment', 'post/1', 'likes', '5'])).code, 0);
  await until(async () => await replicas() === 1, 'the replica is stored');
  await until(async () => await replicas() === 0, 'the replica is forgotten');
  assert.equal((await run('syncline', [...at, 'increment', 'post/1', 'likes'])).code, 0);
  assert.equal((await run('syncline', [...at, 'get', 'post/1', 'likes'])).stdout, '6\n');
});

test('a schema may leave the configuration once its updates are stored, and the hub says so', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  assert.equal((await run('syncline', ['--hub', hub.url, 'increment', 'post/1', 'likes'])).code, 0);
  await hub.kill();
  const config = readFileSync(hub.file, 'utf8');
  writeFileSync(hub.file, config.replace('  post:', '  other:'));
  await assert.rejects(hub.start(), /holds updates of a schema that is not declared; declare it again/);
  writeFileSync(hub.file, config);
  await hub.start();
  assert.equal(await hub.stop(), 0);
  writeFileSync(hub.file, config.replace('  post:', '  other:'));
  await hub.start();
  const [row] = await sql(hub.data, 'SELECT key, likes FROM post');
  assert.deepEqual(row, { key: '1', likes: 1 });
});

test('a store that belongs to another hub says so, and keeps its edits', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const other = await startHub(t, { schemas: 'post: {title: lww-register, views: g-counter}' });
  const store = ['--store', join(hub.dir, 'client.db')];
  assert.equal((await run('syncline', ['--hub', hub.url, ...store, 'get', 'post/1'])).code, 0);
  assert.equal((await run('syncline', [...store, '--offline', 'increment', 'post/1', 'likes', '7'])).code, 0);
  const refused = await run('syncline', ['--hub', other.url, ...store, 'sync']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^syncline: the hub has other fields than the one [^\n]*another --store[^\n]*\n$/);
  assert.equal((await run('syncline', ['--hub', other.url, ...store, 'get', 'post/2'])).code, 0, 'it holds nothing of this one');
  assert.equal((await run('syncline', ['--hub', hub.url, ...store, 'sync'])).code, 0);
  assert.equal((await run('syncline', ['--hub', hub.url, 'get', 'post/1', 'likes'])).stdout, '7\n');
});

test('an edit of a field that left the configuration is refused, not lost', { timeout: 30000 }, async (t) => {
  const hub = await startHub(t);
  const store = ['--hub', hub.url, '--store', join(hub.dir, 'client.db')];
  const before = (await run('syncline', [...store, 'get', 'post/1'])).stdout;
  assert.equal((await run('syncline', [...store, '--offline', 'increment', 'post/1', 'stock', '7'])).code, 0);
  assert.equal(await hub.stop(), 0);
  const config = readFileSync(hub.file, 'utf8');
  writeFileSync(hub.file, config.replace('stock: pn-counter, ', ''));
  await hub.start();
  const refused = await run('syncline', [...store, 'sync']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /post\/1: UNKNOWN_FIELD: /);
  assert.equal((await run('syncline', [...store, 'increment', 'post/1', 'likes'])).code, 0);
  assert.equal((await run('syncline', [...store, 'get', 'post/1'])).stdout, '{"likes":1,"tags":[]}\n');
  assert.equal(await hub.stop(), 0);
  writeFileSync(hub.file, config);
  await hub.start();
  assert.equal((await run('syncline', [...store, 'get', 'post/1'])).stdout, before.replace('"likes":0', '"likes":1'));
});
