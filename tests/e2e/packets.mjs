/** A client that knows packets and nothing of what they mean. */
import { once } from 'node:events';
import { decodeMessage } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';

/** An open socket, and the packets that the hub has sent so far. */
export async function dial(hub) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  const packets = [];
  socket.on('message', (data) => packets.push(...decodeMessage(new Uint8Array(data))));
  await once(socket, 'open');
  return { socket, packets };
}
