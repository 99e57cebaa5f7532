/** The crash test's side of its client processes: each has a place with a store, and a name of its own in each life. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../e2e/support.mjs';
import { countByMaker, makeCalls } from './edits.mjs';

const program = new URL('member.mjs', import.meta.url).pathname;

/** A JavaScript client in a process of its own (member.mjs). */
export function createMember({ hub, model, folder, place, random }) {
  const member = { lives: 0 };
  let child;
  let answered;

  member.start = (documents) => {
    member.lives += 1;
    const maker = `${place}.${member.lives}`;
    const args = [program, hub.url, join(folder, place), maker, String(random(1 << 30))];
    child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => {}); // it was killed: its end is told by `exit`
    child.ended = once(child, 'close').then(([code, signal]) => {
      if (signal !== 'SIGKILL') model.troubles.push(`${maker} ended with ${code ?? signal}`);
    });
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text);
      if (line.answer !== undefined) answered(line.answer);
      else model.hear(maker, line);
    });
    member.open(documents);
  };
  const say = (line) => child.stdin.write(`${JSON.stringify(line)}\n`);
  member.open = (documents) => say({ open: documents });
  /** All that it has said until then has been heard. */
  member.kill = async () => {
    child.kill('SIGKILL');
    await child.ended;
  };
  /** One question at a time. */
  const ask = (question) => {
    const answer = new Promise((resolve) => { answered = resolve; });
    say(question);
    return answer;
  };
  /** Resolved when nothing waits in these. */
  member.settle = (documents) => ask({ settle: documents });
  /** What it shows of one. */
  member.show = (document) => ask({ show: document });
  return member;
}

const wordsOf = ([field, op, ...args]) => [op, field, ...args].join(' ');

/**
 * The command line: a process for each edit, which is made of what its store shows, stored, and then sent, and is sometimes killed
 * meanwhile. Edits of one batch are one update, but for the title's.
 */
export function createCommands({ hub, model, folder, place, random }) {
  const store = ['--store', join(folder, `${place}.db`)];
  const at = ['--hub', hub.url, '--timeout', '2', ...store];
  let number = 0;
  let kills = 0;
  let stopping = false;
  let worked = Promise.resolve();

  async function edit(document) {
    await run('syncline', [...at, 'sync', document]);
    const seen = await run('syncline', [...store, '--offline', 'get', document]);
    if (seen.code !== 0) return; // it has never met the hub
    const value = JSON.parse(seen.stdout);
    const maker = `${place}.${number += 1}`;
    const name = `${maker}:1`;
    const calls = makeCalls(random, value, name, 0);
    model.hear(maker, { edit: document, number: 1, seen: countByMaker(value.edits), calls });
    const killed = random(3) === 0;
    const input = calls.map(wordsOf).join('\n');
    const { code, stderr } = await run('syncline', [...at, 'batch', document],
      { input: `${input}\n`, ...(killed ? { timeout: 1 + random(20), killSignal: 'SIGKILL' } : {}) });
    kills += killed && code === null ? 1 : 0;
    const what = code === 0 ? ['stored', 'saved'] : stderr.includes('the edit is stored') ? ['stored'] : [];
    for (const one of what) model.hear(maker, { [one]: document, edits: 1, takes: 0 });
  }

  function stop() {
    stopping = true;
    return worked;
  }

  return {
    start(documentsNow) {
      worked = (async () => {
        while (!stopping) {
          const documents = documentsNow();
          await edit(documents[random(documents.length)]);
        }
      })();
    },
    stop,
    /** Sends what is stored. */
    async finish() {
      await stop();
      const { code, stderr } = await run('syncline', ['--hub', hub.url, ...store, 'sync']);
      if (code !== 0) model.troubles.push(`${place}: ${stderr}`);
    },
    kills: () => kills,
  };
}
