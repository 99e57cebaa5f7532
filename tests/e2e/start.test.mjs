/**
 * Goal:   the first app of README.md takes a new user from a configuration to documents, tokens and SQL.
 * Method: its files are written and its commands run in their order, by a shell in one folder; only the port is another one. A comment
 *         behind `get` is what it prints; `watch` is given one line to wait for.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { bin, folder, until } from './support.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const part = readme.slice(readme.indexOf('## A first app in five minutes'), readme.indexOf('## On the internet'));
const blocks = [...part.matchAll(/^ {3}```(\w+)\n([\s\S]*?)^ {3}```/gm)].map(([, language, text]) => ({ language, text: text.replaceAll(/^ {3}/gm, '') }));
/** Those that stand in a sentence. */
const said = (pattern) => part.match(pattern)[1];

function shell(command, cwd) {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { cwd, env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

/** The hub, by the command of the page; answers its port, and what stops it. */
async function serve(t, cwd) {
  const [program, ...args] = said(/`(synclined serve [^`]+)`/).split(' ');
  const child = spawn(join(bin, program), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const stop = async () => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill();
    await exited;
  };
  t.after(stop);
  const failed = once(child, 'exit').then(() => { throw new Error(log); });
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), failed]);
  failed.catch(() => {}); // it ends when it is stopped
  return { port: /:(\d+)\/$/.exec(line)[1], stop };
}

test('a first app in five minutes', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const [config, tokens] = blocks.filter(({ language }) => language === 'yaml').map(({ text }) => text);
  const [edits, others] = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text);
  const yaml = config.replace('127.0.0.1:7962', '127.0.0.1:0');
  assert.notEqual(yaml, config);
  const follow = async (text, { port }) => {
    for (const line of text.trim().split('\n')) {
      const [command, comment] = line.split(/ +# /);
      const finished = command.startsWith('syncline watch') ? `${command} --count 1` : command;
      const { code, stdout, stderr } = await shell(finished.replace(/^syncline (?!token)/, `syncline --hub ws://127.0.0.1:${port} `), dir);
      assert.equal(code, 0, `${line}: ${stderr}`);
      if (comment?.startsWith('{')) assert.equal(stdout, `${comment}\n`);
    }
  };

  writeFileSync(join(dir, 'hub.yaml'), yaml);
  const checked = await shell(said(/`(synclined check [^`]+)`/), dir);
  assert.equal(checked.code, 0, checked.stderr);
  const open = await serve(t, dir);
  await follow(edits, open);
  await until(async () => (await shell(said(/`(sqlite3 [^`]+)`/), dir)).stdout === '42|6|["red","blue"]\n', 'the row');
  await open.stop();

  assert.equal((await shell(said(/`(openssl [^`]+)`/), dir)).code, 0);
  writeFileSync(join(dir, 'hub.yaml'), yaml + tokens);
  const guarded = await serve(t, dir);
  await follow(others, guarded);
  const refused = await shell(`syncline --hub ws://127.0.0.1:${guarded.port} get post/42`, dir);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /TOKEN_REQUIRED/);
});
