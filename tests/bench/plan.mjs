/** Plans for the load generator (load/plan.h): what each client says, written beforehand. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { encodePacket } from 'syncline/internal/protocol/every';
import { encodeValue } from 'syncline/internal/protocol/values';
import { mintReplica } from 'syncline/internal/uuid';
import { randomBytes } from 'node:crypto';

const DIALECTS = { count: 0, syncline: 1, y: 2, hocuspocus: 3 };

const number = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const text = (bytes) => [number(bytes.length), bytes];
const messages = (list) => [number(list.length), ...list.flatMap(text)];

/** `clients`: `{path, subprotocol, join, updates}` each; many may share the same lists. */
export function writePlan(file, dialect, clients) {
  const known = new Map();
  const encoded = (list) => {
    if (!known.has(list)) known.set(list, Buffer.concat(messages(list)));
    return known.get(list);
  };
  const out = openSync(file, 'w');
  writeSync(out, Buffer.concat([Buffer.from('PLAN'), number(DIALECTS[dialect]), number(clients.length)]));
  for (const { path = '/', subprotocol = '', join = [], updates = [] } of clients) {
    writeSync(out, Buffer.concat([...text(Buffer.from(path)), ...text(Buffer.from(subprotocol)), encoded(join), encoded(updates)]));
  }
  closeSync(out);
  return file;
}

const fill = (bytes) => randomBytes(bytes.length).copy(bytes);
const hello = encodePacket({ type: 'HELLO', id: 0, version: 1, agent: 'bench' });

/** A client of the hub that opens these documents, in this order, as its streams 1, 2, 3 … */
export function hubClient(documents, updates = [], options = {}) {
  const opens = documents.map((name, i) => encodePacket({ type: 'OPEN', id: i + 1, name, replicas: [mintReplica(Date.now(), fill)], ...options }));
  return { subprotocol: 'syncline.v1', join: [hello, ...opens], updates };
}

/** One message, of one update, of `edits` edits that are the change of field `field`. */
export function delta({ stream = 1, first, edits = 1, field = 0, change, position = 0 }) {
  return encodePacket({
    type: 'DELTA', id: stream, replica: null, first, last: first + edits - 1, context: { position, seen: [] }, changes: new Map([[field, change]]),
  });
}
