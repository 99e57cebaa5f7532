/**
 * The interface that all types share. Nothing outside a type's own file, and the list in registry.ts, names a type.
 * The laws are those of the C side's crdt/field.h.
 */
import type { ElementOf } from '../protocol/elements.js';
import type { Value } from '../protocol/values.js';
import type { ReplicaName, SeenContext, Update } from './context.js';

/** All that a replica has counted up and down in a field; only it raises them. */
export type Entry = { up: number; down: number };

/** A full state's way into a field. */
export type Join = {
  source: SeenContext;
  target: SeenContext;
  position: number;
  /** The entry of a replica in the joining document, and in the full state. */
  ours(replica: ReplicaName): Entry;
  theirs: ReadonlyMap<ReplicaName, Entry>;
};

/** What a field's public object needs of its document. */
export type FieldHost<State, Change> = {
  /** The view: what is confirmed with every pending edit on top. */
  state(): State;
  /** Makes an edit: `change` is the pending change it gathers into, `entry` the replica's own. */
  edit(make: (change: Change, entry: Entry) => void): void;
  of: ElementOf;
};

export interface FieldType<State, Change, Api> {
  readonly name: string;
  create(): State;
  copy(state: State): State;
  newChange(): Change;
  /** Applies a change that the hub accepts, or will. */
  apply(state: State, entry: Entry, change: Change, update: Update): void;
  /** Takes note of a rejected change, so that what it counted never counts. */
  spend(entry: Entry, change: Change): void;
  join(state: State, source: State, join: Join): void;
  /** The change as that of a replica whose entry is `entry`, which it raises; the one that made it had `before`. */
  rename(change: Change, before: Entry, entry: Entry): Change;
  /** What the change does, as a plain value, if its replica had counted nothing before. */
  edits(change: Change): unknown;
  encodeChange(change: Change): unknown;
  decodeChange(value: Value, of: ElementOf): Change;
  /** Makes what a SNAPSHOT or UPDATE says so. Throws a ProtocolError. */
  readContent(state: State, content: Value, of: ElementOf): void;
  /** A plain value that JSON can hold. */
  value(state: State): unknown;
  api(host: FieldHost<State, Change>): Api;
}

/** A type whose parameters are its own business. */
export type AnyFieldType = FieldType<unknown, unknown, unknown>;
