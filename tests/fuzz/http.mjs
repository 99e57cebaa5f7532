/**
 * Requests to a real hub's port, changed at random: `node tests/fuzz/http.mjs [seconds] [seed]`, as `./dev fuzz http` runs it with
 * sanitizers. libwebsockets parses; what we make of its headers, paths and upgrades is behind a socket, where libFuzzer does not reach.
 */
import { connect } from 'node:net';
import { encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { frame } from '../e2e/socket.mjs';
import { health, startHub } from '../e2e/support.mjs';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
const upgrade = (path, ...headers) =>
  [`GET ${path} HTTP/1.1`, 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade', KEY, ...headers, '', ''].join('\r\n');
/** HELLO and OPEN in masked frames; the mask and the replica are the same each time, so that a seed sends the same bytes. */
const REPLICA = mintReplica(1, () => {});
const FRAMES = Buffer.concat([{ type: 'HELLO', id: 0, version: 1 }, { type: 'OPEN', id: 1, name: 'post/1', replicas: [REPLICA] }]
  .map((packet) => frame(Buffer.from(encodePacket(packet)), { mask: Buffer.alloc(4) })));
/** An upgrade after which a document is opened: unchanged, a hub answers it with OPENED. */
export const opening = Buffer.from(`${upgrade('/', 'Sec-WebSocket-Protocol: syncline.v1')}${FRAMES.toString('latin1')}`, 'latin1');
const templates = [
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  'GET /ready?x=1&y=%00#z HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nCookie: a=b\r\n\r\n',
  'GET /demo.js HTTP/1.0\r\n\r\n',
  'POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde',
  'GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n',
  'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /console HTTP/1.1\r\nHost: x\r\n\r\n',
  'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
  upgrade('/', 'Sec-WebSocket-Protocol: syncline.v1'),
  upgrade('/', 'Sec-WebSocket-Protocol: syncline.v1, other', 'Origin: http://x'),
  upgrade('/', 'Sec-WebSocket-Extensions: permessage-deflate'),
  opening.toString('latin1'),
  `${upgrade('/', 'Sec-WebSocket-Protocol: http')}${FRAMES.toString('latin1')}`,
].map((text) => Buffer.from(text, 'latin1'));
const pieces = ['\r\n', '\r\n\r\n', '\n', '\0', '%', '%00', '/../', '?', '#', ':', ' ', '\t', 'HTTP/1.1', 'GET ', 'Host: ', 'Content-Length: 99999999999999999999',
  'Upgrade: h2c', 'Connection: keep-alive, Upgrade', 'Transfer-Encoding: chunked', 'x'.repeat(300), 'a: b\r\n'.repeat(90), '\xff', '\x82\xff', '\x88\x02'];

/** xorshift32: the same seed sends the same bytes. */
function randomOf(seed) {
  let state = seed >>> 0 || 1;
  return (bound) => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % bound;
  };
}

function mutate(below) {
  let bytes = templates[below(templates.length)];
  for (let changes = below(6); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (below(6)) {
      case 0: bytes = Buffer.concat([before, Buffer.from(pieces[below(pieces.length)], 'latin1'), after]); break;
      case 1: bytes = Buffer.concat([before, after.subarray(below(after.length + 1))]); break;
      case 2: bytes = Buffer.concat([before, Buffer.of(below(256)), after.subarray(1)]); break;
      case 3: bytes = Buffer.concat([bytes, templates[below(templates.length)]]); break;
      case 4: bytes = Buffer.concat([before, before.subarray(below(before.length + 1)), after]); break;
      default: bytes = before;
    }
  }
  return bytes;
}

/** Writes in up to three pieces, reads what comes, and ends in one of the ways that sockets do. */
async function request({ port }, below) {
  const socket = connect(port, '127.0.0.1');
  let received = 0;
  socket.on('data', (data) => { received += data.length; });
  socket.on('error', () => {}); // a reset is an answer
  const closed = new Promise((resolve) => { socket.once('close', resolve); });
  const bytes = mutate(below);
  const cut = below(bytes.length + 1);
  socket.write(bytes.subarray(0, cut));
  if (below(4) === 0) await new Promise((resolve) => { setTimeout(resolve, 1); });
  socket.write(bytes.subarray(cut));
  if (below(8) === 0) socket.destroy();
  else if (below(2) === 0) socket.end();
  const timer = setTimeout(() => socket.destroy(), 50 + below(50));
  await closed;
  clearTimeout(timer);
  return received;
}

/** Until `isDone`, eight at a time; between them the hub answers others, and at the end it has let go of all. Answers how many were sent. */
export async function attack(hub, { seed, isDone }) {
  const below = randomOf(seed);
  let sent = 0;
  let answered = 0;
  const work = async () => {
    while (!isDone(sent)) {
      sent += 1;
      if (await request(hub, below) > 0) answered += 1;
      if (sent % 100 === 0 && (await health(hub)).status !== 'ok') throw new Error('the hub is not well');
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  for (let tries = 0; (await health(hub)).connections !== 0; tries++) {
    if (tries > 200) throw new Error('the hub keeps connections that are gone');
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  return { sent, answered };
}

async function main([seconds = '60', seed = String(Date.now() % 0xffffffff)]) {
  const cleanups = [];
  const hub = await startHub({ after: (cleanup) => cleanups.push(cleanup) }, { config: 'console: on' });
  try {
    console.log(`seed ${seed}`);
    const end = Date.now() + Number(seconds) * 1000;
    const { sent, answered } = await attack(hub, { seed: Number(seed), isDone: () => Date.now() > end });
    const code = await hub.stop();
    if (code !== 0 || /Sanitizer|runtime error/.test(hub.log)) throw new Error(`the hub ended with ${code}: ${hub.log}`);
    console.log(`Done ${sent} runs in ${seconds} second(s), ${answered} of them answered`);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main(process.argv.slice(2));
