/** Acknowledged updates: held until the confirmed state includes them, so that no value flickers and nothing counts twice. */
import { entryOf, type Delta, type Outbox } from './outbox.js';
import { dropUnheld, fieldOf, type SessionState } from './state.js';

/** Drops what the confirmed state includes. */
export function settle(session: SessionState): void {
  const position = session.cursor?.position ?? 0;
  for (const box of session.outboxes) {
    const reached = box.acks.filter((ack) => ack.position <= position);
    if (reached.length === 0) continue;
    const included = Math.max(...reached.map(({ seq }) => seq));
    box.acks = box.acks.filter((ack) => ack.position > position);
    while (box.deltas[0] !== undefined && box.deltas[0].last <= included) {
      const delta = box.deltas.shift() as Delta;
      for (const [number, change] of delta.changes) {
        fieldOf(session, number)?.type.spend(entryOf(box.settled, number), change);
        session.views.delete(number);
      }
    }
  }
  dropUnheld(session);
}

export function acknowledge(
  session: SessionState, box: Outbox | undefined, seq: number, position: number, index: number | null,
): void {
  if (box === undefined) return;
  if (index !== null && box.index === null) {
    box.index = index;
    session.views = new Map();
  }
  if (!box.acks.some((ack) => ack.seq >= seq && ack.position <= position)) {
    box.acks = [...box.acks, { seq, position }];
  }
  if (seq > box.acked) box.asked = null;
  box.acked = Math.max(box.acked, seq);
  box.next = Math.max(box.next, seq + 1);
  settle(session);
}
