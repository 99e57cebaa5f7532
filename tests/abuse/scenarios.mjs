/**
 * What is tried, each against a hub of its own. `attack` is what the abusers say (attack.mjs), made when it is needed if it is much;
 * `connections` of it that stay open, and `buffers`, how many of the budgets of `limits.buffers` it aims at, make the bound of the hub's memory (abuse.mjs). `newcomer: false`:
 * nobody else can get in meanwhile, which is what is tried. `cut`: what the hub must have cut, as /health counts it. `memory`: the
 * limit of that name, in MiB, if documents are what is tried. `gone`: in the middle the abusers' `process` stops, or their `network` is
 * cut, and the hub must let go of them. `keys`: the hub wants tokens, and `attack` is told how to make one. `left`: what must stand in a
 * document then.
 */
import { frame, hello, ping } from '../e2e/socket.mjs';
import { flood, greeted, greetedBy, open, packets, request } from './attack.mjs';

const text = (...lines) => Buffer.from(lines.join(''));
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));
const opens = (count, prefix) => packets(times(count, (i) => open(i + 1, `post/${prefix}-${i}`)));
const page = (path, ...headers) => text(`GET ${path} HTTP/1.1\r\nHost: x\r\n`, ...headers.map((one) => `${one}\r\n`), '\r\n');
const unknownStream = { type: 'CLOSE', id: 9, code: '', text: '' };
const MIB = 1 << 20;
/** Of a network that is made for it, and taken away. */
export const ABUSERS_ADDRESS = '10.99.0.2';

const handshakes = {
  slowloris: {
    what: '5,000 handshakes, one byte a second',
    attack: { first: text('GET / HTTP/1.1\r\n'), again: text('a: b\r\n'), piece: 1, every: 1000, connections: 5000, return: true }, cut: 'handshakes_cut',
  },
  'endless-headers': {
    what: '500 connections, a header without an end',
    attack: { first: text('GET / HTTP/1.1\r\nx: '), again: Buffer.alloc(16384, 'x'), connections: 500, return: true },
  },
  silent: { what: '10,000 connections that say nothing', attack: { connections: 10000, return: true }, cut: 'handshakes_cut' },
  mute: { what: '10,000 sockets without HELLO', attack: { first: request(), connections: 10000, return: true }, connections: 10000 },
};

const gone = {
  stopped: {
    what: '3,000 clients with a document open, then their process stops', config: 'ping: 2s', seconds: 9, gone: 'process',
    attack: { ...greetedBy(times(300, (i) => opens(1, `stopped-${i}`))), connections: 3000 }, connections: 3000,
  },
  vanished: {
    what: '3,000 clients with a document open, then their network is gone', config: 'ping: 2s', seconds: 9, gone: 'network',
    attack: { ...greetedBy(times(300, (i) => opens(1, `vanished-${i}`))), connections: 3000, from: ABUSERS_ADDRESS }, connections: 3000,
  },
};

/** Of each kind, with a signature that is none. */
const forged = ({ issue }) => ({
  first: request(), connections: 200, return: true,
  then: ['HS256', 'RS256', 'ES256'].map((algorithm) => packets([{ type: 'HELLO', id: 0, version: 1,
    token: issue({ algorithm }).replace(/[^.]*$/, (signature) => 'A'.repeat(signature.length)) }])),
});

const tokens = {
  tokens: { what: 'tokens that nobody has signed, coming back', keys: true, connections: 200, attack: forged },
};

const storms = {
  storm: { what: 'connect and close, again and again', attack: { connections: 1000, leave: 'connected', return: true } },
  'storm-reset': { what: 'connect and reset', attack: { connections: 1000, leave: 'connected', reset: true, return: true } },
  'storm-upgrade': { what: 'connect, handshake, reset', attack: { first: request(), connections: 500, leave: 'answered', reset: true, return: true } },
};

const frames = {
  'byte-a-second': {
    what: '3,000 clients, a message of 1 KiB at one byte a second',
    attack: { ...greeted(), again: frame(Buffer.alloc(1000, 0xc0)), piece: 1, every: 1000, connections: 3000 }, connections: 3000,
  },
  fragments: {
    what: '50 clients, fragments of one byte without an end',
    attack: { ...greeted(frame(Buffer.alloc(1), { fin: false })), again: flood(frame(Buffer.alloc(1), { opcode: 0, fin: false })), connections: 50, return: true },
    connections: 50, buffers: 1,
  },
  'bad-frames': {
    what: 'unmasked frames, reserved bits, texts, by turns, coming back',
    attack: { first: request(), connections: 200, return: true,
      then: [frame(hello, { masked: false }), frame(hello, { reserved: 4 }), frame(hello, { opcode: 1 }), frame(hello, { opcode: 5 })] },
    connections: 200,
  },
  pings: { what: '50 clients, pings of 125 bytes without an end, nothing read', connections: 50,
    attack: { ...greeted(), again: flood(frame(Buffer.alloc(125), { opcode: 9 })), connections: 50, deaf: true } },
  pongs: { what: '50 clients, pongs without an end', connections: 50, attack: { ...greeted(), again: flood(frame(Buffer.alloc(0), { opcode: 10 })), connections: 50 } },
  closes: { what: 'close frames, many at once, coming back', connections: 200,
    attack: { ...greeted(flood(frame(Buffer.from([3, 232]), { opcode: 8 }), 4096)), connections: 200, return: true } },
};

const documents = {
  'subscribe-one': { what: 'one client, 100,000 documents that do not exist', connections: 1, streams: 4096,
    attack: () => ({ ...greeted(...times(100, (k) => packets(times(1000, (i) => open(k * 1000 + i + 1, `post/${k}-${i}`))))), connections: 1 }) },
  'subscribe-many': { what: '25 clients, 4,000 documents each', seconds: 12, connections: 25, streams: 100000,
    attack: () => ({ ...greetedBy(times(25, (i) => opens(4000, i))), connections: 25 }) },
  churn: { what: '20 clients, open and close 5,000 documents each', connections: 20, memory: 16,
    attack: () => ({ ...greetedBy(times(20, (k) => packets(times(5000, (i) => [open(i + 1, `post/${k}-${i}`), { type: 'CLOSE', id: i + 1, code: '', text: '' }]).flat()))), connections: 20 }) },
};

const messages = {
  'half-messages': { what: '1,000 clients, all of a message of 1 MiB but its end', connections: 1000, buffers: 1, seconds: 10, cut: 'overfull',
    attack: () => ({ ...greeted(frame(Buffer.alloc(MIB - 100, 0xc0), { length: MIB })), connections: 1000, deaf: true }) },
  'largest-messages': { what: '300 clients, messages of 1 MiB of PINGs, nothing read', connections: 300, buffers: 3, seconds: 10,
    attack: () => ({ ...greeted(), again: frame(Buffer.concat(times(MIB / 4, () => ping))), connections: 300, deaf: true }) },
  'too-large': { what: '100 clients, one byte more than the limit, coming back', connections: 100, buffers: 1,
    attack: () => ({ ...greeted(frame(Buffer.alloc(MIB + 1, 0xc0))), connections: 100, return: true }) },
  errors: { what: '300 clients, 20,000 packets to streams that are not, in a message; nothing read', connections: 300, buffers: 3, seconds: 10,
    attack: () => ({ ...greeted(), again: packets(times(20000, () => unknownStream)), connections: 300, deaf: true }) },
  'small-messages': { what: '50 clients, messages of one PING without an end, nothing read', connections: 50, buffers: 2,
    attack: { ...greeted(), again: flood(frame(ping)), connections: 50, deaf: true } },
  hellos: { what: 'HELLO twice, coming back', connections: 200, attack: { ...greeted(frame(hello)), connections: 200, return: true } },
  garbage: { what: 'bytes that are no packets, coming back', connections: 200, attack: { ...greeted(frame(Buffer.alloc(2000, 0xc1))), connections: 200, return: true } },
};

const http = {
  'http-pipeline': { what: '200 connections, requests for /health without an end', attack: { again: flood(page('/health')), connections: 200 } },
  'http-deaf': { what: '2,000 connections, 500 requests for a page in one piece, nothing read', cut: 'handshakes_cut', kib: 32,
    attack: { first: Buffer.concat(times(500, () => page('/demo.js'))), connections: 2000, deaf: true, return: true } },
  'http-bodies': { what: '500 connections, a body at one byte a second', attack: { first: text('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n'),
    again: text('x'), every: 1000, connections: 500, return: true } },
};

const increment = Buffer.from('POST /api/documents/post/abused/likes/increment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  + 'Idempotency-Key: the-same\r\nContent-Length: 8\r\n\r\n{"by":1}');

const api = {
  'api-edits': { what: '200 connections, an edit with the same key without an end', connections: 200,
    attack: { again: flood(increment), connections: 200 }, left: { document: 'post/abused', values: { likes: 1, tags: [] } } },
  'api-watches': { what: '1,000 watches of what the pair edits, nothing read', connections: 1000, streams: 1000,
    attack: { first: page('/api/documents/post/pair/watch'), connections: 1000, deaf: true } },
};

const limits = {
  'too-many': { what: '3,000 clients at a hub that takes 1,000', limits: ', connections: 1000', connections: 3000, newcomer: false,
    attack: { ...greeted(), connections: 3000, return: true } },
  'no-files': { what: '1,000 connections that say nothing, at a hub with 200 files', wrap: ['prlimit', '--nofile=200'], newcomer: false, attack: { connections: 1000, return: true } },
};

export const scenarios = { ...handshakes, ...gone, ...storms, ...frames, ...documents, ...messages, ...tokens, ...http, ...api, ...limits };
