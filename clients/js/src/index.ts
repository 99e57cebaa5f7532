/** Syncline's client for browsers and Node. */
export { connect } from './client.js';
export type { Client, ClientEvents, ClientStatus, ConnectOptions, SchemaOption } from './client.js';
export type { Document, DocumentCore, DocumentEvents, DocumentStatus } from './document.js';
export type { BoundedCounter, NestedBoundedCounter } from './crdt/bounded.js';
export type { Counter, PnCounter } from './crdt/counter.js';
export type { Flag } from './crdt/flag.js';
export type { GSet } from './crdt/gset.js';
export type { Watchable } from './crdt/look.js';
export type { LiveMap } from './crdt/map.js';
export type { OrSet } from './crdt/orset.js';
export type { LwwRegister, MvRegister } from './crdt/register.js';
export type { TwoPhaseSet } from './crdt/twophase.js';
export type { DeclarationOption, ElementOf } from './protocol/declarations.js';
export type { Element } from './protocol/elements.js';
export type { Peer, Presence } from './presence.js';
export type { Rejection } from './session/session.js';
