/**
 * Goal:   the examples of docs/types.md do what they say.
 * Method: its schemas in a hub, its commands one by one. A comment behind `get` is what it prints; `exit 1` is the exit code.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, run, startHub } from './support.mjs';

const page = readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8');

function blocks(language) {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text);
}

/** Words as a shell would split them, without expansions; `{...}` is one word. */
function wordsOf(command) {
  return [...command.matchAll(/"([^"]*)"|(\{.*\}|\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

test('the examples of docs/types.md', { timeout: 60000 }, async (t) => {
  const [yaml] = blocks('yaml');
  const hub = await startHub(t, { schemas: yaml.replace('schemas:\n', '').trim() });
  const dir = folder(t);
  const lines = blocks('sh').join('').split('\n').filter((line) => line.startsWith('syncline '));
  assert.ok(lines.length > 30);
  for (const line of lines) {
    const [command, comment] = line.split(/ {2,}# /);
    const words = wordsOf(command).slice(1).map((word) => (word === 'till.db' ? join(dir, word) : word));
    const { code, stdout, stderr } = await run('syncline', ['--hub', hub.url, ...words]);
    assert.equal(code, comment === 'exit 1' ? 1 : 0, `${line}: ${stderr}`);
    if (words.includes('get')) assert.equal(stdout, `${comment}\n`, line);
  }
});
