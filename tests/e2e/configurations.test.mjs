/**
 * Goal:   every configuration that the documentation shows is one that the hub takes.
 * Method: `synclined check` reads each `yaml` block that is the hub's, as it stands; the files that it names are made, and what another part of
 *         a configuration would have (`data`, `schemas`, `tokens`) is written behind it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAuthority } from './certificates.mjs';
import { folder, run } from './support.mjs';
import { makeKeys, toPem } from './tokens.mjs';

const root = new URL('../../', import.meta.url).pathname;
const pages = ['README.md', 'clients/js/README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];

/** The hub's: Prometheus has configurations in YAML, too. */
function configurationsOf(page) {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/^( *)```yaml\n([\s\S]*?)^ *```/gm)]
    .map(([, indent, text]) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
    .filter((text) => !text.includes('scrape_configs'));
}

const ending = {
  data: 'data: hub.db',
  schemas: 'schemas: {post: {likes: g-counter}, page: {seen: flag}, cart: {items: or-set}, product: {name: lww-register}}',
  tokens: 'tokens: {keys: [{algorithm: HS256, secret_file: /etc/syncline/secret}]}',
};

/** What a path of the pages stands for, by the end of its name. */
function makeFiles(t) {
  const { certificate, key } = makeAuthority(t).issue();
  const [rsa, ec] = ['RS256', 'ES256'].map((algorithm) => makeKeys(algorithm).publicKey);
  return {
    secret: randomBytes(32).toString('hex'),
    'orders.secret': `whsec_${randomBytes(32).toString('base64')}`,
    'fullchain.pem': readFileSync(certificate),
    'privkey.pem': readFileSync(key),
    'auth.pem': toPem(rsa),
    'mobile.pem': toPem(ec),
    'jwks.json': JSON.stringify({ keys: [{ ...ec, kid: 'one' }] }),
  };
}

test('configurations of the documentation are good', { timeout: 60000 }, async (t) => {
  process.env.SYNCLINE_SECRET = randomBytes(32).toString('hex'); // config.md takes one from the environment
  const dir = folder(t);
  for (const [name, text] of Object.entries(makeFiles(t))) writeFileSync(join(dir, name), text);
  let seen = 0;
  for (const page of pages) {
    for (const text of configurationsOf(page)) {
      const missing = Object.entries(ending).filter(([key]) => !new RegExp(`^${key}:`, 'm').test(text)).map(([, line]) => line);
      const file = join(dir, `${++seen}.yaml`);
      const whole = `${text}\n${missing.join('\n')}\n`.replaceAll(/_file: (\S*\/)?([\w.]+)/g, (_, _folder, name) => `_file: ${join(dir, name)}`);
      writeFileSync(file, whole);
      const { code, stderr } = await run('synclined', ['check', '--config', file]);
      assert.equal(code, 0, `${page}\n${whole}\n${stderr}`);
    }
  }
  assert.ok(seen >= 15, `${seen} found`);
});
