/** Real processes for the tests: a hub on a free port with its own folder, the command line, a browser. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

globalThis.crypto ??= webcrypto; // Debian 12's Node.js 18 has it, but not there

const root = new URL('../..', import.meta.url).pathname;
export const bin = process.env.SYNCLINE_BIN ?? join(root, 'build/dev/bin');

const unpacked = join(root, 'build/unpacked');

/** A program that `./dev test` unpacks there, as its package starts a service; a machine may have it installed. */
export function program(path) {
  const found = [join(unpacked, path), join('/', path)].find(existsSync);
  if (found === undefined) throw new Error(`${path} is neither here nor in ${unpacked}: ./dev test gets it`);
  return found;
}

export const postSchema = 'post: {likes: g-counter, stock: pn-counter, tags: {type: or-set, of: string}}';

export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'syncline-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** In the configuration of a hub that listens on a public address: nobody's proxy stands in front, but it may. Tokens are signed with `secret`. */
export function behindProxy(t, secret = randomBytes(32).toString('hex')) {
  const file = join(folder(t), 'secret');
  writeFileSync(file, secret);
  return `behind_proxy: true\ntokens: {keys: [{algorithm: HS256, secret_file: "${file}"}]}`;
}

/** A port of this machine that nobody listens on, for a moment at least. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `check` holds; fails with what it saw last. */
export async function until(check, what, ms = 20000) {
  const deadline = Date.now() + ms;
  let seen;
  for (;;) {
    try {
      seen = await check();
      if (seen) return seen;
    } catch (error) {
      seen = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: still ${seen?.stack ?? JSON.stringify(seen)}`);
    await sleep(20);
  }
}

/** A sanitizer's report, which a program that is killed, or is expected to fail, would get past with. */
function refuseReport(log) {
  const report = /^.*(?:ThreadSanitizer|AddressSanitizer|LeakSanitizer|runtime error).*$/m.exec(log);
  if (report !== null) throw new Error(`${report[0]}\n${log.slice(report.index)}`);
}

/** A hub that can be killed and started again on the same port and file: `data`, or one in a folder of its own. */
export async function startHub(t, { schemas = postSchema, config = '', wrap = [], host = '127.0.0.1', data: chosen, tls } = {}) {
  const dir = folder(t);
  const data = chosen ?? join(dir, 'hub.db');
  const file = join(dir, 'hub.yaml');
  // Where others reach `listen` there is an internal address, and all hubs would have the same.
  const internal = config.includes('internal:') ? '' : 'internal: off\n';
  writeFileSync(file, `listen: "${host}:0"\ndata: ${data}\n${internal}${config}\nschemas:\n  ${schemas}\n`);
  const hub = { dir, data, file, tls, port: 0, log: '', process: undefined };

  hub.start = async () => {
    const args = ['serve', '--config', file, '--listen', `${host}:${hub.port}`];
    const [command, ...rest] = [...wrap, join(bin, 'synclined'), ...args];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    hub.process = child;
    hub.logged = once(child.stderr, 'close');
    child.stderr.on('data', (data) => { hub.log += data; });
    const lines = createInterface(child.stdout);
    lines.on('line', (line) => { hub.internal = /^internally .*(http:.*)\/$/.exec(line)?.[1] ?? hub.internal; });
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => text),
      once(child, 'exit').then(([code]) => { throw new Error(`the hub exited ${code}: ${hub.log}`); }),
    ]);
    hub.port = Number(/:(\d+)\/$/.exec(line)[1]);
    hub.http = `${tls === undefined ? 'http' : 'https'}://${host}:${hub.port}`;
    hub.url = `${hub.http.replace('http', 'ws')}/`;
  };
  hub.stop = async (signal = 'SIGTERM') => {
    const child = hub.process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    await hub.logged;
    return child?.exitCode;
  };
  /** What it prints and what it logs come by different ways: who saw the one may have to wait for the other. */
  hub.logs = (pattern) => until(() => pattern.test(hub.log), `the log to say ${pattern}, and not ${hub.log}`);
  hub.kill = () => hub.stop('SIGKILL');
  t.after(async () => {
    await hub.kill();
    refuseReport(hub.log);
  });
  await hub.start();
  return hub;
}

/** Runs a program; answers its exit code (null: it was killed) and what it printed. */
export function run(program, args, { input, timeout = 60000, killSignal = 'SIGTERM' } = {}) {
  return new Promise((resolve, reject) => {
    const child = execFile(join(bin, program), args, { timeout, killSignal, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        try {
          refuseReport(stderr);
          resolve({ code: error === null ? 0 : error.code, stdout, stderr });
        } catch (report) {
          reject(report);
        }
      });
    child.stdin.on('error', () => {}); // a program that stops early does not read
    child.stdin.end(input ?? '');
  });
}

/** The command line at that hub, as `run` answers. */
export const syncline = (hub, ...words) => run('syncline', ['--hub', hub.url, ...words]);

/** What a program has printed, which must have ended well. */
export async function good(result) {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr);
  return stdout;
}

export function sql(file, query) {
  return new Promise((resolve, reject) => {
    execFile('sqlite3', ['-readonly', '-json', file, query], { maxBuffer: 1 << 26 }, (error, stdout) => {
      if (error !== null) reject(error);
      else resolve(stdout.trim() === '' ? [] : JSON.parse(stdout));
    });
  });
}

export async function health(hub) {
  return (await fetch(`${hub.http}/health`)).json();
}
