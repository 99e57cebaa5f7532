/** The app's server of the tests: keys, and the tokens that it signs with them, by nothing but Node's own cryptography. */
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, startHub } from './support.mjs';

/** What the hub adds to each token's life, for clocks that differ. */
export const LEEWAY_S = 5;

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signature(algorithm, key, text) {
  switch (algorithm) {
    case 'HS256': return createHmac('sha256', key).update(text).digest();
    case 'RS256':
    case 'ES256': return sign('sha256', Buffer.from(text), { key, format: 'jwk', dsaEncoding: 'ieee-p1363' });
    default: return Buffer.alloc(0);
  }
}

export function makeToken(algorithm, key, claims, header = {}) {
  const text = `${part({ alg: algorithm, typ: 'JWT', ...header })}.${part(claims)}`;
  return `${text}.${signature(algorithm, key, text).toString('base64url')}`;
}

const kinds = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519', {}] };

/**
 * A pair of keys as JSON Web Keys, `publicKey` and `privateKey`. Generating encodes them: `export` of a key that was generated holds a lock
 * of it, and Node waits for that lock for ever if it collects garbage just then and finds there what had generated the key.
 */
export function makeKeys(algorithm) {
  const [kind, options] = kinds[algorithm];
  return generateKeyPairSync(kind, { ...options, publicKeyEncoding: { format: 'jwk' }, privateKeyEncoding: { format: 'jwk' } });
}

export const toPem = (key) => createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });

/** A hub with a key of each algorithm, and who signs tokens for it: `life` counts until the hub refuses them; `tokens` stands beside the keys. */
export async function startHubWithKeys(t, { tokens = '', ...options } = {}) {
  const dir = folder(t);
  const rsa = makeKeys('RS256');
  const ec = makeKeys('ES256');
  const keys = { HS256: randomBytes(32).toString('hex'), RS256: rsa.privateKey, ES256: ec.privateKey };
  const publicKeys = { RS256: toPem(rsa.publicKey), ES256: toPem(ec.publicKey) };
  writeFileSync(join(dir, 'secret'), `${keys.HS256}\n`);
  const lines = [`{algorithm: HS256, secret_file: "${dir}/secret"}`];
  for (const [algorithm, pem] of Object.entries(publicKeys)) {
    writeFileSync(join(dir, algorithm), pem);
    lines.push(`{algorithm: ${algorithm}, public_key_file: "${dir}/${algorithm}"}`);
  }
  const hub = await startHub(t, { ...options, config: `tokens: {keys: [${lines.join(', ')}]${tokens && `, ${tokens}`}}\n${options.config ?? ''}` });
  const issue = ({ life = 3600, algorithm = 'HS256', key = keys[algorithm], sub = 'ann', ...claims } = {}) =>
    makeToken(algorithm, key, { sub, exp: Date.now() / 1000 + life - LEEWAY_S, ...claims });
  return { hub, issue, keys, publicKeys, secretFile: join(dir, 'secret') };
}
