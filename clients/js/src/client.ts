/** The client: the documents that are open, and their streams on its connection. */
import { createConnection, type ClientStatus, type Problem } from './connection.js';
import { createDocument, type Document, type DocumentHandle } from './document.js';
import { createEvents } from './emitter.js';
import { declarationOf, type DeclarationOption } from './protocol/declarations.js';
import { shown } from './protocol/elements.js';
import { RELAYED_BYTES } from './protocol/messages.js';
import { encodePacket, type FieldDeclaration, type Packet } from './protocol/packets.js';
import type { Value } from './protocol/values.js';
import { shareLater } from './share/later.js';
import type { ClientMode } from './share/share.js';
import { keepLater } from './store/later.js';
import type { Keeper } from './store/keeper.js';
import type { Flushing } from './store/flushing.js';
import type { Store } from './store/store.js';
import type { TokenOption } from './token.js';
import { dial, type SocketConstructor } from './transport/websocket.js';
import { createTypes } from './types.js';
import { mintReplica, webRandom } from './uuid.js';

export { CallError, type ClientStatus } from './connection.js';
export type { ClientMode } from './share/share.js';

export type ClientEvents = {
  status: ClientStatus;
  mode: ClientMode;
  /** How many edits wait (`client.pending`). */
  pending: number;
  error: Problem;
};
export type SchemaOption = {
  [schema: string]: { [field: string]: DeclarationOption };
};
export type ConnectOptions = {
  /**
   * Tells the hub who it is, if the hub wants to know. A function is asked at each connect, and when the hub says that the token is
   * about to expire.
   */
  token?: TokenOption;
  /** A name for this client, told to the hub, which does not use it yet. */
  client?: string;
  /**
   * What the hub's log calls this client's connections, and the details of what it refuses: 1 to 64 visible ASCII characters, such as the id
   * of a request. Tabs that share a connection have the one of the tab that has made it.
   */
  correlation?: string;
  /** With it documents can be edited before the first connection, once `ready`; of the hub's fields, by name, with their types. */
  schema?: SchemaOption;
  /**
   * Where documents are kept, so that they can be shown without a network and edits outlive the page: by default `indexeddb` where there
   * is one, else `memory`, which keeps nothing beyond the client.
   */
  store?: 'indexeddb' | 'memory' | Store;
  /** False: a connection of its own for each tab. Else those of one hub and store have one together, where the browser lets them. */
  share?: boolean;
  /** False: offline until `reconnect()`. */
  autoConnect?: boolean;
  WebSocket?: SocketConstructor;
  random?: () => number;
  now?: () => number;
};
/** A client without types; what the package gives is the `Client` of schema.ts. */
export type ClientCore = {
  readonly status: ClientStatus;
  /** How it comes to the hub: through a shared worker, the tab that leads (or as that tab), or a connection of its own. */
  readonly mode: ClientMode;
  open(name: string): Document;
  /** Those that are open. */
  readonly documents: readonly Document[];
  /** How many of their edits the hub has not acknowledged, and of those that are sent of documents that are not open. */
  readonly pending: number;
  on<Name extends keyof ClientEvents>(
    name: Name, listen: (event: ClientEvents[Name]) => void): () => void;
  /** Asks the hub: `schema` answers all schemas (docs/protocol.md has the rest). Fails with a CallError, which has a code. */
  call(method: string, parameters?: { readonly [name: string]: Value }): Promise<unknown>;
  /** Goes offline on purpose; edits are kept. */
  disconnect(): void;
  reconnect(): void;
  close(): void;
};

const OPEN_RETRY_MS = 1000;
/** The hub has ended a stream for a reason that is gone when it is opened again. */
const AT_ONCE = new Set(['REPLICA_IN_USE', 'SCHEMA_CHANGED']);
const NAME_BYTES = 256;

/** Of each hub its own; a token in the address is none of its name. */
function storeName(url: string): string {
  return `syncline ${url.replace(/[?#].*$/, '').replace(/\/\/[^/]*@/, '//')}`;
}

export function createClient(url: string, options: ConnectOptions = {}): ClientCore {
  const random = options.random ?? Math.random;
  const now = options.now ?? Date.now;
  const events = createEvents<ClientEvents>();
  const report = (problem: Problem) => events.emit('error', problem);
  const handles = new Map<string, DocumentHandle>();
  const streams = new Map<number, DocumentHandle>();
  /** What `pending` tells: with thousands of documents a sum of all would cost more than the edit. */
  let total = 0;
  /** Those that no app has opened, for the edits that wait in them. */
  const quiet = new Set<string>();
  const waits = new Map<DocumentHandle, ReturnType<typeof setTimeout>>();
  const fill = webRandom();
  const mint = () => mintReplica(now(), fill);
  const keeper = keeperOf(options.store ?? (globalThis.indexedDB === undefined ? 'memory' : 'indexeddb'));
  /** Those that wait for what is stored of them. */
  const loading = new Set<DocumentHandle>();
  let flushing = false;
  const ownSocket = () => dial(url, options.WebSocket);
  const share = options.share === false || options.WebSocket !== undefined ? null : shareLater({
    url, key: [storeName(url), typeof options.store === 'object' ? options.store.name : ''].join(' '), dial: ownSocket, now,
    here: () => connection.come(),
    changed: (mode) => events.emit('mode', mode),
  });
  const connection = createConnection({
    dial: () => share?.dial() ?? ownSocket(),
    hangUp: () => share?.hangUp(),
    token: options.token, client: options.client, correlation: options.correlation, random, now,
  }, {
    status: (status) => events.emit('status', status),
    welcome: onWelcome,
    lost: onLost,
    schema: onSchema,
    packet: onPacket,
    read: wantFlush,
    error: report,
  });

  const types = createTypes({
    random, isWanted: () => connection.status !== 'closed',
    failed: (error) => report({ code: 'TYPES', text: `the types that a document has cannot be loaded: ${String(error)}` }),
  });

  const quietly: Flushing = {
    isOnline: () => connection.welcome !== null,
    open(name) {
      if (handles.has(name) || connection.status === 'closed') return undefined;
      quiet.add(name);
      return start(name).document;
    },
    isOurs: (name) => quiet.has(name),
  };

  function keeperOf(store: 'indexeddb' | 'memory' | Store): Keeper | undefined {
    if (store === 'memory') return undefined;
    return keepLater(async () => {
      const { createKeeper, indexedDbStore } = await import('./store/keeping.js');
      const own = store === 'indexeddb' ? indexedDbStore(storeName(url)) : undefined;
      return createKeeper(own ?? (store as Store), mint(), report, quietly, () => own?.close());
    }, report);
  }

  /** Once a turn of the event loop, everything in one message. */
  function wantFlush(): void {
    if (flushing) return;
    flushing = true;
    queueMicrotask(flush);
  }

  function flush(): void {
    flushing = false;
    const { welcome } = connection;
    if (welcome === null) return;
    const parts: Uint8Array[] = [];
    for (const [id, { takeSends, presence }] of [...streams]) {
      const { packets, frozen } = takeSends(welcome.limits.message_bytes - RELAYED_BYTES);
      parts.push(...[...packets, ...presence.take(id)].map(encodePacket), ...frozen);
    }
    connection.sendBytes(parts);
  }

  /* --- streams --- */

  function openStream(handle: DocumentHandle): void {
    const { welcome } = connection;
    if (welcome === null || handles.get(handle.session.name) !== handle || loading.has(handle)) return;
    const id = connection.nextId();
    streams.set(id, handle);
    const packet = handle.session.open(id, welcome.journal);
    handle.presence.begin(false);
    connection.send(handle.presence.wanted() ? { ...packet, presence: true } : packet);
  }

  /** One wait for each document: the last thing the hub said counts, and nothing once the connection is gone. */
  function later(ms: number, handle: DocumentHandle, act: () => void): void {
    clearTimeout(waits.get(handle));
    waits.set(handle, setTimeout(() => {
      waits.delete(handle);
      act();
    }, ms));
  }

  function waitNoMore(handle: DocumentHandle): void {
    clearTimeout(waits.get(handle));
    waits.delete(handle);
  }

  /** With another replica, or other options. */
  function openAgain(id: number, handle: DocumentHandle): void {
    if (!streams.delete(id)) return;
    connection.send({ type: 'CLOSE', id, code: '', text: '' });
    openStream(handle);
  }

  /** What has moved to a fresh replica is stored as that before it is sent: if both were stored, both would count. */
  function renew(id: number, handle: DocumentHandle): void {
    if (keeper === undefined) return openAgain(id, handle);
    streams.delete(id);
    connection.send({ type: 'CLOSE', id, code: '', text: '' });
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
      later(AT_ONCE.has(news.closed.code) ? 0 : OPEN_RETRY_MS, handle, () => openStream(handle));
    } else if (news.error?.retryMs !== undefined) {
      const { retryMs } = news.error;
      if (handle.session.stream() === null) {
        streams.delete(id);
        later(retryMs, handle, () => openStream(handle));
      } else {
        later(retryMs, handle, () => { handle.session.resend(); wantFlush(); });
      }
    } else if (news.error !== undefined && quiet.has(handle.session.name)) {
      streams.delete(id);
      handle.document.close(); // what waits there goes on waiting
    }
  }

  function streamOf(packet: Packet): [number, DocumentHandle] | undefined {
    if (packet.id > 0) {
      const handle = streams.get(packet.id);
      return handle === undefined ? undefined : [packet.id, handle];
    }
    for (const [id, handle] of streams) {
      if (handle.session.transferId() === packet.id || types.holdsTransfer(id, packet.id)) return [id, handle];
    }
    return undefined;
  }

  /* --- the connection --- */

  function onWelcome(): void {
    for (const handle of handles.values()) {
      handle.setOnline(true);
      openStream(handle);
    }
    keeper?.flushSoon();
  }

  /** What could not be opened may be there now. */
  function onSchema(): void {
    for (const handle of handles.values()) {
      if (handle.session.stream() === null && !waits.has(handle)) openStream(handle);
    }
  }

  function onLost(): void {
    streams.clear();
    types.clear();
    for (const handle of [...waits.keys()]) waitNoMore(handle);
    for (const handle of handles.values()) handle.setOnline(false);
  }

  function onPacket(packet: Packet): void {
    const found = streamOf(packet);
    if (found === undefined) return; // of a stream that was closed meanwhile
    const [id, handle] = found;
    if (!types.holds(id, packet, (packets) => connection.read(() => packets.forEach(onPacket)))) onStream(id, handle, packet);
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

  function open(name: string): Document {
    if (connection.status === 'closed') throw new Error('the client is closed');
    const handle = handles.get(name) ?? start(name);
    quiet.delete(name);
    return handle.document;
  }

  function start(name: string): DocumentHandle {
    if (new TextEncoder().encode(name).length > NAME_BYTES) throw new RangeError(`a document's name has at most ${NAME_BYTES} bytes`);
    const declarations = declarationsOf(name);
    const loaded = types.wait(declarations ?? []);
    let counted = 0;
    const tellPending = (count: number): void => {
      total += count - counted;
      counted = count;
      events.emit('pending', total);
    };
    const handle = createDocument(name, mint, loaded === undefined ? declarations : undefined, wantFlush, () => {
      const stream = handle.session.stream();
      if (handles.get(name) !== handle) return; // closed twice
      handles.delete(name);
      loading.delete(handle);
      waitNoMore(handle);
      if (!quiet.delete(name) && handle.session.pending() > 0) keeper?.flushSoon();
      tellPending(0);
      if (stream !== null) {
        streams.delete(stream);
        connection.send({ type: 'CLOSE', id: stream, code: '', text: '' });
      }
    }, now, () => {
      const stream = handle.session.stream();
      if (stream !== null) openAgain(stream, handle);
    });
    void loaded?.then(() => handle.guess(declarations ?? []));
    handles.set(name, handle);
    handle.document.on('pending', tellPending);
    if (keeper !== undefined) {
      loading.add(handle);
      handle.keepIn(keeper.keep({
        ...handle, loadTypes: (fields) => types.wait([...fields, ...declarations ?? []]),
      }, () => onLoaded(handle)));
    }
    openStream(handle);
    return handle;
  }

  if (options.autoConnect !== false) connection.want();

  return {
    get status() { return connection.status; },
    get mode() { return share?.mode ?? 'own'; },
    get documents() { return [...handles.values()].map(({ document }) => document).filter(({ name }) => !quiet.has(name)); },
    get pending() { return pending(); },
    open,
    on: (name, listen) => events.on(name, listen),
    call: async (method, parameters = {}) => shown(await connection.call(method, parameters)),
    disconnect() {
      if (connection.status !== 'closed') connection.end('offline');
    },
    reconnect: () => connection.want(),
    close() {
      connection.end('closed');
      share?.hangUp();
      for (const handle of handles.values()) handle.shut();
      void keeper?.close();
    },
  };
}
