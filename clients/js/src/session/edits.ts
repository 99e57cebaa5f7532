/** Edits: each joins the last delta of our own outbox, or begins another. */
import type { Entry, Sharing } from '../crdt/type.js';
import { canGather, canShare, entryOf, type Delta, type Outbox } from './outbox.js';
import { ownBox, type SessionState } from './state.js';

type Seen = Delta['seen'];

/** What other outboxes on this device hold is shown, so it is seen. */
function seenBeside({ outboxes }: SessionState, own: Outbox): Seen {
  return outboxes
    .filter((other) => other !== own && other.deltas.length > 0)
    .map(({ replica, deltas }) => ({ replica, seq: (deltas[deltas.length - 1] as Delta).last }));
}

function newDelta({ cursor, edits }: SessionState, box: Outbox, seen: Seen, sharing: Sharing): Delta {
  const delta: Delta = {
    first: box.seq + 1, last: box.seq, serial: edits + 1, position: cursor?.position ?? 0, seen, journal: cursor?.journal,
    changes: new Map(), sharing, restamped: false, sent: false, frozen: undefined, rejected: false,
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
    canGather(last, cursor?.position ?? 0, cursor?.journal, seen);
  const change = (gathers ? last.changes.get(number) : undefined) ?? field.type.newChange();
  make(change, entry);
  const delta = gathers ? last : newDelta(session, box, seen, sharing);
  session.edits += 1;
  box.seq += 1;
  delta.last = box.seq;
  delta.changes.set(number, change);
  box.claimed.set(number, entry);
  session.views.delete(number);
}
