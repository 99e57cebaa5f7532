/**
 * React: a thin skin over `subscribe`. Hooks read snapshots that stay the same until something changes (crdt/look.ts), so that all
 * components of a render show the same, and one renders again only if what it reads has changed.
 */
import {
  createContext, createElement, useCallback, useContext, useEffect, useMemo, useReducer, useRef, useState, useSyncExternalStore,
  type ReactElement, type ReactNode,
} from 'react';
import { createClient, type ClientCore, type ClientStatus, type ConnectOptions } from '../client.js';
import { HOST, type Hosted, type Look, type Watchable } from '../crdt/look.js';
import type { DocumentCore, DocumentWith, Holding } from '../document.js';
import type { Peer, Presence } from '../presence.js';
import { withOpeners, type Client, type DocumentNamed, type IfGiven, type NameIn, type RegisteredSchemas } from '../schema.js';
import { hold, keep } from './leases.js';

/** What all fields have. */
export type Field<Value = unknown> = Watchable & { readonly value: Value };
export type ValueOf<OneField> = OneField extends { readonly value: infer Value } ? Value : unknown;

/** Of the app's schemas, if it has declared them; else its fields could be any. */
export type DocumentCalled<Name extends string> = string extends keyof RegisteredSchemas
  ? DocumentWith<{ readonly [field: string]: Field }> : DocumentNamed<RegisteredSchemas, Name>;

export type SynclineProviderProps = { children?: ReactNode } & (
  | { client: Client<any>; url?: undefined; options?: undefined }
  | { client?: undefined; url: string; options?: ConnectOptions });

const ClientContext = createContext<ClientCore | null>(null);

/**
 * Gives the components below it their client: one that the app has and closes, or one of its own, connected to `url` while it is
 * mounted. The options are those of its first render; another `url` mounts what is below it anew.
 */
export function SynclineProvider(props: SynclineProviderProps): ReactElement {
  const { client, url, options, children } = props;
  if (client !== undefined) return createElement(ClientContext.Provider, { value: client }, children);
  return createElement(OwnClient, { key: url, url, options }, children);
}

function OwnClient({ url, options, children }: { url: string; options?: ConnectOptions | undefined; children?: ReactNode }): ReactElement {
  const make = (): ClientCore => withOpeners<any>(createClient(url, { ...options, autoConnect: false }));
  const [client, setClient] = useState(make);
  const mounts = useRef(0);
  if (client.status === 'closed') setClient(make()); // what was hidden for a while is shown again
  useEffect(() => {
    if (client.status === 'closed') {
      setClient(make());
      return undefined;
    }
    mounts.current += 1;
    client.reconnect();
    return () => {
      mounts.current -= 1;
      setTimeout(closeUnused, 0, client, () => mounts.current > 0);
    };
  }, [client]);
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** A client that goes takes what its documents have not sent with it, so one that can still send does so first. */
function closeUnused(client: ClientCore, isUsed: () => boolean): void {
  if (isUsed()) return;
  if (client.pending === 0 || client.status !== 'online') return client.close();
  const undos = [client.on('pending', again), client.on('status', again)];
  function again(): void {
    for (const undo of undos) undo();
    closeUnused(client, isUsed);
  }
}

function useCore(): ClientCore {
  const client = useContext(ClientContext);
  if (client === null) throw new Error('there is no <SynclineProvider> around this component');
  return client;
}

export function useClient(): Client {
  return useCore() as unknown as Client;
}

/**
 * The document, open while a component uses it, and after the last one has gone until its edits are saved. All that ask for one name
 * have the same document, on one stream. One that the app has opened itself stays open. `Fields` says what it holds, if `Register` does
 * not.
 */
export function useDocument<Fields = never>(name: IfGiven<Fields, string>): DocumentWith<Fields>;
export function useDocument<Name extends string>(name: NameIn<RegisteredSchemas, Name>): DocumentCalled<Name>;
export function useDocument(name: string): unknown {
  const client = useCore();
  const [, renderAgain] = useReducer((count: number) => count + 1, 0);
  const document = hold(client, name);
  useEffect(() => {
    if (client.status === 'closed') return undefined;
    const kept = keep(client, name);
    if (kept.document !== document) renderAgain(); // it was closed between the render and now
    return kept.release;
  }, [client, name, document]);
  return document;
}

/**
 * A field's value, or what `select` makes of the field; undefined while the document does not know such a field, and on a server.
 * Renders again only if that is another by Object.is: `useField(post, 'tags', (tags) => tags.has('x'))`.
 */
export function useField<Fields, Name extends keyof Fields & string>(
  document: Holding<Fields>, name: Name): ValueOf<Fields[Name]> | undefined;
export function useField<Fields, Name extends keyof Fields & string, Selected>(
  document: Holding<Fields>, name: Name, select: (field: Fields[Name]) => Selected): Selected | undefined;
export function useField(held: Holding<unknown>, name: string, select: (field: never) => unknown = valueOf): unknown {
  const document = held as DocumentCore;
  const subscribe = useCallback((listener: () => void) =>
    hostOf(document).watch(() => lookOf(document, name), listener), [document, name]);
  const snapshot = useMemo(() => selection(document, name, select), [document, name, select]);
  return useSyncExternalStore(subscribe, snapshot, nothing);
}

const nothing = (): undefined => undefined;
const valueOf = ({ value }: Field): unknown => value;
const unknown: Look = { value: undefined };
const hostOf = (object: unknown) => (object as Hosted)[HOST];

/** By the field's name: that a schema came, or another, is a change too. */
function lookOf(document: DocumentCore, name: string): Look {
  return document.fields.includes(name) ? hostOf(document.field(name)).look() : unknown;
}

/** Selects once for each look, so that also what `select` makes anew each time is a stable snapshot. */
function selection(document: DocumentCore, name: string, select: (field: never) => unknown): () => unknown {
  let last: Look | undefined;
  let selected: unknown;
  return () => {
    const look = lookOf(document, name);
    if (look !== last) selected = look === unknown ? undefined : select(document.field(name) as never);
    last = look;
    return selected;
  };
}

export function useConnectionStatus(): ClientStatus {
  const client = useCore();
  const subscribe = useCallback((listener: () => void) => client.on('status', listener), [client]);
  return useSyncExternalStore(subscribe, () => client.status, () => 'connecting');
}

type Pending = { readonly pending: number; on(name: 'pending', listen: (count: number) => void): () => void };

/** How many edits the hub has not acknowledged: of the document, or of all that the client has open. */
export function usePending(document?: Pending): number {
  const client = useContext(ClientContext);
  const source: Pending | null = document ?? client;
  if (source === null) throw new Error('there is no <SynclineProvider> around this component');
  const subscribe = useCallback((listener: () => void) => source.on('pending', listener), [source]);
  return useSyncExternalStore(subscribe, () => source.pending, () => 0);
}

const nobody: readonly Peer[] = Object.freeze([]);

/** The others who have the document open. Say who you are with `document.presence.set`. */
export function usePresence(document: { readonly presence: Presence }): readonly Peer[] {
  const { presence } = document;
  return useSyncExternalStore(presence.subscribe, () => presence.peers, () => nobody);
}
