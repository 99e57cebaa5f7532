/**
 * Goal:   the examples of docs/http.md do what they say.
 * Method: its schema in a hub, its commands one by one in a shell. A comment behind one is what it prints.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startHub } from './support.mjs';

const page = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');

function blocks(language) {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text);
}

function shell(command, env) {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], { env: { ...process.env, ...env } }, (_error, stdout, stderr) => resolve({ stdout, stderr }));
  });
}

test('the examples of docs/http.md', { timeout: 60000 }, async (t) => {
  const hub = await startHub(t, { schemas: blocks('yaml')[0].replace('schemas:\n', '').trim() });
  const lines = blocks('sh').join('').split('\n').filter((line) => line.startsWith('curl '));
  assert.ok(lines.length >= 10);
  for (const line of lines) {
    const [command, expected] = line.split(/ +# /);
    const { stdout, stderr } = await shell(command, { HUB: hub.http, NO_PROXY: '*' });
    assert.equal(stdout, `${expected}\n`, `${line}\n${stderr}`);
  }
});
