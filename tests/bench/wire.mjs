/** A client that is no more than its packets, so that what is measured is the hub. */
import { on, once } from 'node:events';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica, webRandom } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';

export const newReplica = () => mintReplica(Date.now(), webRandom());

/** An edit of one field, `changes`, as the only one since `position`. */
export const delta = (id, seq, field, changes, position = 0) => ({
  type: 'DELTA', id, replica: null, first: seq, last: seq, context: { position, seen: [] }, changes: new Map([[field, changes]]),
});

/** Greeted. `heard` answers the next packet of a type, and the message it came in; others before it are passed over. */
export async function dial(hub, token) {
  const socket = new WebSocket(hub.url, 'syncline.v1', { perMessageDeflate: false });
  const messages = on(socket, 'message');
  await once(socket, 'open');
  const waiting = [];
  const heard = async (type) => {
    for (;;) {
      for (let next; (next = waiting.shift()) !== undefined;) {
        if (next.packet.type === type) return next;
        if (next.packet.type === 'ERROR') throw new Error(`${next.packet.code}: ${next.packet.text}`);
      }
      const { value: [data] } = await messages.next();
      for (const packet of decodeMessage(new Uint8Array(data))) waiting.push({ packet, message: data });
    }
  };
  const send = (...packets) => socket.send(Buffer.concat(packets.map((packet) => encodePacket(packet))));
  send({ type: 'HELLO', id: 0, version: 1, token });
  return { socket, send, heard, close: () => socket.close() };
}

/** As a client that was never here before. */
export async function openFresh(client, id, name) {
  client.send({ type: 'OPEN', id, name, replicas: [newReplica()] });
  return client.heard('SNAPSHOT');
}
