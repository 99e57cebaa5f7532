/** Certificates for a day, made by OpenSSL: an authority of the test's own, and what it signs. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder } from './support.mjs';

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
const newKey = { ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['-newkey', 'rsa:2048'] };

/** `trust` is what a client of Node needs to believe it, `file` the same for others. */
export function makeAuthority(t) {
  const dir = folder(t);
  const at = (name) => join(dir, name);
  openssl('req', '-x509', ...newKey.ec, '-nodes', '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '1', '-subj', '/CN=a test');
  let issued = 0;
  /** The paths of a certificate for this machine and of its key. */
  function issue({ kind = 'ec', names = 'DNS:localhost,IP:127.0.0.1', days = 1, common = 'localhost' } = {}) {
    const name = `hub-${++issued}`;
    const files = { certificate: at(`${name}.pem`), key: at(`${name}.key`) };
    openssl('req', ...newKey[kind], '-nodes', '-keyout', files.key, '-out', at(`${name}.req`), '-subj', `/CN=${common}`);
    writeFileSync(at('names'), `subjectAltName=${names}\n`);
    openssl('x509', '-req', '-in', at(`${name}.req`), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial',
      '-days', String(days), '-extfile', at('names'), '-out', files.certificate);
    return files;
  }
  return { dir, issue, file: at('ca.pem'), trust: { ca: readFileSync(at('ca.pem')), servername: 'localhost' } };
}
