/** The way to the hub: OPEN, and the outboxes' deltas, each frozen when it is sent first. */
import { freezeDelta, thawDelta, type Packet, type Sent } from '../protocol/packets.js';
import { toHex } from '../protocol/values.js';
import type { Delta, Outbox } from './outbox.js';
import { handBackLong } from './rejecting.js';
import { createNews, disconnect, isHeld, ownBox, type News, type SessionState } from './state.js';

/** The hub tells of no more refusals again, should they be lost. */
const IN_FLIGHT = 16;

export function open(session: SessionState, id: number, connectionJournal: Uint8Array): Packet & { type: 'OPEN' } {
  disconnect(session);
  const { journal, named, outboxes, cursor, name } = session;
  const own = ownBox(session);
  session.stream = id;
  session.replies = [];
  const moved = journal !== null && toHex(journal) !== toHex(connectionJournal);
  if (moved || named[0] !== own) refreeze(session);
  session.journal = connectionJournal;
  session.named = [own, ...outboxes.filter((box) => box !== own && isHeld(session, box))];
  return {
    type: 'OPEN', id, name, replicas: session.named.map(({ replica }) => replica),
    ...(cursor && { cursor: [cursor.journal, cursor.position] }),
  };
}

/** A context says which journal it counts in, if not the connection's; an update, whose it is, if not the stream's own. */
function refreeze({ outboxes }: SessionState): void {
  for (const box of outboxes) for (const delta of box.deltas) delta.frozen = undefined;
}

function encode({ fields, journal, named }: SessionState, box: Outbox, delta: Delta): Uint8Array {
  if (delta.frozen !== undefined) return delta.frozen;
  const changes = new Map<number, unknown>();
  for (const [number, change] of delta.changes) {
    changes.set(number, fields.get(number)?.type.encodeChange(change));
  }
  const foreign = delta.journal !== undefined && journal !== null &&
    toHex(delta.journal) !== toHex(journal);
  delta.frozen = freezeDelta({
    type: 'DELTA', id: 0, replica: box === named[0] ? null : box.replica, first: delta.first,
    last: delta.last, changes,
    context: {
      position: delta.position, seen: delta.seen,
      ...(foreign && delta.journal !== undefined ? { journal: delta.journal } : {}),
    },
  });
  return delta.frozen;
}

function countInFlight(outboxes: readonly Outbox[]): number {
  const isInFlight = ({ next, acked }: Outbox, { sent, last }: Delta): boolean => sent && last < next && last > acked;
  return outboxes.reduce((sum, box) => sum + box.deltas.filter((delta) => isInFlight(box, delta)).length, 0);
}

function thawed(session: SessionState, stream: number, box: Outbox, delta: Delta, told: News): Uint8Array {
  const packet = thawDelta(stream, encode(session, box, delta));
  if (packet.length <= session.messageBytes) return packet;
  handBackLong(session, box, delta, told);
  return thawDelta(stream, encode(session, box, delta));
}

/** What can be sent now: outboxes oldest first, each in order. No message may be longer than `messageBytes`. */
export function takeSends(session: SessionState, messageBytes = session.messageBytes): { packets: Sent[]; frozen: Uint8Array[]; told: News } {
  const { replies: packets, stream, outboxes } = session;
  const frozen: Uint8Array[] = [];
  const told = createNews();
  session.messageBytes = messageBytes;
  session.replies = [];
  if (!session.arrived || session.paused || stream === null) return { packets, frozen, told };
  let room = IN_FLIGHT - countInFlight(outboxes);
  for (const box of outboxes) {
    for (const delta of box.deltas) {
      if (delta.first !== box.next || room <= 0) continue;
      if (delta.rejected) { // a restored hub may have lost that: it is to say so
        box.next = delta.last + 1;
        continue;
      }
      frozen.push(thawed(session, stream, box, delta, told));
      delta.sent = true;
      box.next = delta.last + 1;
      room -= 1;
    }
  }
  return { packets, frozen, told };
}
