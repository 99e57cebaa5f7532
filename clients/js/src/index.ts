/** Syncline's client for browsers and Node. */
export { connect } from './client.js';
export type { Client, ClientEvents, ClientStatus, ConnectOptions, SchemaOption } from './client.js';
export type { Document, DocumentCore, DocumentEvents, DocumentStatus } from './document.js';
export type { Counter, PnCounter } from './crdt/counter.js';
export type { OrSet } from './crdt/orset.js';
export type { DeclarationOption, ElementOf } from './protocol/declarations.js';
export type { Element } from './protocol/elements.js';
export type { Rejection } from './session/session.js';
