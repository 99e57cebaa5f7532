/**
 * The interface that all types share. Nothing outside a type's own file, and the lists in registry.ts and more.ts, names a type.
 * The laws are those of the C side's crdt/field.h. A type stands for one declaration: its options are its own business.
 */
import type { Declaration } from '../protocol/declarations.js';
import type { Value } from '../protocol/values.js';
import type { Update } from './context.js';
import type { Look, LookHost } from './look.js';

/** All that a replica has counted up and down in a field; only it raises them. */
export type Entry = { up: number; down: number };

/** What a field's public object needs of its document. */
export type FieldHost<State, Change> = LookHost & {
  /** The view: what is confirmed with every pending edit on top. */
  state(): State;
  /** Makes an edit: `change` is the pending change it gathers into, `entry` the replica's own. */
  edit(make: (change: Change, entry: Entry) => void): void;
  /** The hub's clock in milliseconds, as far as it is known here. */
  now(): number;
  /** Names this session whatever replica it goes on under, or the one before it whose leases it goes on with. */
  session: Uint8Array;
};

/**
 * Which edits travel in one update with an edit of the type: all that can, those of the same field, or none. What the hub may refuse
 * for reasons that the client cannot foresee travels alone, so that it is refused alone.
 */
export type Sharing = 'all' | 'field' | 'none';

export interface FieldType<State, Change, Api> {
  readonly sharing: Sharing;
  create(): State;
  copy(state: State): State;
  newChange(): Change;
  /** Whether the hub would take the change now; a type without it is never refused for its state. */
  check?(state: State, entry: Entry, change: Change, update: Update): boolean;
  /** Applies a change that the hub accepts, or will. */
  apply(state: State, entry: Entry, change: Change, update: Update): void;
  /** Takes note of a rejected change, so that what it counted never counts. */
  spend(entry: Entry, change: Change): void;
  /** The change as that of a replica whose entry is `entry`, which it raises; the one that made it had `before`. */
  rename(change: Change, before: Entry, entry: Entry): Change;
  /** The change as if made at `now`, where changes carry the time. */
  restamp?(change: Change, state: State, now: number): Change;
  /** What the change does, as a plain value, if its replica had counted nothing before. */
  edits(change: Change): unknown;
  encodeChange(change: Change): unknown;
  decodeChange(value: Value): Change;
  /** Makes what a SNAPSHOT or UPDATE says so. Throws a ProtocolError. */
  readContent(state: State, content: Value): void;
  /** What a SNAPSHOT says of the confirmed state, to be encoded: read into an empty state it gives this one. */
  writeContent(state: State): unknown;
  /** What is seen of the state: `before`, the look that was taken last, if that is the same. */
  look(state: State, before?: Look): Look;
  api(host: FieldHost<State, Change>): Api;
}

/** A type as it is inside a map, where a key can be removed with all that stands under it. */
export interface NestedType<State, Change, Api> extends FieldType<State, Change, Api> {
  /** Drops what the update covers. */
  forget(state: State, update: Update): void;
  /** Whether the hub would let the state stand; a type without it has no bounds. */
  isInside?(state: State): boolean;
}

/** A type whose parameters are its own business. */
export type AnyFieldType = FieldType<unknown, unknown, unknown>;
export type AnyNestedType = NestedType<unknown, unknown, unknown>;

/** A line of the registry. Undefined: the declaration cannot be one of the type. */
export type MakeType = (declared: Declaration) => FieldType<any, any, unknown> | undefined;
export type TypeList = readonly (readonly [name: string, make: MakeType])[];
