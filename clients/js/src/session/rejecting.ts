/** Updates that take no effect: what each would have done is the app's again, and what it counted is spent. */
import type { Entry } from '../crdt/type.js';
import { entryOf, type Delta, type Outbox } from './outbox.js';
import { misfit } from './schema.js';
import { fieldOf, type Field, type News, type Rejection, type SessionState } from './state.js';

/** The entries that the replica had before it made the delta. */
function entriesBefore(session: SessionState, box: Outbox, delta: Delta): Map<number, Entry> {
  const entries = new Map([...box.settled].map(([number, entry]) => [number, { ...entry }]));
  for (const { changes } of box.deltas.slice(0, box.deltas.indexOf(delta))) {
    for (const [number, change] of changes) fieldOf(session, number)?.type.spend(entryOf(entries, number), change);
  }
  return entries;
}

/** The delta's changes as those of a replica with these entries. */
export function rename(session: SessionState, box: Outbox, delta: Delta, entries: Map<number, Entry>): Map<number, unknown> {
  const before = entriesBefore(session, box, delta);
  const changes = new Map<number, unknown>();
  for (const [number, change] of delta.changes) {
    const { type } = fieldOf(session, number) as Field;
    changes.set(number, type.rename(change, entryOf(before, number), entryOf(entries, number)));
  }
  return changes;
}

export function reject(
  session: SessionState, box: Outbox, delta: Delta, why: Omit<Rejection, 'seq' | 'edits'>, told: News,
): void {
  const edits = Object.fromEntries([...rename(session, box, delta, new Map())].map(([number, change]) => {
    const { declaration, type } = fieldOf(session, number) as Field;
    return [declaration.name, type.edits(change)];
  }));
  told.rejected.push({ ...why, seq: delta.last, edits });
  told.changed = true;
  delta.rejected = true;
  session.views = new Map();
}

/** The app has what `why` names a reason for again. The rest is sent without it, be it nothing: seqs have no gaps. */
function takeOut(
  session: SessionState, box: Outbox, delta: Delta, why: (number: number, field: Field) => Pick<Rejection, 'code' | 'text'> | undefined,
  told: News,
): void {
  const before = entriesBefore(session, box, delta);
  for (const [number, change] of delta.changes) {
    const field = fieldOf(session, number) as Field;
    const reason = why(number, field);
    if (reason === undefined) continue;
    const { declaration, type } = field;
    told.rejected.push({
      ...reason, field: declaration.name, seq: delta.last,
      edits: { [declaration.name]: type.edits(type.rename(change, entryOf(before, number), { up: 0, down: 0 })) },
    });
    type.spend(entryOf(box.settled, number), change);
    delta.changes.delete(number);
    delta.frozen = undefined;
    told.changed = true;
  }
  session.views = new Map();
}

/** What the hub cannot know would be refused with all that travels beside it, or be taken for another field's. */
export function handBack(session: SessionState, box: Outbox, delta: Delta, told: News): void {
  if (delta.rejected || delta.last <= box.acked) return;
  takeOut(session, box, delta, (number, { declaration }) =>
    (session.aside.has(number) ? { code: 'UNKNOWN_FIELD', text: `${misfit(session, declaration)}` } : undefined), told);
}

/** A message that the hub does not take would end the connection each time that it is sent. */
export function handBackLong(session: SessionState, box: Outbox, delta: Delta, told: News): void {
  const text = `The hub takes no update of more than ${session.messageBytes} bytes (its limits.message_bytes).`;
  takeOut(session, box, delta, () => ({ code: 'TOO_LONG', text }), told);
}
