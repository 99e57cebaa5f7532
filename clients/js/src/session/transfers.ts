/** A body that comes in pieces: CHUNKs under a window that we grant, then END. */
import type { Packet } from '../protocol/packets.js';
import { asMap, concatenate, decodeValues, ProtocolError } from '../protocol/values.js';
import type { SessionState, Transfer } from './state.js';

/** Grant the hub more of a transfer after this many bytes. */
const CREDIT_BYTES = 64 * 1024;

function transferOf({ transfer }: SessionState, packet: Packet & { type: 'CHUNK' | 'END' }): Transfer {
  if (transfer === null || transfer.packet.transfer !== packet.id) {
    throw new ProtocolError(packet.type === 'END' ? 'an END of no transfer' : 'a CHUNK of no transfer');
  }
  return transfer;
}

export function onChunk(session: SessionState, packet: Packet & { type: 'CHUNK' }): void {
  const transfer = transferOf(session, packet);
  transfer.parts.push(packet.bytes);
  transfer.got += packet.bytes.length;
  if (transfer.got > (transfer.packet.bytes ?? 0)) {
    throw new ProtocolError('a transfer longer than announced');
  }
  if (transfer.got - transfer.granted >= CREDIT_BYTES) {
    session.replies.push({ type: 'CREDIT', id: packet.id, bytes: transfer.got - transfer.granted });
    transfer.granted = transfer.got;
  }
}

/** The packet with the body that came. */
export function endTransfer(session: SessionState, packet: Packet & { type: 'END' }): Packet & { type: 'SNAPSHOT' | 'UPDATE' } {
  const transfer = transferOf(session, packet);
  if (packet.status !== 0) throw new ProtocolError(`a transfer ended with status ${packet.status}`);
  if (transfer.got !== transfer.packet.bytes) {
    throw new ProtocolError('a transfer shorter than announced');
  }
  const content = { ...transfer.packet, fields: asMap(decodeValues(concatenate(transfer.parts))[0]) };
  session.transfer = null;
  return content;
}
