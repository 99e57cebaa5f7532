/**
 * The relay: one connection to the hub for all tabs of a browser. To a tab it is the hub; to the hub it is one client, with one
 * stream for each document however many tabs have it open (groups.ts). It edits nothing and stores nothing: each tab has its
 * sessions, its outboxes and its store, so nothing is lost with a relay, and the next one begins from what the tabs say.
 */
import { createBackoff } from '../backoff.js';
import { createLiveness, type Liveness } from '../liveness.js';
import { decodeMessage, encodePacket } from '../protocol/every.js';
import { RELAYED_BYTES, split } from '../protocol/messages.js';
import type { Packet } from '../protocol/packets.js';
import { concatenate, ProtocolError } from '../protocol/values.js';
import { discard, type SocketLike } from '../transport/websocket.js';
import { createGroups } from './groups.js';

/** Towards a tab. */
export type Tab = {
  send(message: Uint8Array): void;
  closed(code?: number, reason?: string): void;
};
/** From a tab. */
export type Attached = {
  receive(message: Uint8Array): void;
  gone(): void;
};
/** A tab as the relay sees it; `answer` adds to what is sent to it at the end of the turn. */
export type Client = { answer(packet: Packet): void; answerBytes(bytes: Uint8Array): void };

export type Relay = {
  attach(tab: Tab): Attached;
  /** There may be a network again: it does not wait to connect. */
  hurry(): void;
  close(): void;
};

type Hello = Packet & { type: 'HELLO' };
type State = Client & { tab: Tab; out: Uint8Array[]; welcomed: boolean; hello: Hello | null };

const CONNECT_TIMEOUT_MS = 10000;
/** A tab waits no longer than that for what waits for the hub. */
const WAIT_MS = 8000;
/** A connection that was up for so long shows that the hub is well. */
const STEADY_MS = 10000;
/** The connection outlives its last tab a little: a page that is loaded again finds it. */
const LINGER_MS = 2000;
/** A tab that is asked for a fresh token has so long until another is asked. */
const TOKEN_MS = 5000;

export function createRelay(
  { dial, now, random = Math.random, here }: {
    dial: () => Promise<SocketLike>;
    now: () => number;
    random?: () => number;
    /** The hub has welcomed: tabs that wait need not wait longer. */
    here: () => void;
  },
): Relay {
  const tabs = new Set<State>();
  /** Of CALL and AUTH: who asked, and under which id. */
  const calls = new Map<number, { state: State; id: number; renews: boolean }>();
  let probes: { state: State; token: number }[] = [];
  let hub: SocketLike | null = null;
  let dialing = 0;
  let isDialing = false;
  /** However many tabs want to come back, they meet a hub that is gone as rarely as one would. */
  const backoff = createBackoff(random, 250, WAIT_MS);
  let notBefore = 0;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let welcomedAt: number | null = null;
  let welcome: (Packet & { type: 'WELCOME' }) | null = null;
  let liveness: Liveness | undefined;
  let lastId = 0;
  let up: Uint8Array[] = [];
  let asking: ReturnType<typeof setTimeout> | undefined;
  let lingering: ReturnType<typeof setTimeout> | undefined;

  const send = (packet: Packet): void => void up.push(encodePacket(packet));
  function nextId(): number {
    lastId += 1;
    return lastId;
  }
  const groups = createGroups({ send, nextId, flush });

  function flush(): void {
    const parts = up;
    up = [];
    if (hub?.readyState === 1) for (const message of split(parts, welcome?.limits.message_bytes)) hub.send(message);
    for (const state of tabs) {
      if (state.out.length === 0) continue;
      state.tab.send(concatenate(state.out));
      state.out = [];
    }
  }

  /* --- the hub --- */

  function want(): void {
    if (hub !== null || isDialing || waiting !== undefined) return;
    const waitMs = Math.min(notBefore - now(), WAIT_MS);
    if (waitMs > 0) waiting = setTimeout(connect, waitMs);
    else connect();
  }

  function connect(): void {
    waiting = undefined;
    const hello = [...tabs].reverse().find((state) => state.hello !== null)?.hello;
    if (hello == null) return; // who wanted it is gone
    dialing += 1;
    isDialing = true;
    const mine = dialing;
    dial().then((made) => {
      if (mine === dialing) use(made, hello);
      else discard(made);
    }, () => { if (mine === dialing) fail(); });
  }

  function use(made: SocketLike, hello: Hello): void {
    hub = made;
    isDialing = false;
    made.binaryType = 'arraybuffer';
    made.onopen = () => made.send(encodePacket(hello));
    made.onmessage = ({ data }) => receive(data);
    made.onclose = ({ code, reason }) => fail(code, reason);
    made.onerror = () => {}; // `onclose` follows
    liveness = createLiveness({
      now,
      silenceMs: () => (welcome === null ? CONNECT_TIMEOUT_MS : 2 * welcome.ping_ms),
      ping() {
        if (welcome === null) return;
        send({ type: 'PING', id: 0, token: 0 });
        flush();
      },
      dead: () => fail(),
    });
  }

  function fail(code?: number, reason?: string): void {
    if (welcomedAt !== null && now() - welcomedAt >= STEADY_MS) backoff.reset();
    notBefore = now() + backoff.next();
    lose(code, reason);
  }

  /** The connection is over: each tab sees its own end, and comes back when it thinks fit. Who has not asked for one waits for the next. */
  function lose(code?: number, reason?: string, ended = [...tabs].filter(({ hello }) => hello !== null)): void {
    const before = hub;
    dialing += 1;
    isDialing = false;
    hub = null;
    welcome = null;
    welcomedAt = null;
    lastId = 0;
    up = [];
    probes = [];
    calls.clear();
    groups.clear();
    clearTimeout(asking);
    clearTimeout(waiting);
    waiting = undefined;
    liveness?.stop();
    if (before !== null) discard(before);
    flush();
    for (const state of ended) {
      tabs.delete(state);
      state.tab.closed(code, reason);
    }
  }

  function greet(state: State): void {
    if (welcome === null || state.welcomed) return;
    state.welcomed = true;
    state.answer(welcome);
  }

  /** One tab is asked, and if it stays silent the next: the app has one token for all of them. */
  function askForToken(event: Packet, asked: readonly State[]): void {
    const next = [...tabs].find((state) => state.welcomed && !asked.includes(state));
    if (next === undefined) return;
    next.answer(event);
    flush();
    clearTimeout(asking);
    asking = setTimeout(() => askForToken(event, [...asked, next]), TOKEN_MS);
  }

  function all(packet: Packet): void {
    for (const state of tabs) if (state.welcomed || packet.type === 'ERROR') state.answer(packet);
  }

  function onEvent(packet: Packet & { type: 'EVENT' }): void {
    if (packet.name === 'token') return askForToken(packet, []);
    all(packet);
    if (packet.name === 'goaway') lose();
  }

  function dispatch(packet: Packet): void {
    const call = calls.get(packet.id);
    if (call !== undefined) {
      calls.delete(packet.id);
      if (call.renews && packet.type === 'RESULT') clearTimeout(asking);
      return call.state.answer({ ...packet, id: call.id } as Packet);
    }
    switch (packet.type) {
      case 'WELCOME':
        welcome = packet;
        welcomedAt = now();
        for (const state of tabs) if (state.hello !== null) greet(state);
        return here();
      case 'PING':
        send({ type: 'PONG', id: 0, token: packet.token });
        return all(packet);
      case 'PONG':
        for (const { state, token } of probes) state.answer({ type: 'PONG', id: 0, token });
        probes = [];
        return;
      case 'EVENT': return onEvent(packet);
      case 'UNKNOWN': return;
      default:
        if (packet.id !== 0) return groups.receive(packet, welcome);
        all(packet); // the hub ends the connection with it, and who comes back meanwhile needs another
        return fail();
    }
  }

  function receive(data: unknown): void {
    const from = hub;
    liveness?.heard();
    try {
      for (const packet of decodeMessage(new Uint8Array(data as ArrayBuffer))) {
        if (hub === from) dispatch(packet);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      fail(1007, error.message);
    }
    flush();
  }

  /* --- the tabs --- */

  function ask(state: State, packet: Packet & { type: 'CALL' | 'AUTH' }): void {
    const id = nextId();
    calls.set(id, { state, id: packet.id, renews: packet.type === 'AUTH' });
    send({ ...packet, id });
  }

  function take(state: State, packet: Packet): void {
    if (packet.type === 'HELLO') {
      state.hello = packet;
      if (welcome !== null) greet(state);
      else want();
      return;
    }
    if (welcome === null) return; // of a connection that is over
    switch (packet.type) {
      case 'PING':
        probes.push({ state, token: packet.token });
        return liveness?.probe();
      case 'CALL':
      case 'AUTH': return ask(state, packet);
      case 'OPEN': return groups.open(state, packet, welcome);
      default: return groups.take(state, packet);
    }
  }

  /** The hub would end the connection of all. */
  function check(packet: Packet, most: number): void {
    if (packet.type !== 'UNKNOWN' && encodePacket(packet).length > most) throw new ProtocolError('a packet longer than the hub takes');
  }

  function receiveFrom(state: State, message: Uint8Array): void {
    try {
      for (const packet of decodeMessage(message)) {
        const most = (welcome?.limits.message_bytes ?? Infinity) - RELAYED_BYTES;
        if (message.length > most) check(packet, most);
        take(state, packet);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      detach(state);
      state.tab.closed(1007, error.message);
    }
    flush();
  }

  function detach(state: State): void {
    if (!tabs.delete(state)) return;
    for (const [id, call] of calls) if (call.state === state) calls.delete(id);
    probes = probes.filter((probe) => probe.state !== state);
    groups.gone(state);
    if (tabs.size === 0) lingering = setTimeout(() => lose(), LINGER_MS);
    flush();
  }

  return {
    attach(tab) {
      const state: State = {
        tab, out: [], welcomed: false, hello: null,
        answer: (packet) => void state.out.push(encodePacket(packet)),
        answerBytes: (bytes) => void state.out.push(bytes),
      };
      clearTimeout(lingering);
      tabs.add(state);
      return {
        receive: (message) => { if (tabs.has(state)) receiveFrom(state, message); },
        gone: () => detach(state),
      };
    },
    hurry() {
      notBefore = 0;
      if (waiting === undefined) return;
      clearTimeout(waiting);
      connect();
    },
    close() {
      clearTimeout(lingering);
      lose(undefined, undefined, [...tabs]);
    },
  };
}
