/** A hub under a service manager: tests/server/manager.c, which speaks the protocols of systemd's sockets and notices. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bin, folder, until } from './support.mjs';

export async function startManager(t, { listens = 1, watchdogUsec = 0, config = '', listen = '127.0.0.1:1' } = {}) {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  const data = join(dir, 'hub.db');
  writeFileSync(file, `listen: "${listen}"\ndata: ${data}\n${config}\nschemas: {post: {likes: g-counter}}\n`);
  const process = spawn(join(bin, 'manager'), [`${listens}`, `${watchdogUsec}`, join(bin, 'synclined'), 'serve', '--config', file],
    { stdio: ['pipe', 'pipe', 'pipe'] });
  const manager = { file, data, log: '', lines: [], port: 0 };
  process.stderr.on('data', (text) => { manager.log += text; });
  const closed = once(process, 'close');
  t.after(async () => { process.stdin.end(); await closed; });
  createInterface(process.stdout).on('line', (line) => manager.lines.push(line));
  manager.ask = (line) => process.stdin.write(`${line}\n`);
  /** The lines behind `from` that begin with `start`. */
  manager.seen = (start, from = 0) => manager.lines.slice(from).filter((line) => line.startsWith(start));
  manager.until = (start, from = 0) => until(() => manager.seen(start, from)[0], `${start} (${manager.log})`);
  manager.start = async () => {
    const from = manager.lines.length;
    manager.ask('start');
    await manager.until('notify READY=1', from);
  };
  manager.stop = async (signal = 15) => {
    const from = manager.lines.length;
    manager.ask(signal);
    return manager.until('exit ', from);
  };
  if (listens > 0) {
    manager.port = Number((await manager.until('port ')).slice(5));
    manager.url = `ws://127.0.0.1:${manager.port}/`;
    manager.http = `http://127.0.0.1:${manager.port}`;
  }
  return manager;
}
