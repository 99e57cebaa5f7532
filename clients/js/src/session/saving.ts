/** What outlives the session: its saved form, and how another session goes on with it. */
import { fieldType } from '../crdt/registry.js';
import type { FieldDeclaration } from '../protocol/packets.js';
import { ProtocolError, toHex } from '../protocol/values.js';
import { createOutbox, rewind, type Delta, type Outbox } from './outbox.js';
import { readContent } from './receiving.js';
import {
  encodeConfirmed, encodeOutboxes, inOrder, newestOf, type SavedBytes, type SavedDelta, type SavedOutbox, type SavedSession,
} from './saved.js';
import { declare, shapeOf } from './schema.js';
import { dropUnheld, fieldOf, isHeld, ownBox, type Field, type SessionState } from './state.js';

/** What came of what was stored. */
export type Resumed = { isShown: boolean; isAdopted: boolean };

/** What another session needs to show the same, and to flush what waits here, after this one, or from a copy beside it. */
export function save(session: SessionState): SavedBytes {
  const { fields, aside, cursor, outboxes, identity } = session;
  session.savedConfirmed ??= encodeConfirmed(
    [...fields, ...aside].map(([number, { declaration }]) => ({ ...declaration, number })), cursor,
    new Map([...fields].map(([number, { type, state }]) => [number, type.writeContent(state)])));
  const outbox = encodeOutboxes(outboxes.filter((box) => isHeld(session, box)), identity, (changes) => new Map(
    [...changes].map(([number, change]) => [number, (fieldOf(session, number) as Field).type.encodeChange(change)])));
  for (const delta of ownBox(session).deltas) delta.stored = true;
  return { confirmed: session.savedConfirmed, outbox };
}

/** Fields that only this session knows stay, until the hub says that it lacks them. */
function withGuessed({ fields }: SessionState, saved: SavedSession): FieldDeclaration[] {
  const known = saved.fields.filter(({ number }) => number >= 0);
  const names = new Set(known.map(({ name }) => name));
  const free = Math.max(-1, ...known.map(({ number }) => number)) + 1;
  const more = [...fields.values()].filter(({ declaration }) => !names.has(declaration.name))
    .map(({ declaration }, i) => ({ ...declaration, number: free + i }));
  return [...known, ...more];
}

/** Shows what another session had confirmed, unless the hub has told more by now. */
export function show(session: SessionState, saved: SavedSession): boolean {
  if (session.cursor !== null || saved.cursor === null) return false;
  declare(session, withGuessed(session, saved));
  readContent(session, Object.fromEntries(saved.contents), true);
  session.cursor = saved.cursor;
  return true;
}

function adoptDelta(session: SessionState, saved: SavedDelta, placed: (number: number) => number): Delta {
  const serial = session.edits + 1;
  session.edits += saved.last - saved.first + 1;
  const changes = new Map([...saved.changes].map(([number, change]) => {
    const place = placed(number);
    return [place, (fieldOf(session, place) as Field).type.decodeChange(change)];
  }));
  return { ...saved, serial, changes, sharing: 'none', room: 0, sent: true, stored: true, frozen: undefined };
}

/** Its session is over: nothing joins its updates any more, and all count as sent. */
function adoptBox(session: SessionState, saved: SavedOutbox, placed: (number: number) => number): Outbox {
  const box = createOutbox(saved.replica);
  Object.assign(box, { index: saved.index, seq: saved.seq, acked: saved.acked });
  box.settled = new Map([...saved.settled].map(([number, entry]) => [placed(number), { ...entry }]));
  box.deltas = saved.deltas.map((delta) => adoptDelta(session, delta, placed));
  rewind(box);
  return box;
}

/** Where what is held of a field so declared is kept here. */
function placeOf(session: SessionState, declaration: FieldDeclaration): number {
  const isIt = ([, field]: [number, Field]): boolean =>
    field.declaration.name === declaration.name && shapeOf(field.declaration) === shapeOf(declaration);
  const found = [...session.fields, ...session.aside].find(isIt);
  if (found !== undefined) return found[0];
  const type = fieldType(declaration);
  if (type === undefined) throw new ProtocolError(`a field of type ${declaration.type} that a later client knows`);
  session.aside.set(--session.lastAside, { declaration, type, state: type.create() });
  session.savedConfirmed = null;
  return session.lastAside;
}

/** By the saved session's numbers, the places that its fields have here. */
function placing(session: SessionState, saved: SavedSession): (number: number) => number {
  const places = new Map<number, number>();
  return (number) => {
    const declaration = saved.fields.find((field) => field.number === number);
    if (declaration === undefined) throw new ProtocolError(`an update of a field ${number} that is not declared`);
    const place = places.get(number) ?? placeOf(session, declaration);
    places.set(number, place);
    return place;
  };
}

/**
 * Goes on with the outboxes of a session that is over, under their own replicas: before the stream is open, oldest session first.
 * Throws a ProtocolError, and then none of its outboxes are taken.
 */
export function adopt(session: SessionState, saved: SavedSession): void {
  const placed = placing(session, saved);
  const held = new Set(session.outboxes.map(({ name }) => name));
  const taken = saved.outboxes
    .filter(({ replica }) => !held.has(toHex(replica))).map((box) => adoptBox(session, box, placed));
  session.outboxes = [...session.outboxes.slice(0, -1), ...taken, ownBox(session)];
  dropUnheld(session);
  if (ownBox(session).seq === 0) session.identity = saved.lease;
  session.views = new Map();
}

/** Shows what others had confirmed, and goes on with the outboxes of those that are over. */
export function resume(session: SessionState, seen: readonly SavedSession[], adopted: readonly SavedSession[]): Resumed {
  const newest = newestOf(seen);
  const isShown = newest !== undefined && show(session, newest);
  for (const one of inOrder(adopted)) adopt(session, one);
  return { isShown, isAdopted: adopted.length > 0 };
}
