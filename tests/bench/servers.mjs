/** What is measured, each alone on the first core; the load generator has the second. Where a core may not be used nothing is pinned to it. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bin, folder, startHub as startPlainHub } from '../e2e/support.mjs';

/** Of a process's open files, those that are no client's. */
const OTHER_FILES = 100;
const openFiles = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).replace('unlimited', '1000000'));
export const connectionsMost = openFiles - OTHER_FILES;

function pinnedTo(core) {
  const pin = ['taskset', '-c', core];
  if (spawnSync(pin[0], [...pin.slice(1), 'true']).status === 0) return pin;
  console.error(`core ${core} may not be used: what should have it alone runs on any`);
  return [];
}
export const pinned = pinnedTo('0');
/** For who makes the load, so that it does not take from what is measured. */
export const pinnedBeside = pinnedTo('1');

/** The hub with nothing that would slow a load down on purpose. */
export async function startHub(scope, { schemas, config = '', limits = '' }) {
  const unlimited = `updates: 0, bytes: 0, streams: 1000000, connections: 100000, message_bytes: 16 MiB${limits}`;
  const hub = await startPlainHub(scope, { schemas, config: `ping: 1d\nlimits: {${unlimited}}\n${config}`, wrap: pinned });
  return { ...hub, hub, pid: hub.process.pid };
}

async function startServer(scope, command) {
  const [program, ...args] = [...pinned, ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  scope.after(() => child.kill('SIGKILL'));
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => { throw new Error(`${command.join(' ')} exited ${code}`); }),
  ]);
  return { pid: child.pid, port: JSON.parse(line).port };
}

/** `commits`: each message is in a database before it is sent on. */
export function startFloor(scope, { commits = false } = {}) {
  return startServer(scope, [join(bin, 'bench_floor'), ...(commits ? [join(folder(scope), 'floor.db')] : [])]);
}

export const startPeer = (scope, name, args = []) => startServer(scope, [process.execPath, `${import.meta.dirname}/peers/${name}.mjs`, ...args]);

/** Plays a plan, and answers the generator's figures. */
export function load({ port, pid }, plan, options = {}) {
  const words = Object.entries(options).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
  const [program, ...args] = [...pinnedBeside, join(bin, 'bench_load'), '--plan', plan, '--port', String(port), '--pid', String(pid), ...words];
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 1 << 24, timeout: 120000 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(`${args.join(' ')}: ${stderr}${error.message}`));
    });
  });
}
