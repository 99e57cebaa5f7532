/** Edits: each joins the last delta of our own outbox, or begins another. */
import type { Entry, Sharing } from '../crdt/type.js';
import { encodeValue } from '../protocol/values.js';
import { canGather, canShare, entryOf, type Delta, type Outbox } from './outbox.js';
import { ownBox, type Field, type SessionState } from './state.js';

type Seen = Delta['seen'];

/** What one edit can add to a delta: an element of 4 KiB, or a value of 64 KiB below keys of maps. */
function mostOf({ declaration: { type } }: Field): number {
  if (type.endsWith('counter') || type === 'flag') return 128;
  return type.endsWith('set') ? 5 * 1024 : 80 * 1024;
}

function bytesOf({ fields }: SessionState, { changes }: Delta): number {
  return [...changes].reduce((sum, [number, change]) => sum + encodeValue(fields.get(number)?.type.encodeChange(change)).length, 0);
}

/** What a delta may hold, and leave room for the rest of its message. */
const bytesMax = ({ messageBytes }: SessionState): number => messageBytes - messageBytes / 16;

/**
 * Measures it only when what has joined since could have filled it: to measure is to encode. One that has filled a quarter takes no
 * more: it would be measured ever more often.
 */
function hasRoom(session: SessionState, delta: Delta, most: number): boolean {
  if (delta.room < most) {
    const bytes = bytesOf(session, delta);
    delta.room = bytes < session.messageBytes / 4 ? bytesMax(session) - bytes : 0;
  }
  return delta.room >= most;
}

/** What other outboxes on this device hold is shown, so it is seen. */
function seenBeside({ outboxes }: SessionState, own: Outbox): Seen {
  return outboxes
    .filter((other) => other !== own && other.deltas.length > 0)
    .map(({ replica, deltas }) => ({ replica, seq: (deltas[deltas.length - 1] as Delta).last }));
}

function newDelta(session: SessionState, box: Outbox, seen: Seen, sharing: Sharing): Delta {
  const { cursor, edits } = session;
  const delta: Delta = {
    first: box.seq + 1, last: box.seq, serial: edits + 1, position: cursor?.position ?? 0, seen, journal: cursor?.journal,
    changes: new Map(), sharing, room: bytesMax(session), restamped: false, sent: false, stored: false, frozen: undefined,
    rejected: false,
  };
  box.deltas.push(delta);
  return delta;
}

/** Throws what `make` throws, and then nothing has changed. */
export function edit(session: SessionState, number: number, make: (change: unknown, entry: Entry) => void): void {
  const field = session.fields.get(number);
  if (field === undefined) throw new Error(`no field has number ${number}`);
  const box = ownBox(session);
  const { cursor } = session;
  const { sharing } = field.type;
  const seen = seenBeside(session, box);
  const entry = { ...entryOf(box.claimed, number) };
  const last = box.deltas[box.deltas.length - 1];
  const gathers = last !== undefined && canShare(last, number, sharing) &&
    canGather(box, cursor?.position ?? 0, cursor?.journal, seen) && hasRoom(session, last, mostOf(field));
  const change = (gathers ? last.changes.get(number) : undefined) ?? field.type.newChange();
  make(change, entry);
  const delta = gathers ? last : newDelta(session, box, seen, sharing);
  session.edits += 1;
  box.seq += 1;
  delta.last = box.seq;
  delta.room -= mostOf(field);
  delta.changes.set(number, change);
  box.claimed.set(number, entry);
  session.views.delete(number);
}
