/**
 * Moving: the hub can never take some of what is held under the replica that made it: it has lost updates before it, or the replica
 * has expired. All that, in its order, goes on under a fresh replica (docs/protocol.md, section 2).
 */
import { toHex } from '../protocol/values.js';
import { createOutbox, reaches, type Delta, type Outbox } from './outbox.js';
import { reject, rename } from './rejecting.js';
import { begin, disconnect, type News, type SessionState } from './state.js';

const isStuck = (delta: Delta, reached = 0): boolean => delta.last > reached && !delta.rejected;

export function isAnyStuck({ outboxes }: SessionState): boolean {
  const reach = reaches(outboxes);
  return outboxes.some(({ name, deltas }) => deltas.some((delta) => isStuck(delta, reach.get(name))));
}

export function moveStuck(session: SessionState, told: News): void {
  const reach = reaches(session.outboxes);
  const fresh = createOutbox(session.mint());
  for (const box of session.outboxes) {
    const reached = reach.get(box.name) ?? 0;
    for (const delta of box.deltas.filter((one) => isStuck(one, reached))) {
      if (delta.first > box.acked) fresh.deltas.push(moved(session, box, delta, fresh, reach));
      else reject(session, box, delta, { code: 'GAP', text: 'The hub has only a part of this update.', field: undefined }, told);
    }
    box.deltas = box.deltas.filter(({ last }) => last <= reached);
  }
  begin(session, fresh);
  disconnect(session);
  told.renewed = true;
  told.changed = true;
}

function moved(session: SessionState, box: Outbox, delta: Delta, fresh: Outbox, reach: Map<string, number>): Delta {
  const first = fresh.seq + 1;
  fresh.seq += delta.last - delta.first + 1;
  const seen = [...delta.seen, { replica: box.replica, seq: delta.first - 1 }].map(
    ({ replica, seq }) => ({ replica, seq: Math.min(seq, reach.get(toHex(replica)) ?? 0) }));
  return {
    ...delta, first, last: fresh.seq, seen: seen.filter(({ seq }) => seq > 0),
    changes: rename(session, box, delta, fresh.claimed), sent: false, stored: false, frozen: undefined,
  };
}
