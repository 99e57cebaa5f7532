/** A document as an app holds it: its fields, what waits, and its news. */
import { createEvents } from './emitter.js';
import { watchable, type Watchable } from './crdt/look.js';
import type { AnyFieldType, Entry } from './crdt/type.js';
import type { PlainOf } from './plain.js';
import type { FieldDeclaration, Packet, Replica, Sent } from './protocol/packets.js';
import { createPresence, type Presence, type PresenceHandle } from './presence.js';
import { createSession, type News, type Rejection, type Session } from './session/session.js';
import type { Resumed } from './session/saving.js';
import { createShown } from './shown.js';
import type { Writer } from './store/keeper.js';

export type DocumentStatus = 'loading' | 'synced' | 'offline' | 'closed';
export type DocumentEvents = {
  change: { local: boolean };
  status: DocumentStatus;
  pending: number;
  rejected: Rejection;
  error: { code: string; text: string };
};

/** What a document holds, if no schema says it. */
export type AnyFields = { readonly [field: string]: any };

/** Fields stand on the document by name: `doc.likes.increment()`. Names that a document has itself are reached by `field`. */
export type DocumentWith<Fields> = DocumentCore<Fields> & Readonly<Omit<Fields, keyof DocumentCore | keyof Object>>;
export type Document = DocumentWith<AnyFields>;

declare const FIELDS: unique symbol;
/** A document, to whoever asks only which fields it holds; its own names hide none of them here. */
export type Holding<Fields> = { readonly [FIELDS]?: Fields; readonly name: string };

export type DocumentCore<Fields = AnyFields> = Watchable & Holding<Fields> & {
  readonly name: string;
  /** All fields as plain values; sets are sorted lists. Frozen, and the same object until one of them changes. */
  readonly value: { readonly [Name in keyof Fields]: PlainOf<Fields[Name]> };
  /** The names of its fields; none while the schema is not known. */
  readonly fields: readonly (keyof Fields & string)[];
  /** How many edits the hub has not acknowledged. */
  readonly pending: number;
  readonly status: DocumentStatus;
  /** There is a state to show, the hub's, a stored one, or an empty one of a schema that was given, and its types are loaded. */
  readonly ready: Promise<void>;
  /** The hub's state has arrived, and it has acknowledged what was pending then. */
  readonly synced: Promise<void>;
  /** Every edit made so far is acknowledged, and so on the hub's disk, or was rejected. Fails if the document closes first. */
  readonly saved: Promise<void>;
  /** Every edit made so far is in the client's store, and survives its end. At once, if the client has none; fails if a write does. */
  readonly stored: Promise<void>;
  /**
   * Updates that the hub could neither take nor refuse for what they do (REPLICA_EXPIRED, FORBIDDEN, GAP, UNKNOWN_FIELD, TOO_LONG),
   * oldest first: kept until the document closes, for the app to make their edits again, or not.
   */
  readonly rejected: readonly Rejection[];
  /** Who else has the document open. */
  readonly presence: Presence;
  field<Name extends keyof Fields & string>(name: Name): Fields[Name];
  /** The edits of `make` are shown as one change and travel as one update, but for those that must travel alone. */
  transact(make: () => void): void;
  on<Name extends keyof DocumentEvents>(
    name: Name, listen: (event: DocumentEvents[Name]) => void): () => void;
  changes(): AsyncIterableIterator<{ local: boolean }>;
  close(): void;
};

/** What the client needs of a document. */
export type DocumentHandle = {
  document: Document;
  session: Session;
  presence: PresenceHandle;
  receive(packet: Packet): News;
  /** No message may be longer. */
  takeSends(messageBytes: number): { packets: Sent[]; frozen: Uint8Array[] };
  setOnline(online: boolean): void;
  shut(): void;
  /** Where its changes are told from now on. */
  keepIn(writer: Writer): void;
  /** What was stored is part of the session now. */
  resumed(what: Resumed): void;
  stored(): Promise<void>;
  /** The fields of a schema that was given: it can be edited before the hub's are known. */
  guess(declarations: readonly FieldDeclaration[]): void;
  /** How many subscribe to it and its fields. */
  listeners(): number;
};

const UNJUDGED = new Set(['REPLICA_EXPIRED', 'FORBIDDEN', 'GAP', 'UNKNOWN_FIELD', 'TOO_LONG']);

export function createDocument(
  name: string,
  mint: () => Replica,
  declarations: readonly FieldDeclaration[] | undefined,
  wantFlush: () => void,
  onClose: () => void,
  now: () => number = Date.now,
  reopen: () => void = () => {},
): DocumentHandle {
  const session = createSession(name, mint);
  const events = createEvents<DocumentEvents>();
  const shown = createShown(session);
  const presence = createPresence(reopen, wantFlush);
  const apis = new Map<string, { type: unknown; api: unknown }>();
  const waiting = { ready: waiter(), synced: waiter() };
  let saving: (ReturnType<typeof waiter> & { edits: number })[] = [];
  let rejected: readonly Rejection[] = [];
  let status: DocumentStatus = 'loading';
  let writer: Writer | undefined;
  let depth = 0;
  let editedInTransaction = false;

  function waiter() {
    let resolve = () => {};
    let reject = (_error: Error) => {};
    const promise = new Promise<void>((yes, no) => { resolve = yes; reject = no; });
    promise.catch(() => {}); // an app that does not wait has not lost anything
    return { promise, resolve, reject };
  }

  function setStatus(next: DocumentStatus): void {
    if (status === next) return;
    status = next;
    events.emit('status', next);
  }

  function told(local: boolean): void {
    shown.changed();
    shown.tell();
    events.emit('change', { local });
  }

  function edited(): void {
    if (depth > 0) {
      editedInTransaction = true;
      return;
    }
    told(true);
    events.emit('pending', session.pending());
    wantFlush();
  }

  function makeApi(declaration: FieldDeclaration, type: AnyFieldType): unknown {
    return type.api({
      get session() { return session.identity(); },
      now: () => session.clock(now()),
      state: () => session.view(session.numberOf(declaration)),
      look: () => shown.field(session.numberOf(declaration)),
      watch: shown.watch,
      edit(make: (change: unknown, entry: Entry) => void) {
        if (status === 'closed') throw new Error(`${name} is closed`);
        session.edit(session.numberOf(declaration), make);
        writer?.changed(true);
        shown.changed();
        edited();
      },
    });
  }

  function declare(): void {
    shown.changed();
    for (const { declaration, type } of session.fields().values()) {
      const fieldName = declaration.name;
      if (apis.get(fieldName)?.type === type) continue;
      apis.set(fieldName, { type, api: makeApi(declaration, type) });
      if (!(fieldName in document)) {
        Object.defineProperty(document, fieldName, { enumerable: true, get: () => apis.get(fieldName)?.api });
      }
    }
  }

  /** Resolved when the edits made so far are acknowledged, or rejected; others may follow meanwhile. */
  function save(wait: ReturnType<typeof waiter>): void {
    saving.push({ ...wait, edits: session.edits() });
  }

  function settleWaits(): void {
    const done = saving.filter(({ edits }) => session.isSaved(edits));
    saving = saving.filter((wait) => !done.includes(wait));
    for (const { resolve } of done) resolve();
  }

  function receive(packet: Packet): News {
    const news = session.receive(packet, now());
    if (packet.type === 'OPENED') declare();
    tell(news);
    return news;
  }

  function takeSends(messageBytes: number): { packets: Sent[]; frozen: Uint8Array[] } {
    const { told: news, ...sends } = session.takeSends(messageBytes);
    if (news.rejected.length > 0) tell(news);
    return sends;
  }

  function tell(news: News): void {
    shown.changed();
    // What the hub refused or made us move must not come back as it was.
    if (news.changed || news.pending) writer?.changed(news.renewed || news.rejected.length > 0);
    if (news.arrived) {
      setStatus('synced');
      waiting.ready.resolve();
      save(waiting.synced);
    }
    if (news.changed) told(false);
    else shown.tell();
    if (news.pending || news.rejected.length > 0) events.emit('pending', session.pending());
    rejected = [...rejected, ...news.rejected.filter(({ code }) => UNJUDGED.has(code))];
    for (const rejection of news.rejected) events.emit('rejected', rejection);
    if (news.error !== undefined) events.emit('error', news.error);
    settleWaits();
  }

  function resumed({ isShown, isAdopted }: Resumed): void {
    if (isAdopted) writer?.changed(false);
    if (status === 'closed' || (!isShown && !isAdopted)) return;
    declare();
    if (isShown) waiting.ready.resolve();
    told(false);
    events.emit('pending', session.pending());
  }

  const stored = (): Promise<void> => writer?.stored() ?? Promise.resolve();

  function giveUp(): void {
    const error = new Error(`${name} was closed`);
    for (const wait of [waiting.ready, waiting.synced, ...saving]) wait.reject(error);
    saving = [];
  }

  function shut(): void {
    setStatus('closed');
    giveUp();
    writer?.close();
  }

  async function* changes(): AsyncIterableIterator<{ local: boolean }> {
    const queue: { local: boolean }[] = [];
    let wake = () => {};
    const undo = events.on('change', (change) => {
      // A reader that lags needs to know that something changed, not how often.
      if (queue.length < 64) queue.push(change);
      wake();
    });
    const undoStatus = events.on('status', () => wake());
    try {
      while (status !== 'closed') {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => { wake = resolve; });
      }
    } finally {
      undo();
      undoStatus();
    }
  }

  const core: DocumentCore = {
    name,
    ...watchable({ look: shown.all, watch: shown.watch }),
    get value() { return shown.all().value as { readonly [field: string]: unknown }; },
    get fields() { return [...session.fields().values()].map(({ declaration }) => declaration.name); },
    get pending() { return session.pending(); },
    get status() { return status; },
    get rejected() { return rejected; },
    presence: presence.presence,
    get ready() { return waiting.ready.promise; },
    get synced() { return waiting.synced.promise; },
    get saved() {
      if (session.pending() === 0) return Promise.resolve();
      const wait = waiter();
      save(wait);
      if (status === 'closed') giveUp();
      return wait.promise;
    },
    get stored() {
      const promise = stored();
      promise.catch(() => {}); // the client has told it
      return promise;
    },
    field(fieldName) {
      const api = apis.get(fieldName)?.api;
      if (api === undefined) {
        throw new Error(apis.size === 0
          ? `the schema of ${name} is not known yet: await doc.ready, or give connect() a schema`
          : `${name} has no field ${fieldName}`);
      }
      return api;
    },
    transact(make) {
      depth += 1;
      try {
        make();
      } finally {
        depth -= 1;
        if (depth === 0 && editedInTransaction) {
          editedInTransaction = false;
          edited();
        }
      }
    },
    on: (eventName, listen) => events.on(eventName, listen),
    changes,
    close() {
      shut();
      onClose();
    },
  };
  const document = core as Document;

  /** What a schema says that was given, until something else is known. */
  function guess(fields: readonly FieldDeclaration[]): void {
    if (status === 'closed' || session.fields().size > 0) return;
    session.declare(fields);
    declare();
    waiting.ready.resolve();
    told(false);
  }

  if (declarations !== undefined) guess(declarations);

  return {
    document, guess, session, presence, receive, takeSends, shut, resumed, stored, listeners: shown.count,
    keepIn(made) { writer = made; },
    setOnline(online) {
      if (!online) session.disconnect();
      presence.begin(false);
      if (status !== 'closed') setStatus(online ? 'loading' : 'offline');
    },
  };
}
