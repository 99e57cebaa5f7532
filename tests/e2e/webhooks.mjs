/** Receivers of webhooks: HTTP servers that keep what they are sent, and answer as they are told. */
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { folder, run, startHub } from './support.mjs';

export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** What a Standard Webhooks library would say, by nothing but Node's own cryptography. */
export function isSigned(secret, { headers, body }) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
  return headers['webhook-signature'].split(' ').includes(`v1,${expected}`);
}

/** `answer(request, response, message)` may keep it waiting; without one it is taken. `got` are parsed bodies, in order. */
export async function receiver(t, { answer = (request, response) => response.end(), port = 0, server: chosen } = {}) {
  const self = { got: [], requests: [], answer, now: 0, most: 0 };
  const serve = (request, response) => {
    const parts = [];
    self.now++;
    self.most = Math.max(self.most, self.now);
    response.on('close', () => { self.now--; });
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      const message = JSON.parse(body);
      self.requests.push({ url: request.url, method: request.method, headers: request.headers, body });
      self.got.push(message);
      self.answer(request, response, message);
    });
  };
  const server = chosen ?? createServer();
  server.on('request', serve);
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  self.port = server.address().port;
  self.url = `http://127.0.0.1:${self.port}/hook`;
  self.close = () => new Promise((resolve) => { server.closeAllConnections?.(); server.close(resolve); });
  t.after(() => self.close());
  return self;
}

/** The configuration of webhooks; secrets go into files of their own. */
export function webhooks(t, targets) {
  const dir = folder(t);
  const lines = targets.map(({ name = 'orders', secret = newSecret(), ...rest }, index) => {
    const file = join(dir, `secret-${index}`);
    writeFileSync(file, `${secret}\n`);
    const keys = { name, documents: ['post/*'], secret_file: file, ...rest };
    return `  - ${JSON.stringify(keys)}`;
  });
  return `webhooks:\n${lines.join('\n')}`;
}

export async function startHubWithWebhooks(t, targets, options = {}) {
  return startHub(t, { ...options, config: `${options.config ?? ''}\n${webhooks(t, targets)}` });
}

export async function syncline(hub, ...words) {
  const { code, stdout, stderr } = await run('syncline', ['--hub', hub.url, ...words]);
  if (code !== 0) throw new Error(`syncline ${words.join(' ')}: ${stderr}`);
  return stdout.trim() === '' ? [] : stdout.trim().split('\n').map((line) => JSON.parse(line));
}

/** What the hub says of its first target, or of that one. */
export async function target(hub, name) {
  const targets = await syncline(hub, 'webhooks');
  return name === undefined ? targets[0] : targets.find((one) => one.name === name);
}

/** The newest value of each field of each document, as a receiver stores them. */
export function stored(got) {
  const documents = {};
  for (const { document, changes } of got) documents[document] = { ...documents[document], ...changes };
  return documents;
}
