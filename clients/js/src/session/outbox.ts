/** Outboxes: a client's updates of one document that the hub has not acknowledged yet, by the session that made them. */
import type { SeenContext } from '../crdt/context.js';
import type { Entry, Sharing } from '../crdt/type.js';
import type { Replica } from '../protocol/packets.js';
import { toHex } from '../protocol/values.js';

export type Delta = {
  first: number;
  last: number;
  /** Which of the document's edits the first one is, whatever its replica. */
  serial: number;
  position: number;
  /** Other outboxes on this device whose dots the edits had seen. */
  seen: readonly { replica: Replica; seq: number }[];
  journal: Uint8Array | undefined;
  /** By field number. */
  changes: Map<number, unknown>;
  /** What else may join it. */
  sharing: Sharing;
  /** How many bytes may join it before it is measured again. */
  room: number;
  /** Made again with a corrected clock: nothing that a wrong clock stamps joins it. */
  restamped: boolean;
  /** Sent once: nothing joins it any more, and it is re-sent byte for byte. */
  sent: boolean;
  /** Stored once: who goes on with a copy of the store may send it as it is. */
  stored: boolean;
  frozen: Uint8Array | undefined;
  /** Took no effect; what it counted is spent. It stays until those before it are settled. */
  rejected: boolean;
};

export type Outbox = {
  replica: Replica;
  name: string;
  index: number | null;
  seq: number;
  deltas: Delta[];
  /** Own entries by field: after all edits, and as far as what is confirmed includes them. */
  claimed: Map<number, Entry>;
  settled: Map<number, Entry>;
  /** The highest seq that the hub has acknowledged. */
  acked: number;
  /** Which seqs are included from which position on, as far as the cursor has not come there. */
  acks: readonly { seq: number; position: number }[];
  /** The first seq to send; everything before it is under way. */
  next: number;
  /** What the hub's last GAP asked for, if nothing has been acknowledged since. */
  asked: number | null;
};

export function createOutbox(replica: Replica): Outbox {
  return {
    replica, name: toHex(replica), index: null, seq: 0, deltas: [], claimed: new Map(),
    settled: new Map(), acked: 0, acks: [], next: 1, asked: null,
  };
}

export function entryOf(entries: Map<number, Entry>, field: number): Entry {
  let entry = entries.get(field);
  if (entry === undefined) {
    entry = { up: 0, down: 0 };
    entries.set(field, entry);
  }
  return entry;
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && toHex(a) === toHex(b));
}

/** Whether an edit of the field may travel in the delta. */
export function canShare(delta: Delta, number: number, sharing: Sharing): boolean {
  return sharing === delta.sharing && (sharing === 'all' || (sharing === 'field' && delta.changes.has(number)));
}

/**
 * Edits join while what they had seen stands still, and no copy of the store can have sent the delta without them: the hub could not
 * tell the two apart. Offline for long, a document would have a delta for each time that it was stored: beyond so many, they join.
 */
const STORED_MAX = 64;

export function canGather(
  { deltas }: Outbox, position: number, journal: Uint8Array | undefined, seen: Delta['seen'],
): boolean {
  const delta = deltas[deltas.length - 1];
  return delta !== undefined && !delta.sent && !delta.rejected && !delta.restamped &&
    (!delta.stored || deltas.length >= STORED_MAX) &&
    delta.position === position && (position === 0 || sameBytes(delta.journal, journal)) &&
    delta.seen.length === seen.length &&
    delta.seen.every(({ replica, seq }, i) => {
      const other = seen[i];
      return other !== undefined && other.seq === seq && toHex(other.replica) === toHex(replica);
    });
}

/** Everything that is not acknowledged is sent again, whatever is missing before it: the hub says so. */
export function rewind(box: Outbox): void {
  const first = box.deltas.find(({ last, rejected }) => last > box.acked && !rejected);
  // If nothing waits, from the next edit on, also if the hub has lost what it had acknowledged.
  box.next = first?.first ?? Math.max(box.seq, box.acked) + 1;
}

/** The highest seq of each replica that the hub's ledger can come to with what is held. */
export function reaches(outboxes: readonly Outbox[]): Map<string, number> {
  const reach = new Map<string, number>();
  for (const box of outboxes) {
    let seq = box.acked;
    for (const { first, last, rejected, seen } of box.deltas) {
      if (last <= seq) continue;
      const follows = first === seq + 1 && !rejected;
      if (!follows || seen.some((dot) => dot.seq > (reach.get(toHex(dot.replica)) ?? 0))) break;
      seq = last;
    }
    reach.set(box.name, seq);
  }
  return reach;
}

/** How many edits wait for the hub. */
export function pendingCount(outboxes: readonly Outbox[]): number {
  let count = 0;
  for (const { deltas } of outboxes) {
    for (const { first, last, rejected } of deltas) count += rejected ? 0 : last - first + 1;
  }
  return count;
}

/** The serial of the oldest edit that waits; Infinity if none does. */
export function oldestPending(outboxes: readonly Outbox[]): number {
  return Math.min(...outboxes.flatMap(({ deltas }) =>
    deltas.filter(({ rejected }) => !rejected).map(({ serial }) => serial)));
}

export function contextOf(delta: Delta, nameOf: (replica: Replica) => string): SeenContext {
  return {
    position: delta.position,
    seen: new Map(delta.seen.map(({ replica, seq }) => [nameOf(replica), seq])),
  };
}
