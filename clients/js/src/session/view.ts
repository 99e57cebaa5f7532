/** The view of a field: what is confirmed, with the outboxes applied by the hub's own rules. */
import { PENDING } from '../crdt/context.js';
import type { Entry } from '../crdt/type.js';
import { contextOf, entryOf, type Delta } from './outbox.js';
import { replicaName, type Field, type SessionState } from './state.js';

export function viewOf(session: SessionState, number: number): unknown {
  const cached = session.views.get(number);
  if (cached !== undefined) return cached;
  const field = session.fields.get(number);
  if (field === undefined) throw new Error(`no field has number ${number}`);
  const touched = session.outboxes.some((box) => box.deltas.some((delta) => delta.changes.has(number)));
  const view = touched ? applyPending(session, field, number) : field.state;
  session.views.set(number, view);
  return view;
}

/** `counts`: the deltas that take effect. */
export function applyPending(
  session: SessionState, { type, state }: Field, number: number, counts = (delta: Delta) => !delta.rejected,
): unknown {
  const view = type.copy(state);
  for (const box of session.outboxes) {
    const entry: Entry = { ...entryOf(box.settled, number) };
    for (const delta of box.deltas) {
      const change = delta.changes.get(number);
      if (change === undefined) continue;
      const update = {
        replica: replicaName(session, box.replica), first: delta.first, last: delta.last, position: PENDING,
        context: contextOf(delta, (replica) => replicaName(session, replica)),
      };
      if (counts(delta) && (type.check?.(view, entry, change, update) ?? true)) type.apply(view, entry, change, update);
      else type.spend(entry, change);
    }
  }
  return view;
}
