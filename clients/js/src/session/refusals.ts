/** What the hub says of an update that it does not take: REJECT and GAP. */
import type { Packet } from '../protocol/packets.js';
import { isAnyStuck, moveStuck } from './moving.js';
import type { Delta, Outbox } from './outbox.js';
import { reject } from './rejecting.js';
import { boxOf, fieldOf, ownBox, RETRY_MS, type News, type SessionState } from './state.js';
import { applyPending } from './view.js';

/** The same edits once more, under the hub's clock. False: not all of them carry a time. */
function restamp(session: SessionState, box: Outbox, delta: Delta, now: number): boolean {
  const made = [...delta.changes].map(([number, change]) => ({ number, change, field: session.fields.get(number) }));
  if (made.some(({ field }) => field?.type.restamp === undefined)) return false;
  delta.rejected = true;
  // Others that the wrong clock stamped are on their way to be refused, and made again in this order: they set no time.
  const counts = (one: Delta): boolean => one.restamped && !one.rejected;
  const fresh = ownBox(session);
  fresh.seq += 1;
  fresh.deltas.push({
    ...delta, first: fresh.seq, last: fresh.seq, sent: false, stored: false, frozen: undefined, rejected: false, restamped: true,
    seen: box === fresh ? delta.seen : [...delta.seen, { replica: box.replica, seq: delta.last }],
    changes: new Map(made.map(({ number, change, field }) => [number,
      field?.type.restamp?.(change, applyPending(session, field, number, counts), now + session.clockOffset)])),
  });
  session.views = new Map();
  return true;
}

export function onReject(session: SessionState, packet: Packet & { type: 'REJECT' }, told: News, now: number): void {
  const box = boxOf(session, packet.replica);
  const delta = box?.deltas.find(({ last }) => last === packet.seq);
  if (box === undefined || delta === undefined || delta.rejected) return;
  const { field: number, now_ms: hubNow, ...details } = packet.details;
  if (packet.code === 'CLOCK_AHEAD' && typeof hubNow === 'number') {
    session.clockOffset = hubNow - now;
    told.changed = restamp(session, box, delta, now);
    if (told.changed) return;
  }
  // One that stands aside still knows the number that it had.
  const refused = [...delta.changes.keys()].map((one) => fieldOf(session, one))
    .find((field) => field?.declaration.number === number);
  const why = {
    code: packet.code, text: packet.text, field: refused?.declaration.name,
    ...(Object.keys(details).length > 0 ? { details } : {}),
  };
  const foreign = packet.code === 'FORBIDDEN' && packet.details['replica'] === true;
  if (!foreign && packet.code !== 'REPLICA_EXPIRED') return reject(session, box, delta, why, told);
  // It will refuse all the replica's updates. What was sent it may have taken once, and forgotten since; or what was not, too, is
  // the replica's owner's to send: the app decides.
  for (const one of box.deltas) {
    if ((one.sent || foreign) && one.last > box.acked && !one.rejected) reject(session, box, one, why, told);
  }
  moveStuck(session, told);
}

export function onGap(session: SessionState, packet: Packet & { type: 'GAP' }, told: News): void {
  const box = boxOf(session, packet.replica);
  if (box === undefined) return;
  const again = box.asked === packet.next;
  box.next = packet.next;
  box.asked = packet.next;
  if (isAnyStuck(session)) {
    moveStuck(session, told);
  } else if (again) {
    session.paused = true;
    told.error = {
      code: 'GAP', text: `The hub does not take update ${packet.next}.`, retryMs: RETRY_MS,
    };
  }
}
