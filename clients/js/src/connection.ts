/** The connection: made, welcomed, watched, lost, and made again after a while. It knows nothing of documents. */
import { createBackoff } from './backoff.js';
import { createLiveness, type Liveness } from './liveness.js';
import { watchPage } from './pagelife.js';
import { RELAYED_BYTES, split } from './protocol/messages.js';
import { decodeMessage, encodePacket, type Packet, type Sent, type Welcome } from './protocol/packets.js';
import { asMap, asUint, ProtocolError, type Value } from './protocol/values.js';
import { askToken, createRenewal, TokenError, type TokenOption } from './token.js';
import { discard, dismiss, type SocketLike } from './transport/websocket.js';

export type ClientStatus = 'connecting' | 'online' | 'offline' | 'closed';
export type Problem = { code: string; text: string };

export type ConnectionOptions = {
  /** A new socket to the hub, that opens by itself. */
  dial: () => Promise<SocketLike>;
  /** The page is put away: whatever connections need beyond their sockets is let go of until the next `dial`. */
  hangUp: () => void;
  token: TokenOption | undefined;
  client: string | undefined;
  correlation: string | undefined;
  random: () => number;
  now: () => number;
};

/** What it tells its owner. */
export type ConnectionEvents = {
  status(status: ClientStatus): void;
  welcome(welcome: Welcome): void;
  /** Its ids mean nothing any more. */
  lost(): void;
  /** The hub declares other schemas than before. */
  schema(): void;
  /** One that belongs to a stream or transfer. */
  packet(packet: Packet): void;
  /** A message was read whole: it is time to answer. */
  read(): void;
  error(problem: Problem): void;
};

export type Connection = {
  readonly status: ClientStatus;
  readonly welcome: Welcome | null;
  nextId(): number;
  send(...packets: Sent[]): void;
  /** Packets that are bytes already. */
  sendBytes(parts: readonly Uint8Array[]): void;
  call(method: string, parameters: Value): Promise<Value>;
  /** Connects, and goes on doing so. */
  want(): void;
  /** A connection can be had at once, and costs the hub nothing: it does not wait for one. */
  come(): void;
  end(as: 'offline' | 'closed'): void;
  /** Reads what has come before: a packet that cannot be true ends the connection. */
  read(act: () => void): void;
};

/** A CALL that was not answered with a RESULT. */
export class CallError extends Error {
  constructor(readonly code: string, text: string) { super(text); }
}

function problemOf(error: unknown): Problem {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof CallError) return { code: error.code, text };
  return { code: error instanceof TokenError ? 'TOKEN' : 'CONNECT', text };
}

type Call = { resolve: (value: Value) => void; reject: (error: Error) => void };

/** The hub takes no token, or none any more; the reason is an ERROR's code. */
const CLOSE_TOKEN = 4401;
const CONNECT_TIMEOUT_MS = 10000;
/** A connection that was up for so long shows that the hub is well. */
const STEADY_MS = 10000;

export function createConnection(options: ConnectionOptions, events: ConnectionEvents): Connection {
  const { now, random } = options;
  const backoff = createBackoff(random);
  const calls = new Map<number, Call>();
  const renewal = createRenewal({
    token: options.token, random,
    auth: (text) => ask((id) => ({ type: 'AUTH', id, token: text })),
    failed: (error) => events.error(problemOf(error)),
  });
  let status: ClientStatus = 'offline';
  let wanted = false;
  let socket: SocketLike | null = null;
  let welcome: Welcome | null = null;
  let welcomedAt: number | null = null;
  let liveness: Liveness | undefined;
  let lastId = 0;
  let attempt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  /** The hub has said not to come back before. */
  let notBefore = 0;
  let unwatch = () => {};

  function setStatus(next: ClientStatus): void {
    if (status === next) return;
    status = next;
    events.status(next);
  }

  /* --- sending --- */

  function send(...packets: Sent[]): void {
    if (socket?.readyState === 1) for (const message of split(packets.map(encodePacket))) socket.send(message);
  }

  function sendBytes(parts: readonly Uint8Array[]): void {
    if (welcome === null || socket === null) return;
    for (const message of split(parts, welcome.limits.message_bytes)) socket.send(message);
  }

  function ask(packet: (id: number) => Sent): Promise<Value> {
    if (welcome === null) return Promise.reject(new CallError('OFFLINE', 'there is no connection to the hub'));
    lastId += 1;
    const id = lastId;
    const bytes = encodePacket(packet(id));
    const most = welcome.limits.message_bytes - RELAYED_BYTES;
    if (bytes.length > most) return Promise.reject(new CallError('TOO_LONG', `The hub takes no call of more than ${most} bytes.`));
    return new Promise((resolve, reject) => {
      calls.set(id, { resolve, reject });
      sendBytes([bytes]);
    });
  }

  function call(method: string, parameters: Value): Promise<Value> {
    return ask((id) => ({ type: 'CALL', id, method, parameters }));
  }

  /** False: it answers no call. */
  function answer(packet: Packet): boolean {
    const made = calls.get(packet.id);
    if (made === undefined || (packet.type !== 'RESULT' && packet.type !== 'ERROR')) return false;
    calls.delete(packet.id);
    if (packet.type === 'RESULT') made.resolve(packet.value);
    else made.reject(new CallError(packet.code, packet.text));
    return true;
  }

  /* --- receiving --- */

  function onWelcome(packet: Packet & { type: 'WELCOME' }): void {
    welcome = packet;
    welcomedAt = now();
    setStatus('online');
    events.welcome(packet);
  }

  function onGoaway(data: Value): void {
    const { min_ms: least, max_ms: most } = asMap(data);
    const leastMs = asUint(least);
    const waitMs = leastMs + random() * Math.max(0, asUint(most) - leastMs);
    notBefore = now() + waitMs;
    lose(waitMs);
  }

  /** The hub ends the connection; a token that is not good now may be when the app is asked again. */
  function onRefused({ code, text }: Problem): void {
    backOff();
    events.error({ code, text });
  }

  function dispatch(packet: Packet): void {
    switch (packet.type) {
      case 'WELCOME': return onWelcome(packet);
      case 'PING': return send({ type: 'PONG', id: 0, token: packet.token });
      case 'EVENT':
        if (packet.name === 'goaway') onGoaway(packet.data);
        if (packet.name === 'schema') events.schema();
        if (packet.name === 'token') renewal.begin();
        return;
      case 'ERROR':
        if (packet.id === 0) return onRefused(packet);
        if (!answer(packet)) events.packet(packet);
        return;
      case 'PONG':
      case 'UNKNOWN': return;
      default:
        if (!answer(packet)) events.packet(packet);
    }
  }

  function receive(data: unknown): void {
    const from = socket;
    liveness?.heard();
    read(() => {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError('a text message');
      for (const packet of decodeMessage(new Uint8Array(data))) {
        if (socket === from) dispatch(packet); // else one before it ended the connection
      }
    });
  }

  function read(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      events.error({ code: 'PROTOCOL', text: error.message });
      backOff();
      return;
    }
    events.read();
  }

  /* --- losing it --- */

  function drop(rid = discard): void {
    const before = socket;
    socket = null;
    welcome = null;
    welcomedAt = null;
    lastId = 0;
    liveness?.stop();
    renewal.stop();
    if (before !== null) rid(before);
    for (const { reject } of calls.values()) reject(new CallError('OFFLINE', 'the connection was lost'));
    calls.clear();
    events.lost();
  }

  /** Lost, not ended: a hub that welcomes and then drops must not be met again and again at once. */
  function backOff(): void {
    if (welcomedAt !== null && now() - welcomedAt >= STEADY_MS) backoff.reset();
    lose(backoff.next());
  }

  function lose(afterMs: number): void {
    attempt += 1;
    drop();
    clearTimeout(retry);
    if (!wanted) return; // an app that heard of it has ended it
    retry = setTimeout(() => void start(), afterMs);
    setStatus('connecting');
  }

  /** The app wants no connection: what is under way to one ends. */
  function end(as: 'offline' | 'closed'): void {
    wanted = false;
    unwatch();
    attempt += 1;
    drop(dismiss);
    clearTimeout(retry);
    if (status !== 'closed') setStatus(as);
  }

  /* --- making it --- */

  function hello(text: string | undefined): void {
    send({
      type: 'HELLO', id: 0, version: 1, agent: 'syncline-js/0.1', token: text, client: options.client,
      correlation: options.correlation,
    });
  }

  function use(made: SocketLike, text: string | undefined): void {
    socket = made;
    made.binaryType = 'arraybuffer';
    made.onopen = () => hello(text);
    made.onmessage = ({ data }) => { if (socket === made) receive(data); };
    made.onclose = ({ code, reason }) => {
      if (socket !== made) return;
      if (code === CLOSE_TOKEN) onRefused({ code: reason || 'TOKEN_INVALID', text: 'the hub has ended the connection' });
      else backOff();
    };
    made.onerror = () => {}; // `onclose` follows
    liveness = createLiveness({
      now,
      silenceMs: () => (welcome === null ? CONNECT_TIMEOUT_MS : 2 * welcome.ping_ms),
      ping: () => { if (welcome !== null) send({ type: 'PING', id: 0, token: attempt }); },
      dead: backOff,
    });
  }

  async function start(): Promise<void> {
    attempt += 1;
    const mine = attempt; // another one begins with each connect, disconnect and close
    setStatus('connecting');
    try {
      const text = await askToken(options.token);
      if (mine !== attempt) return;
      const made = await options.dial();
      if (mine === attempt) use(made, text);
      else dismiss(made);
    } catch (error) {
      if (mine !== attempt) return;
      events.error(problemOf(error));
      backOff();
    }
  }

  /** Without the wait, but for the one that the hub has asked for. */
  function startNow(): void {
    if (!wanted || status !== 'connecting') return;
    clearTimeout(retry);
    drop();
    if (now() < notBefore) retry = setTimeout(() => void start(), notBefore - now());
    else void start();
  }

  /** Connects at once, if it waits to; else makes sure that the hub still hears. */
  function nudge(): void {
    if (status === 'online') liveness?.probe();
    else if (socket === null) startNow();
  }

  function want(): void {
    wanted = true;
    unwatch = watchPage({
      online: () => { if (status === 'online') nudge(); else startNow(); },
      shown: nudge,
      hidden() {
        lose(0);
        clearTimeout(retry); // until it is back
        options.hangUp();
      },
      restored: startNow,
    });
    void start();
  }

  return {
    get status() { return status; },
    get welcome() { return welcome; },
    nextId() {
      lastId += 1;
      return lastId;
    },
    send,
    sendBytes,
    call,
    want() {
      if (status === 'closed' || wanted) return;
      backoff.reset();
      want();
    },
    come() {
      if (socket !== null) return;
      notBefore = 0;
      startNow();
    },
    end,
    read,
  };
}
