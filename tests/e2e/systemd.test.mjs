/**
 * Goal:   the hub is a good service: it says when it is ready, reloads, stops and is alive, and it takes the socket it is given, in which
 *         connections wait while it is not there.
 * Method: a service manager that speaks systemd's protocols and shows what it is told; programs that connect while the hub is started anew.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startManager } from './manager.mjs';
import { run, until } from './support.mjs';

test('it says when it is ready, when it reads its configuration again, and when it stops', { timeout: 60000 }, async (t) => {
  const manager = await startManager(t);
  await manager.start();
  assert.match(manager.seen('notify READY')[0], new RegExp(`^notify READY=1 STATUS=listening on http://127\\.0\\.0\\.1:${manager.port}/$`));
  const from = manager.lines.length;
  manager.ask(1);
  assert.match(await manager.until('notify READY=1', from), /STATUS=listening on [^;]*$/);
  assert.match(manager.seen('notify RELOADING=1', from)[0], / MONOTONIC_USEC=\d+ /);
  writeFileSync(manager.file, `${readFileSync(manager.file, 'utf8')}durabilty: full\n`);
  const then = manager.lines.length;
  manager.ask(1);
  assert.match(await manager.until('notify READY=1', then), /the last reload was refused/);
  assert.equal(await manager.stop(), 'exit 0');
  assert.match(manager.seen('notify STOPPING=1')[0], / EXTEND_TIMEOUT_USEC=20000000 /);
  assert.deepEqual(manager.seen('notify WATCHDOG'), [], 'nobody has asked for it');
});

test('it tells that it is alive twice in each interval, for as long as it is', { timeout: 60000 }, async (t) => {
  const manager = await startManager(t, { watchdogUsec: 100000 });
  await manager.start();
  const count = () => manager.seen('notify WATCHDOG=1').length;
  await until(() => count() > 10, 'signs of life');
  manager.ask(19); // it stands still
  await until(() => /State:\s+T/.test(readFileSync(`/proc/${manager.seen('pid ')[0].slice(4)}/status`, 'utf8')), 'it to stand still');
  const before = count();
  await run('syncline', ['--hub', manager.url, '--timeout', '1', 'get', 'post/1']);
  assert.ok(count() <= before + 1, 'no sign of life from who does not live');
  manager.ask(18);
  await until(() => count() > before + 3, 'signs of life again');
  assert.equal(await manager.stop(), 'exit 0');
});

test('who connects while it is started anew waits, and is served', { timeout: 60000 }, async (t) => {
  const manager = await startManager(t);
  const early = run('syncline', ['--hub', manager.url, 'increment', 'post/1', 'likes', '1']);
  await manager.start();
  assert.equal((await early).code, 0);
  for (let i = 0; i < 3; i++) {
    assert.equal(await manager.stop(), 'exit 0');
    const waiting = fetch(`${manager.http}/health`);
    const edit = run('syncline', ['--hub', manager.url, 'increment', 'post/1', 'likes', '1']);
    await manager.start();
    assert.equal((await waiting).status, 200);
    assert.equal((await edit).code, 0);
  }
  assert.equal((await run('syncline', ['--hub', manager.url, 'get', 'post/1', 'likes'])).stdout, '4\n');
  assert.equal(await manager.stop(), 'exit 0');
});

test('who had connected when it was told to stop is answered', { timeout: 60000 }, async (t) => {
  const manager = await startManager(t);
  await manager.start();
  const socket = connect(manager.port, '127.0.0.1');
  const closed = once(socket, 'close');
  let answer = '';
  socket.on('data', (data) => { answer += data; });
  socket.write('GET /ready HTTP/1.1\r\nHost: localhost\r\n');
  await until(async () => (await (await fetch(`${manager.http}/health`)).json()).handshakes >= 2, 'it to be taken in');
  manager.ask(15);
  await manager.until('notify STOPPING=1');
  socket.end('Connection: close\r\n\r\n');
  await closed;
  assert.match(answer, /^HTTP\/1\.1 200 /);
  await manager.until('exit 0');
});

test('more sockets than it has a use for are refused with a sentence', { timeout: 60000 }, async (t) => {
  const manager = await startManager(t, { listens: 2 });
  manager.ask('start');
  assert.equal(await manager.until('exit '), 'exit 2');
  await until(() => /2 sockets are handed over, and the hub listens on one/.test(manager.log), 'the log to say why');
});
