/** Packets into WebSocket messages. */
import { concatenate } from './values.js';

/** What a relay adds to a packet: clients leave room for it. */
export const RELAYED_BYTES = 32;

/** In order, as many packets in each message as the limit lets in. */
export function split(packets: readonly Uint8Array[], limit = Infinity): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let batch: Uint8Array[] = [];
  let size = 0;
  for (const packet of packets) {
    if (size > 0 && size + packet.length > limit) {
      messages.push(concatenate(batch));
      batch = [];
      size = 0;
    }
    batch.push(packet);
    size += packet.length;
  }
  if (size > 0) messages.push(concatenate(batch));
  return messages;
}
