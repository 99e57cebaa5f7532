/** Raw sockets, hand-made frames, and a hub that must end well: nothing but what Node brings along. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { startHub, until } from './support.mjs';

export const hello = Buffer.from([0x94, 1, 0, 1, 0x80]); // [HELLO, 0, 1, {}]
export const ping = Buffer.from([0x93, 22, 0, 7]); // [PING, 0, 7]

/** A frame as a client sends it; `masked: false` is against RFC 6455. */
export function frame(payload, { opcode = 2, fin = true, length = payload.length, masked = true, mask = randomBytes(4), reserved = 0 } = {}) {
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!masked) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4])]);
}

/** The frames in `bytes`, which a server sends unmasked; what is not whole yet is left out. */
function frames(bytes) {
  const found = [];
  for (let rest = bytes; rest.length >= 2;) {
    const short = rest[1] & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (rest.length < start) break;
    const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
    if (rest.length < start + length) break;
    assert.equal(rest[1] & 0x80, 0, 'a server does not mask');
    found.push({ opcode: rest[0] & 15, payload: rest.subarray(start, start + length) });
    rest = rest.subarray(start + length);
  }
  return found;
}

/** A socket that keeps all it was sent; over TLS if the hub has `tls`, the options to trust it. */
export class Peer {
  constructor(hub, host = '127.0.0.1') {
    this.hub = hub;
    this.pieces = [];
    this.ended = false;
    this.socket = hub.tls === undefined ? connect({ port: hub.port, host }) : connectTls({ port: hub.port, host, ...hub.tls });
    this.socket.on('data', (data) => { this.pieces.push(data); });
    this.socket.on('error', () => {});
    this.socket.on('close', () => { this.ended = true; });
  }

  /** All that came; kept in pieces until it is asked for, since there may be very many. */
  get received() {
    if (this.pieces.length !== 1) this.pieces = [Buffer.concat(this.pieces)];
    return this.pieces[0];
  }

  /** Forgets what came. */
  forget() { this.pieces = []; }

  write(...parts) {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** The bytes of a request to upgrade; a header of `undefined` is left out. */
  request(headers = {}, line = 'GET / HTTP/1.1') {
    const all = { Host: `127.0.0.1:${this.hub.port}`, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': 'syncline.v1', ...headers };
    const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`${line}\r\n${lines.join('')}\r\n`);
  }

  get status() { return Number(/^HTTP\/1\.[01] (\d+)/.exec(this.received.toString('latin1'))?.[1] ?? 0); }

  /** What follows the upgrade's answer, or the first answer if there was none. */
  get body() {
    const end = this.received.indexOf('\r\n\r\n', Math.max(0, this.received.indexOf('HTTP/1.1 101')));
    return end < 0 ? Buffer.alloc(0) : this.received.subarray(end + 4);
  }

  get frames() { return frames(this.body); }

  /** The close frame's code; 0: none has come. */
  get code() {
    const close = this.frames.find(({ opcode }) => opcode === 8);
    return close === undefined ? 0 : close.payload.readUInt16BE(0);
  }

  async answered() {
    await until(() => this.received.includes('\r\n\r\n') || this.ended, 'an answer');
    return this.status;
  }

  async upgraded(headers) {
    this.write(this.request(headers));
    assert.equal(await this.answered(), 101);
    return this;
  }

  async messages(count) {
    const messages = () => this.frames.filter(({ opcode }) => opcode === 2).map(({ payload }) => payload);
    await until(() => messages().length >= count || this.ended, `${count} messages`);
    return messages();
  }

  /** Waits for the end; answers the close frame's code, 0 if there was none. */
  async end(ms = 8000) {
    await until(() => this.code !== 0 || this.ended, 'the end of the connection', ms);
    this.socket.destroy();
    return this.code;
  }
}

/** A hub that must stop well, without a sanitizer's word and with every handle closed. */
export async function hubFor(t, options) {
  const cleaning = [];
  t.after(async () => { for (const hook of cleaning) await hook(); });
  const hub = await startHub({ after: (hook) => cleaning.unshift(hook) }, options);
  hub.endsWell = async () => {
    const code = await hub.stop();
    assert.doesNotMatch(hub.log, /Sanitizer|runtime error|left-open/);
    assert.equal(code, 0, hub.log);
  };
  return hub;
}

/** Milliseconds of processor time the hub has taken. */
export function processor(hub) {
  const fields = readFileSync(`/proc/${hub.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How many files the hub has open, but for those its starter left to it. */
export function descriptors(hub, files = 200) {
  return readdirSync(`/proc/${hub.process.pid}/fd`).filter((number) => Number(number) < files).length;
}
