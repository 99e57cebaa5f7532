/**
 * Goal:   docs/operations.md takes an operator from a clean machine to a hub with TLS, tokens, metrics in Prometheus, and a restored backup.
 * Method: every `sh` block is run in the order of the page, by a shell that stops at the first failure, on one clean machine; every
 *         other block is written to the file whose name stands before it. `! command` has to fail. Clients look at what came of it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runOnMachine } from './machine.mjs';

const docs = new URL('../../docs/', import.meta.url);
const read = (name) => readFileSync(new URL(name, docs), 'utf8');

/** The blocks of a page: `{ language, text, path }`, where path is the name that stands before it. */
function blocksOf(page) {
  return [...page.matchAll(/(?:^`(\/[^`\n]+)`:\n\n)?```(\w+)\n([\s\S]*?)```/gm)].map(([, path, language, text]) => ({ path, language, text }));
}

const script = [];
const files = {};
function put(path, text) {
  const name = `file-${Object.keys(files).length}`;
  files[name] = text;
  script.push(`mkdir -p "$(dirname ${path})"`, `cp /srv/given/${name} ${path}`);
}

test('the guide is followed, command by command', { timeout: 330000 }, async (t) => {
  script.push('set -eu', 'cp /srv/given/syncline.deb syncline_0.1.0_amd64.deb', 'set -x');
  const blocks = blocksOf(read('operations.md'));
  const [nginx] = blocksOf(read('proxies.md')).filter(({ language }) => language === 'nginx');
  let commands = 0;
  for (const { language, text, path } of blocks) {
    if (language === 'sh') {
      if (text.startsWith('nginx -t')) put(nginx.path, nginx.text);
      // `set -e` does not see what `!` makes of an exit code.
      script.push(text.replaceAll(/^! (.*)$/gm, 'if $1; then echo "it did not fail" >&2; exit 1; fi'));
      commands += text.trim().split('\n').filter((line) => !line.startsWith(' ')).length;
    } else if (path !== undefined) {
      put(path, text);
    } else {
      assert.equal(language, 'console', `a block of ${language} that is neither run nor written`);
    }
  }
  assert.ok(commands > 20);
  script.push('set +x', 'echo "likes: $(syncline --hub wss://127.0.0.1:8443 --ca-file /etc/syncline/tls/fullchain.pem --token-file /etc/syncline/operator.token get post/42 likes)"', 'systemctl is-system-running || systemctl --failed');
  const { code, output } = await runOnMachine(t, script.join('\n'), files);
  assert.equal(code, 0, output);
  assert.match(output, /^likes: 1$/m);
  assert.match(output, /TOKEN_REQUIRED/);
});
