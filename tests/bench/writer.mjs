/** Fills documents for a measurement: one client, that shows nothing. */
import { on, once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { WebSocket } from 'ws';
import { sleep } from '../e2e/support.mjs';
import { delta, hubClient } from './plan.mjs';

const WINDOW = 256;

/** A client that writes a document, and knows the position that each update had. */
export async function openWriter(hub, name) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  const writer = { socket, name, first: 1, acked: 0, position: 0, journal: undefined, opened: false };
  const messages = on(socket, 'message');
  const hear = (packet) => {
    if (packet.type === 'WELCOME') writer.journal = packet.journal;
    if (packet.type === 'ACK') Object.assign(writer, { acked: packet.seq, position: packet.position });
    if (packet.type === 'SNAPSHOT') Object.assign(writer, { opened: true, position: packet.position });
    if (packet.type === 'CHUNK') socket.send(encodePacket({ type: 'CREDIT', id: packet.id, bytes: packet.bytes.length }));
    if (packet.type === 'REJECT' || packet.type === 'ERROR') throw new Error(JSON.stringify(packet));
  };
  writer.until = async (holds) => {
    while (!holds()) {
      const { value: [data] } = await messages.next();
      decodeMessage(new Uint8Array(data)).forEach(hear);
    }
  };
  await once(socket, 'open');
  for (const packet of hubClient([name]).join) socket.send(packet);
  await writer.until(() => writer.opened);
  return writer;
}

/** Sends changes, each an update that has seen all that was acknowledged; at most `window` are under way. */
export async function write(writer, changes, window = WINDOW) {
  for (const change of changes) {
    writer.socket.send(delta({ first: writer.first++, change, position: writer.position }));
    await writer.until(() => writer.first - 1 - writer.acked < window);
  }
  await writer.until(() => writer.acked === writer.first - 1);
}

function cpuMs(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]), 0) / 1e6;
}

/** Until the rows of what was written are stored, and nothing else goes on. */
export async function quiet({ pid }) {
  for (let before = -1, now = cpuMs(pid); now - before > 2; ) {
    before = now;
    await sleep(700);
    now = cpuMs(pid);
  }
}
