/**
 * Goal:   the commands of docs/data.md do what they are there for.
 * Method: its commands one by one in a shell, in a folder with the hub's configuration, the data beside it; only addresses are other ones. The hub
 *         is stopped for `restore`, as the page says.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bin, folder, run, startHub } from './support.mjs';

const page = readFileSync(new URL('../../docs/data.md', import.meta.url), 'utf8');
const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text]) => text.trim().split('\n')).map((line) => line.split(/ +# /)[0]);
const schemas = 'post: {likes: g-counter, tags: or-set}\n  cart: {items: or-set}';

function shell(command, cwd, TMPDIR) {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { cwd, env: { ...process.env, TMPDIR, PATH: `${bin}:${process.env.PATH}` } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

test('the commands of docs/data.md', { timeout: 120000 }, async (t) => {
  const [hub, other] = [await startHub(t, { schemas }), await startHub(t, { schemas })];
  const edit = async (...args) => assert.equal((await run('syncline', ['--hub', hub.url, ...args])).code, 0, args.join(' '));
  const get = async (from, name) => JSON.parse((await run('syncline', ['--hub', from.url, 'get', name])).stdout);
  const write = async () => {
    await edit('increment', 'post/42', 'likes');
    await edit('add', 'post/42', 'tags', 'alice@example.org');
  };
  const follow = async (command) => {
    const at = command.replaceAll('ws://other:7962', other.url)
      .replace(/^syncline (?!--hub)/, `syncline --hub ${hub.url} `);
    const { code, stdout, stderr } = await shell(at, hub.dir, folder(t));
    assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
  };
  const seen = [];
  for (const command of commands) {
    const [, name] = /^synclined? (?:--hub \S+ )?(\w+)/.exec(command);
    seen.push(name);
    if (name === 'restore') await hub.stop();
    if (name === 'backup' || name === 'erase') await write();
    await follow(command);
    if (name === 'restore') await hub.start();
    if (name === 'restore') assert.deepEqual(await get(hub, 'post/42'), { likes: 1, tags: ['alice@example.org'] });
    if (name === 'import') assert.deepEqual(await get(other, 'post/42'), { likes: 1, tags: ['alice@example.org'] });
  }
  assert.deepEqual(await get(hub, 'post/42'), { likes: 1, tags: [] }, 'the document, then the element of the next one');
  assert.deepEqual([...new Set(seen)], ['backup', 'restore', 'export', 'import', 'verify', 'retire', 'erase']);
});
