/** What abusers say, byte by byte, and the program that says it for thousands of them. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica, webRandom } from 'syncline/internal/uuid';
import { frame, hello } from '../e2e/socket.mjs';
import { bin, folder } from '../e2e/support.mjs';

const headers = ['Host: 127.0.0.1', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: syncline.v1'];

export const request = (...more) => Buffer.from(`GET / HTTP/1.1\r\n${[...headers, ...more].join('\r\n')}\r\n\r\n`);

/** A connection that has opened its socket, said HELLO, and then this. */
export const greeted = (...frames) => ({ first: request(), then: Buffer.concat([frame(hello), ...frames]) });
/** The same, of each what it says. */
export const greetedBy = (lists) => ({ first: request(), then: lists.map((frames) => Buffer.concat([frame(hello), frames])) });

/** One frame for all of them. */
export const packets = (list) => frame(Buffer.concat(list.map((one) => Buffer.from(encodePacket(one)))));

export const open = (id, name) => ({ type: 'OPEN', id, name, replicas: [mintReplica(Date.now(), webRandom())] });

const repeated = (bytes, least) => Buffer.concat(Array.from({ length: Math.ceil(least / bytes.length) }, () => bytes));
/** A flood is said in pieces of about this length. */
export const flood = (bytes, length = 16384) => repeated(bytes, length);

function writeLines(file, lines) {
  writeFileSync(file, Buffer.concat(lines.flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, Buffer.from(bytes)];
  })));
}

/**
 * Starts the abuser (abuser.c); `first` is what a connection says at once, and `then` what it says once it is answered, or lists, from which
 * the n-th takes the n-th. Answers the process and, as a promise, its figures.
 */
export function attack(scope, hub, { first, then, again, ...options }, { wrap = [] } = {}) {
  const dir = folder(scope);
  const words = { port: hub.port, ...options };
  for (const [name, lines] of Object.entries({ first, then })) {
    if (lines === undefined) continue;
    words[name] = join(dir, name);
    writeLines(words[name], Array.isArray(lines) ? lines : [lines]);
  }
  if (again !== undefined) {
    words.again = join(dir, 'again');
    writeFileSync(words.again, again);
  }
  const args = Object.entries(words).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
  const [command, ...rest] = [...wrap, join(bin, 'abuser'), ...args];
  let child;
  const figures = new Promise((resolve, reject) => {
    child = execFile(command, rest, { maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(`${args.join(' ')}: ${stderr}${error.message}`));
    });
  });
  scope.after(() => child.kill('SIGKILL'));
  return { process: child, figures };
}
