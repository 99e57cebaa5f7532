/** Syncline's client for browsers and Node. */
export { CallError } from './client.js';
export { connect } from './connect.js';
export type { ClientEvents, ClientMode, ClientStatus, ConnectOptions, SchemaOption } from './client.js';
export type { AnyFields, Document, DocumentCore, DocumentEvents, DocumentStatus, DocumentWith } from './document.js';
export type { AnySchemas, Client, SchemaOf } from './schema.js';
export type { BoundedCounter, NestedBoundedCounter } from './crdt/bounded.js';
export type { Counter, PnCounter } from './crdt/counter.js';
export type { Flag } from './crdt/flag.js';
export type { GSet } from './crdt/gset.js';
export type { Watchable } from './crdt/look.js';
export type { LiveMap } from './crdt/map.js';
export type { OrSet } from './crdt/orset.js';
export type { MvRegister } from './crdt/mvregister.js';
export type { LwwRegister } from './crdt/register.js';
export type { TwoPhaseSet } from './crdt/twophase.js';
export type { DeclarationOption, ElementOf } from './protocol/declarations.js';
export type { Element } from './protocol/elements.js';
export type { Peer, Presence } from './presence.js';
export { memoryStore } from './store/memory.js';
export { indexedDbStore } from './store/device.js';
export type { IndexedDbStore } from './store/indexeddb.js';
export { StoreError } from './store/store.js';
export type { Store, StoredSession, StoreErrorCode } from './store/store.js';
export type { TokenOption } from './token.js';
export type { Rejection } from './session/session.js';

/**
 * Where an app says once what its documents are, for every `connect` and every hook:
 * `declare module 'syncline' { interface Register { schemas: Schemas } }`.
 */
export interface Register {}
