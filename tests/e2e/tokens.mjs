/** The app's server of the tests: keys, and the tokens that it signs with them, by nothing but Node's own cryptography. */
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, startHub } from './support.mjs';

/** What the hub adds to each token's life, for clocks that differ. */
export const LEEWAY_S = 5;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signature(algorithm, key, text) {
  switch (algorithm) {
    case 'HS256': return createHmac('sha256', key).update(text).digest();
    case 'RS256': return sign('sha256', Buffer.from(text), key);
    case 'ES256': return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    default: return Buffer.alloc(0);
  }
}

export function makeToken(algorithm, key, claims, header = {}) {
  const text = `${part({ alg: algorithm, typ: 'JWT', ...header })}.${part(claims)}`;
  return `${text}.${signature(algorithm, key, text).toString('base64url')}`;
}

/** A hub with a key of each algorithm, and who signs tokens for it: `life` counts until the hub refuses them; `tokens` stands beside the keys. */
export async function startHubWithKeys(t, { tokens = '', ...options } = {}) {
  const dir = folder(t);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = { HS256: randomBytes(32).toString('hex'), RS256: rsa.privateKey, ES256: ec.privateKey };
  const publicKeys = { RS256: rsa.publicKey, ES256: ec.publicKey };
  writeFileSync(join(dir, 'secret'), `${keys.HS256}\n`);
  const lines = [`{algorithm: HS256, secret_file: "${dir}/secret"}`];
  for (const [algorithm, key] of Object.entries(publicKeys)) {
    publicKeys[algorithm] = key.export({ type: 'spki', format: 'pem' });
    writeFileSync(join(dir, algorithm), publicKeys[algorithm]);
    lines.push(`{algorithm: ${algorithm}, public_key_file: "${dir}/${algorithm}"}`);
  }
  const hub = await startHub(t, { ...options, config: `tokens: {keys: [${lines.join(', ')}]${tokens && `, ${tokens}`}}\n${options.config ?? ''}` });
  const issue = ({ life = 3600, algorithm = 'HS256', key = keys[algorithm], sub = 'ann', ...claims } = {}) =>
    makeToken(algorithm, key, { sub, exp: Date.now() / 1000 + life - LEEWAY_S, ...claims });
  return { hub, issue, keys, publicKeys, secretFile: join(dir, 'secret') };
}
