/**
 * Goal:   keys from a JSON Web Key Set let in whom they sign for, are changed without a restart, and a set that is none changes nothing.
 * Method: a real hub, sets that Node's own cryptography makes, tokens over real sockets; the file is replaced as a deployment does it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { folder, postSchema, run, startHub, until } from './support.mjs';
import { makeKeys, makeToken } from './tokens.mjs';

const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };

function signer(algorithm, kid) {
  const { publicKey, privateKey } = makeKeys(algorithm);
  const claims = () => ({ sub: 'ann', exp: Date.now() / 1000 + 3600 });
  return {
    jwk: { ...publicKey, kid, use: 'sig', alg: algorithm },
    secret: privateKey,
    token: (header = { kid }) => makeToken(algorithm, privateKey, claims(), header),
  };
}

/** In place of the old one at once: nobody reads half of it. */
function publish(file, set) {
  writeFileSync(`${file}.new`, typeof set === 'string' ? set : JSON.stringify(set));
  renameSync(`${file}.new`, file);
}

async function isLetIn(t, hub, token) {
  const client = connect(hub.url, { schema, token });
  try {
    return await Promise.race([
      client.open('post/1').synced.then(() => true),
      new Promise((resolve) => { client.on('error', ({ code }) => resolve(code === 'TOKEN_INVALID' ? false : code)); }),
    ]);
  } finally {
    client.close();
  }
}

test('keys of a set are taken, changed without a restart, and stay when the new set is none', { timeout: 90000 }, async (t) => {
  const file = join(folder(t), 'jwks.json');
  const old = signer('RS256', 'old');
  const young = signer('ES256', 'young');
  const secret = randomBytes(32);
  const other = makeKeys('EdDSA').publicKey;
  publish(file, { keys: [old.jwk, { ...other, kid: 'odd' }, { kty: 'oct', k: secret.toString('base64url'), kid: 'shared' }] });
  const hub = await startHub(t, { config: `tokens: {jwks_file: "${file}"}` });
  await hub.logs(/key 2 of kid odd is passed over: it is of another kind than RSA, EC and oct/);
  assert.equal(await isLetIn(t, hub, old.token()), true);
  assert.equal(await isLetIn(t, hub, old.token({})), true, 'without a kid');
  assert.equal(await isLetIn(t, hub, old.token({ kid: 'shared' })), false, 'another key\'s kid');
  assert.equal(await isLetIn(t, hub, makeToken('HS256', secret, { sub: 'ann' }, { kid: 'shared' })), true);
  assert.equal(await isLetIn(t, hub, young.token()), false);

  const live = connect(hub.url, { schema, token: old.token() });
  t.after(() => live.close());
  const doc = live.open('post/1');
  await doc.synced;
  publish(file, { keys: [young.jwk] });
  await until(() => isLetIn(t, hub, young.token()), 'the new key is known');
  assert.equal(await isLetIn(t, hub, old.token()), false);
  doc.likes.increment(); // its token is good until it ends
  await doc.saved;

  publish(file, '{"keys": [');
  await until(() => /jwks-failed .*it is no JSON/.test(hub.log), 'the broken set is told');
  assert.equal(await isLetIn(t, hub, young.token()), true);
  publish(file, { keys: [{ ...old.jwk, ...old.secret }] });
  await until(() => /jwks-failed .*key 1: it has private members/.test(hub.log), 'so is a private key');
  assert.equal(await isLetIn(t, hub, young.token()), true);
  publish(file, { keys: [old.jwk, young.jwk] });
  await until(() => isLetIn(t, hub, old.token()), 'the next good one is taken');
  assert.equal(await hub.stop(), 0);
});

test('a set of which no key can be used is a mistake in the configuration', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const jwks = join(dir, 'jwks.json');
  const config = join(dir, 'hub.yaml');
  const { jwk, secret } = signer('ES256', 'a');
  writeFileSync(config, `data: ${join(dir, 'hub.db')}\ntokens:\n  jwks_file: ${jwks}\nschemas:\n  ${postSchema}\n`);
  const check = () => run('synclined', ['check', '--config', config]);
  assert.match((await check()).stderr, /hub\.yaml:3:14: a file ".*jwks\.json" \(No such file or directory\); expected a JSON Web Key Set/);
  for (const [set, reason] of [
    ['', 'it is no JSON'],
    [{}, 'it has no list of keys'],
    [{ keys: [] }, 'it has no key that can be used'],
    [{ keys: [{ ...jwk, use: 'enc' }] }, 'it has no key that can be used'],
    [{ keys: [{ ...jwk, ...secret }] }, 'key 1: it has private members'],
    [{ keys: [{ ...jwk, y: jwk.x }] }, 'key 1: crv, x and y are no public key on P-256'],
  ]) {
    publish(jwks, set);
    const { code, stderr } = await check();
    assert.equal(code, 2, reason);
    assert.ok(stderr.includes(`(${reason}`), `${reason}: ${stderr}`);
  }
  publish(jwks, { keys: [jwk, { kty: 'RSA', alg: 'RS256', n: 'AQAB', e: 'AQAB', kid: 'weak' }] });
  const good = await check();
  assert.deepEqual([good.code, good.stderr], [0, 'key 2 of kid weak is passed over: it is an RSA key of less than 2048 bits\n']);
});
