/** The HTTP API as a backend uses it: `fetch`, and a socket for what `fetch` does not send. */
import { once } from 'node:events';
import { connect } from 'node:net';
import assert from 'node:assert/strict';

/** Sends JSON, or what `body` says, and answers status, headers and the JSON that came back. */
export async function ask(hub, method, path, { json, body = json === undefined ? undefined : JSON.stringify(json), headers = {}, token } = {}) {
  const response = await fetch(`${hub.http}${path}`, {
    method,
    body,
    headers: {
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  const text = await response.text();
  const type = response.headers.get('content-type');
  return { status: response.status, headers: response.headers, type, text, json: text === '' ? undefined : JSON.parse(text) };
}

/** A problem document (RFC 9457) with that status and code. */
export function assertProblem(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.type, 'application/problem+json');
  assert.equal(answer.json.status, status);
  assert.equal(answer.json.code, code, answer.text);
  assert.equal(answer.json.type, `urn:syncline:problem:${code}`);
  assert.ok(answer.json.title.length > 0);
  assert.equal(answer.json.request_id, answer.headers.get('x-request-id'));
}

/** Sends bytes as they are and answers all that comes back until the hub closes. */
export async function sendRaw(hub, text) {
  const socket = connect(hub.port, '127.0.0.1');
  let got = '';
  socket.setEncoding('utf8');
  socket.on('data', (data) => { got += data; });
  socket.on('error', () => {}); // a reset is an answer, too
  socket.write(text);
  await once(socket, 'close');
  return got;
}
