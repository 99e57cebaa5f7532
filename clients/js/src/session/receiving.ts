/** What the hub sends on the stream: each packet has its way in. */
import type { Fields, Packet } from '../protocol/packets.js';
import { ProtocolError } from '../protocol/values.js';
import { createOutbox, rewind, sameBytes } from './outbox.js';
import { onGap, onReject } from './refusals.js';
import { handBack } from './rejecting.js';
import { declare } from './schema.js';
import { acknowledge, settle } from './settling.js';
import { begin, boxOf, disconnect, RETRY_MS, type News, type SessionState } from './state.js';
import { endTransfer, onChunk } from './transfers.js';

function onOpened(session: SessionState, packet: Packet & { type: 'OPENED' }, told: News): void {
  declare(session, packet.fields);
  session.opened = true;
  for (const [i, { index, seq }] of packet.ledger.entries()) {
    const box = session.named[i];
    if (box === undefined) throw new ProtocolError('OPENED answers for a replica not named');
    box.index = index;
    box.acked = seq;
    box.acks = [{ seq, position: packet.position }];
    box.asked = null;
    rewind(box);
  }
  for (const box of session.outboxes) for (const delta of box.deltas) handBack(session, box, delta, told);
  session.views = new Map();
}

/** `fresh`: it is all that there is. */
export function readContent(session: SessionState, content: Fields, fresh: boolean): void {
  session.savedConfirmed = null;
  if (fresh) for (const field of session.fields.values()) field.state = field.type.create();
  for (const [key, value] of Object.entries(content)) {
    const field = session.fields.get(Number(key));
    if (field === undefined) continue; // of a type that a later client knows
    field.type.readContent(field.state, value);
  }
  session.views = new Map();
}

/**
 * Whether the UPDATE brings the cursor on. One connection can serve several sessions from the oldest of their cursors, so it may begin
 * before this one: what it says is absolute, and is so once more. Positions of two journals cannot be compared.
 */
function leadsOn({ cursor, journal }: SessionState, { from, to }: { from: number; to: number }): boolean {
  const { position } = cursor ?? { position: 0 };
  const isBefore = from < position && sameBytes(cursor?.journal, journal ?? undefined);
  if (from !== position && !isBefore) {
    throw new ProtocolError(`an UPDATE from ${from}, but the cursor is ${position}`);
  }
  return to >= position;
}

/** What has changed since the beginning is all that there is, and does not say what is gone of what was seen since. */
function isWhole({ cursor }: SessionState, packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }): boolean {
  return packet.type === 'SNAPSHOT' || (packet.from === 0 && cursor !== null && cursor.position > 0);
}

function onContent(session: SessionState, packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }, told: News): void {
  if (packet.fields === null) {
    session.transfer = { packet, parts: [], got: 0, granted: 0 };
    return;
  }
  if (packet.type === 'SNAPSHOT' || leadsOn(session, packet)) {
    readContent(session, packet.fields, isWhole(session, packet));
    session.cursor = {
      journal: session.journal as Uint8Array,
      position: packet.type === 'SNAPSHOT' ? packet.position : packet.to,
    };
    told.changed = true;
  }
  settle(session);
  told.arrived = !session.arrived;
  session.arrived = true;
}

function onClose(session: SessionState, { code, text }: Packet & { type: 'CLOSE' }, told: News): void {
  disconnect(session);
  told.closed = { code, text };
  if (code === 'REPLICA_IN_USE') begin(session, createOutbox(session.mint())); // ours is another's too
}

function onError(session: SessionState, { code, text, details }: Packet & { type: 'ERROR' }, told: News): void {
  const retry = details['retry_ms'];
  const passes = code === 'READ_ONLY' || code === 'BUSY';
  told.error = { code, text, retryMs: typeof retry === 'number' ? retry : passes ? RETRY_MS : undefined };
  session.paused = told.error.retryMs !== undefined;
  if (!session.opened) session.stream = null;
}

/** Throws a ProtocolError if the packet cannot be true. */
export function dispatch(session: SessionState, packet: Packet, told: News, now: number): void {
  switch (packet.type) {
    case 'OPENED': return onOpened(session, packet, told);
    case 'ACK': return acknowledge(session, boxOf(session, packet.replica), packet.seq, packet.position, packet.index);
    case 'REJECT': return onReject(session, packet, told, now);
    case 'GAP': return onGap(session, packet, told);
    case 'SNAPSHOT':
    case 'UPDATE': return onContent(session, packet, told);
    case 'CHUNK': return onChunk(session, packet);
    case 'END': return onContent(session, endTransfer(session, packet), told);
    case 'CLOSE': return onClose(session, packet, told);
    case 'ERROR': return onError(session, packet, told);
    default: throw new ProtocolError(`${packet.type} does not belong to a stream`);
  }
}
