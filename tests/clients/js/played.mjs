/** A hub and a time that the test plays: sockets that it answers itself, and timers that it turns. */
import { webcrypto } from 'node:crypto';
import { connect } from '../../../clients/js/dist/index.js';
import { decodeMessage, encodePacket } from '../../../clients/js/dist/protocol/every.js';

globalThis.crypto ??= webcrypto; // Debian 12's Node.js 18 has it, but not there

const FIELDS = [{ number: 0, name: 'likes', type: 'g-counter' }];
const WELCOME = {
  type: 'WELCOME', id: 0, hub: 'test', journal: new Uint8Array(16), schema: new Uint8Array(8),
  limits: { message_bytes: 65536, streams: 100, replicas: 100 }, ping_ms: 30000, resume_ms: 1, durability: 'full',
};

/** Timers and a clock that the test turns; those of `node:test` have no Date in Debian 12's Node.js 18. */
function takeTime() {
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const timers = new Map();
  const clock = {
    now: 0,
    tick(ms) {
      const end = clock.now + ms;
      for (;;) {
        const [id, next] = [...timers].reduce((a, b) => (b[1].at < a[1].at ? b : a), [0, { at: Infinity }]);
        if (next.at > end) break;
        clock.now = next.at;
        if (next.every === undefined) timers.delete(id);
        else next.at += next.every;
        next.act();
      }
      clock.now = end;
    },
    /** The machine slept: no timer ran, and none has run out. */
    sleep(ms) {
      clock.now += ms;
      for (const timer of timers.values()) timer.at += ms;
    },
    giveBack() { Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval }); },
  };
  let last = 0;
  const add = (act, ms, every) => {
    timers.set(++last, { act, at: clock.now + ms, every });
    return last;
  };
  globalThis.setTimeout = (act, ms) => add(act, ms);
  globalThis.setInterval = (act, ms) => add(act, ms, ms);
  globalThis.clearTimeout = globalThis.clearInterval = (id) => timers.delete(id);
  return clock;
}

/** Lets what waits for promises run. */
export const turn = async () => { for (let i = 0; i < 20; i++) await Promise.resolve(); };

export function start(t, options = {}) {
  const clock = takeTime();
  const sockets = [];
  class Socket {
    readyState = 1;
    sent = [];
    constructor() { sockets.push(this); }
    send(bytes) { this.sent.push(...decodeMessage(bytes)); }
    close() { this.readyState = 3; }
    hub(packet) { this.onmessage({ data: encodePacket(packet).slice().buffer }); }
    take(type) {
      const taken = this.sent.filter((packet) => packet.type === type);
      this.sent = this.sent.filter((packet) => packet.type !== type);
      return taken;
    }
    async welcome() {
      this.onopen();
      this.hub(WELCOME);
      await turn();
    }
    /** Answers OPEN with an empty document. */
    async answerOpen(position = 0) {
      const [{ id }] = this.take('OPEN');
      this.hub({ type: 'OPENED', id, fields: FIELDS, rights: 3, position, ledger: [{ index: null, seq: 0 }] });
      this.hub({ type: 'SNAPSHOT', id, position, fields: { 0: 0 } });
      await turn();
      return id;
    }
  }
  const client = connect('ws://hub.test/', { WebSocket: Socket, random: () => 0.999999, now: () => clock.now, ...options });
  t.after(() => {
    client.close();
    clock.giveBack();
  });
  const wait = async (ms) => {
    clock.tick(ms);
    await turn();
  };
  return { client, clock, sockets, wait, last: () => sockets.at(-1), giveBack: clock.giveBack };
}
