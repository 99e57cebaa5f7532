/** The client: one connection, the documents open on it, and coming back when it is lost. */
import { createBackoff } from './backoff.js';
import { createDocument, type Document, type DocumentHandle } from './document.js';
import { createEvents } from './emitter.js';
import { declarationOf, type DeclarationOption } from './protocol/declarations.js';
import {
  decodeMessage, encodePacket, type FieldDeclaration, type Packet, type Welcome,
} from './protocol/packets.js';
import { asMap, asUint, concatenate, ProtocolError, type Value } from './protocol/values.js';
import { indexedDbStore } from './store/indexeddb.js';
import { createKeeper, type Keeper } from './store/keeper.js';
import type { Store } from './store/store.js';
import {
  socketConstructor, SUBPROTOCOL, type SocketConstructor, type SocketLike,
} from './transport/websocket.js';
import { mintReplica, webRandom } from './uuid.js';

export type ClientStatus = 'connecting' | 'online' | 'offline' | 'closed';
export type ClientEvents = {
  status: ClientStatus;
  /** How many edits wait, in all open documents. */
  pending: number;
  error: { code: string; text: string };
};
export type SchemaOption = {
  [schema: string]: { [field: string]: DeclarationOption };
};
export type ConnectOptions = {
  /** Sent in HELLO; a function is asked at each connect. */
  token?: string | (() => string | Promise<string>);
  /** A name for this client, told to the hub, which does not use it yet. */
  client?: string;
  /** With it documents can be edited before the first connection; of the hub's fields, by name, with their types. */
  schema?: SchemaOption;
  /**
   * Where documents are kept, so that they can be shown without a network and edits outlive the page: by default `indexeddb` where there
   * is one, else `memory`, which keeps nothing beyond the client.
   */
  store?: 'indexeddb' | 'memory' | Store;
  /** False: offline until `reconnect()`. */
  autoConnect?: boolean;
  WebSocket?: SocketConstructor;
  random?: () => number;
  now?: () => number;
};
export type Client = {
  readonly status: ClientStatus;
  open(name: string): Document;
  /** Those that are open. */
  readonly documents: readonly Document[];
  /** How many of their edits the hub has not acknowledged. */
  readonly pending: number;
  on<Name extends keyof ClientEvents>(
    name: Name, listen: (event: ClientEvents[Name]) => void): () => void;
  /** Goes offline on purpose; edits are kept. */
  disconnect(): void;
  reconnect(): void;
  close(): void;
};

const CONNECT_TIMEOUT_MS = 10000;
const OPEN_RETRY_MS = 1000;
/** A connection that was up for so long shows that the hub is well. */
const STEADY_MS = 10000;

/** Of each hub its own; a token in the address is none of its name. */
function storeName(url: string): string {
  return `syncline ${url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//')}`;
}

export function connect(url: string, options: ConnectOptions = {}): Client {
  const random = options.random ?? Math.random;
  const now = options.now ?? Date.now;
  const backoff = createBackoff(random);
  const events = createEvents<ClientEvents>();
  const handles = new Map<string, DocumentHandle>();
  const streams = new Map<number, DocumentHandle>();
  const waits = new Map<DocumentHandle, ReturnType<typeof setTimeout>>();
  const fill = webRandom();
  const mint = () => mintReplica(now(), fill);
  const keeper = keeperOf(options.store ?? (globalThis.indexedDB === undefined ? 'memory' : 'indexeddb'));
  /** Those that wait for what is stored of them. */
  const loading = new Set<DocumentHandle>();
  let status: ClientStatus = 'offline';
  let wanted = false;
  let socket: SocketLike | null = null;
  let welcome: Welcome | null = null;
  let lastId = 0;
  let attempt = 0;
  let heardAt = 0;
  let welcomedAt: number | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setInterval> | undefined;
  let flushing = false;

  function keeperOf(store: 'indexeddb' | 'memory' | Store): Keeper | undefined {
    if (store === 'memory') return undefined;
    const own = store === 'indexeddb' ? indexedDbStore(storeName(url)) : undefined;
    return createKeeper(own ?? (store as Store), mint(), (error) => events.emit('error', error), () => own?.close());
  }

  function setStatus(next: ClientStatus): void {
    if (status === next) return;
    status = next;
    events.emit('status', next);
  }

  /* --- sending --- */

  function send(...packets: Packet[]): void {
    if (socket?.readyState === 1) socket.send(concatenate(packets.map(encodePacket)));
  }

  /** Once a turn of the event loop, everything in one message. */
  function wantFlush(): void {
    if (flushing) return;
    flushing = true;
    queueMicrotask(flush);
  }

  function flush(): void {
    flushing = false;
    if (status !== 'online' || welcome === null || socket === null) return;
    const parts: Uint8Array[] = [];
    for (const [id, { session, presence }] of streams) {
      const { packets, frozen } = session.takeSends();
      parts.push(...[...packets, ...presence.take(id)].map(encodePacket), ...frozen);
    }
    for (const message of split(parts, welcome.limits.message_bytes)) socket.send(message);
  }

  function split(parts: readonly Uint8Array[], limit: number): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let batch: Uint8Array[] = [];
    let size = 0;
    for (const part of parts) {
      if (size > 0 && size + part.length > limit) {
        messages.push(concatenate(batch));
        batch = [];
        size = 0;
      }
      batch.push(part);
      size += part.length;
    }
    if (size > 0) messages.push(concatenate(batch));
    return messages;
  }

  /* --- streams --- */

  function openStream(handle: DocumentHandle): void {
    if (welcome === null || status !== 'online' || handles.get(handle.session.name) !== handle) return;
    if (loading.has(handle)) return;
    lastId += 1;
    streams.set(lastId, handle);
    const packet = handle.session.open(lastId, welcome.journal);
    handle.presence.begin(false);
    send(handle.presence.wanted() ? { ...packet, presence: true } : packet);
  }

  /** One wait for each document: the last thing the hub said counts, and nothing once the connection is gone. */
  function later(ms: number, handle: DocumentHandle, act: () => void): void {
    clearTimeout(waits.get(handle));
    waits.set(handle, setTimeout(act, ms));
  }

  function waitNoMore(handle: DocumentHandle): void {
    clearTimeout(waits.get(handle));
    waits.delete(handle);
  }

  /** With another replica, or other options. */
  function openAgain(id: number, handle: DocumentHandle): void {
    if (!streams.delete(id)) return;
    send({ type: 'CLOSE', id, code: '', text: '' });
    openStream(handle);
  }

  /** What has moved to a fresh replica is stored as that before it is sent: if both were stored, both would count. */
  function renew(id: number, handle: DocumentHandle): void {
    if (keeper === undefined) return openAgain(id, handle);
    streams.delete(id);
    send({ type: 'CLOSE', id, code: '', text: '' });
    void handle.stored().catch(() => {}).then(() => {
      if (handle.session.stream() === null) openStream(handle);
    });
  }

  /** What is stored has come, or is waited for no longer. */
  function onLoaded(handle: DocumentHandle): void {
    loading.delete(handle);
    if (handles.get(handle.session.name) !== handle) return;
    waitNoMore(handle);
    const stream = handle.session.stream();
    if (stream !== null) openAgain(stream, handle);
    else openStream(handle);
  }

  function onStream(id: number, handle: DocumentHandle, packet: Packet): void {
    if (packet.type === 'PRESENCE') return handle.presence.receive(packet);
    const news = handle.receive(packet);
    if (packet.type === 'OPENED') handle.presence.begin(true);
    if (news.renewed) {
      renew(id, handle);
    } else if (news.closed !== undefined) {
      streams.delete(id);
      later(news.closed.code === 'REPLICA_IN_USE' ? 0 : OPEN_RETRY_MS, handle,
        () => openStream(handle));
    } else if (news.error?.retryMs !== undefined) {
      const { retryMs } = news.error;
      if (handle.session.stream() === null) {
        streams.delete(id);
        later(retryMs, handle, () => openStream(handle));
      } else {
        later(retryMs, handle, () => { handle.session.resend(); wantFlush(); });
      }
    }
  }

  function streamOf(packet: Packet): [number, DocumentHandle] | undefined {
    if (packet.id > 0) {
      const handle = streams.get(packet.id);
      return handle === undefined ? undefined : [packet.id, handle];
    }
    for (const [id, handle] of streams) {
      if (handle.session.transferId() === packet.id) return [id, handle];
    }
    return undefined;
  }

  /* --- receiving --- */

  function onWelcome(packet: Packet & { type: 'WELCOME' }): void {
    welcome = packet;
    welcomedAt = now();
    setStatus('online');
    for (const handle of handles.values()) {
      handle.setOnline(true);
      openStream(handle);
    }
  }

  function onGoaway(data: Value): void {
    const { min_ms: least, max_ms: most } = asMap(data);
    const leastMs = asUint(least);
    lose(leastMs + random() * Math.max(0, asUint(most) - leastMs));
  }

  function dispatch(packet: Packet): void {
    switch (packet.type) {
      case 'WELCOME': return onWelcome(packet);
      case 'PING': return send({ type: 'PONG', id: 0, token: packet.token });
      case 'PONG':
      case 'RESULT':
      case 'UNKNOWN': return;
      case 'EVENT':
        if (packet.name === 'goaway') onGoaway(packet.data);
        return;
      default: {
        const found = streamOf(packet);
        if (found !== undefined) onStream(found[0], found[1], packet);
        return; // of a stream that was closed meanwhile
      }
    }
  }

  function receive(data: unknown): void {
    const from = socket;
    heardAt = now();
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError('a text message');
      for (const packet of decodeMessage(new Uint8Array(data))) {
        if (socket === from) dispatch(packet); // else one before it ended the connection
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      events.emit('error', { code: 'PROTOCOL', text: error.message });
      backOff();
      return;
    }
    wantFlush();
  }

  /* --- the connection --- */

  function drop(): void {
    const before = socket;
    socket = null;
    welcome = null;
    welcomedAt = null;
    lastId = 0;
    streams.clear();
    for (const handle of [...waits.keys()]) waitNoMore(handle);
    clearInterval(watch);
    if (before !== null) {
      before.onopen = before.onmessage = before.onclose = null;
      before.onerror = () => {}; // `ws` throws an error that nobody listens to
      before.close();
    }
    for (const handle of handles.values()) handle.setOnline(false);
  }

  /** Lost, not ended: a hub that welcomes and then drops must not be met again and again at once. */
  function backOff(): void {
    if (welcomedAt !== null && now() - welcomedAt >= STEADY_MS) backoff.reset();
    lose(backoff.next());
  }

  function lose(afterMs: number): void {
    drop();
    clearTimeout(retry);
    if (!wanted) return; // an app that heard of it has ended it
    retry = setTimeout(() => void start(), afterMs);
    setStatus('connecting');
  }

  /** The app wants no connection: what is under way to one ends. */
  function end(as: 'offline' | 'closed'): void {
    wanted = false;
    globalThis.removeEventListener?.('online', online);
    attempt += 1;
    drop();
    clearTimeout(retry);
    if (status !== 'closed') setStatus(as);
  }

  async function token(): Promise<string | undefined> {
    return typeof options.token === 'function' ? options.token() : options.token;
  }

  function watchOver(openedAt: number): void {
    heardAt = openedAt;
    watch = setInterval(() => {
      const bound = welcome === null ? CONNECT_TIMEOUT_MS : 2 * welcome.ping_ms;
      if (now() - heardAt > bound) backOff();
    }, 1000);
    (watch as { unref?: () => void }).unref?.();
  }

  async function start(): Promise<void> {
    attempt += 1;
    const mine = attempt; // another one begins with each connect, disconnect and close
    setStatus('connecting');
    try {
      const [Socket, text] = await Promise.all([socketConstructor(options.WebSocket), token()]);
      if (mine !== attempt) return;
      const made = new Socket(url, SUBPROTOCOL);
      made.binaryType = 'arraybuffer';
      socket = made;
      watchOver(now());
      made.onopen = () => send({
        type: 'HELLO', id: 0, version: 1, agent: 'syncline-js/0.1',
        ...(text === undefined ? {} : { token: text }),
        ...(options.client === undefined ? {} : { client: options.client }),
      });
      made.onmessage = ({ data }) => { if (socket === made) receive(data); };
      made.onclose = () => { if (socket === made) backOff(); };
      made.onerror = () => {}; // `onclose` follows
    } catch (error) {
      if (mine !== attempt) return;
      events.emit('error', {
        code: 'CONNECT', text: error instanceof Error ? error.message : String(error),
      });
      backOff();
    }
  }

  function declarationsOf(name: string): FieldDeclaration[] | undefined {
    const schema = options.schema?.[name.split('/', 1)[0] ?? ''];
    if (schema === undefined) return undefined;
    return Object.entries(schema).map(
      ([field, option], number) => ({ number, name: field, ...declarationOf(option) }));
  }

  function pending(): number {
    return [...handles.values()].reduce((sum, { document }) => sum + document.pending, 0);
  }

  function tellPending(): void {
    events.emit('pending', pending());
  }

  function open(name: string): Document {
    if (status === 'closed') throw new Error('the client is closed');
    const existing = handles.get(name);
    if (existing !== undefined) return existing.document;
    const handle = createDocument(name, mint, declarationsOf(name), wantFlush, () => {
      const stream = handle.session.stream();
      if (handles.get(name) !== handle) return; // closed twice
      handles.delete(name);
      loading.delete(handle);
      waitNoMore(handle);
      tellPending();
      if (stream !== null) {
        streams.delete(stream);
        send({ type: 'CLOSE', id: stream, code: '', text: '' });
      }
    }, now, () => {
      const stream = handle.session.stream();
      if (stream !== null) openAgain(stream, handle);
    });
    handles.set(name, handle);
    handle.document.on('pending', tellPending);
    if (keeper !== undefined) {
      loading.add(handle);
      handle.keepIn(keeper.keep(handle.session, handle.load, () => onLoaded(handle)));
    }
    openStream(handle);
    return handle.document;
  }

  const online = () => { if (wanted && status === 'connecting') { clearTimeout(retry); drop(); void start(); } };

  function want(): void {
    wanted = true;
    globalThis.addEventListener?.('online', online);
    void start();
  }

  if (options.autoConnect !== false) want();

  return {
    get status() { return status; },
    get documents() { return [...handles.values()].map(({ document }) => document); },
    get pending() { return pending(); },
    open,
    on: (name, listen) => events.on(name, listen),
    disconnect() {
      if (status !== 'closed') end('offline');
    },
    reconnect() {
      if (status === 'closed' || wanted) return;
      backoff.reset();
      want();
    },
    close() {
      end('closed');
      for (const handle of handles.values()) handle.shut();
      void keeper?.close();
    },
  };
}
