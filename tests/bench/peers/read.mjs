/** Reads what the peers' servers send, by the rules in `messages.mjs` and nothing of theirs: a pattern for readers in other languages. */
import { CLIENT } from './messages.mjs';

const STRING = 119;
const INTEGER = 125;

function readerOf(bytes) {
  let at = 0;
  const byte = () => {
    if (at === bytes.length) throw new Error('a message ends early');
    return bytes[at++];
  };
  const varuint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const next = byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
    }
  };
  const skip = (length) => {
    if (length > bytes.length - at) throw new Error('a message ends early');
    at += length;
  };
  return { byte, varuint, skip, skipString: () => skip(varuint()) };
}

function skipValue(reader) {
  const type = reader.byte();
  if (type === STRING) reader.skipString();
  else if (type === INTEGER) while (reader.byte() > 127);
  else throw new Error(`a value of type ${type}`);
}

function skipPlace(reader, info) {
  for (const origin of [128, 64]) {
    if (info & origin) {
      reader.varuint();
      reader.varuint();
    }
  }
  if (info & (128 | 64)) return;
  if (reader.varuint() !== 1) throw new Error('an edit outside of the map');
  reader.skipString();
  if (info & 32) reader.skipString();
}

/** How many edits a struct holds. */
function readStruct(reader) {
  const info = reader.byte();
  const kind = info & 31;
  if (kind !== 0) skipPlace(reader, info);
  const length = reader.varuint();
  if (kind === 8) for (let i = 0; i < length; i++) skipValue(reader);
  else if (kind > 1) throw new Error(`a struct of kind ${kind}`);
  return length;
}

/** Each writer's edits in an update: `count` of them from number `first` on. */
function readUpdate(reader) {
  const runs = [];
  for (let blocks = reader.varuint(); blocks > 0; blocks--) {
    let structs = reader.varuint();
    const run = { writer: reader.varuint() - CLIENT, first: reader.varuint(), count: 0 };
    for (; structs > 0; structs--) run.count += readStruct(reader);
    runs.push(run);
  }
  return runs;
}

function readSync(reader) {
  const step = reader.varuint();
  if (step === 0) return { type: 'other' };
  reader.varuint(); // the update's length: it is the last
  return { type: step === 1 ? 'ready' : 'update', runs: readUpdate(reader) };
}

function readTyped(reader) {
  const type = reader.varuint();
  if (type === 0) return readSync(reader);
  if (type === 1) return { type: 'other' };
  if (type === 2 && reader.varuint() === 2) return { type: 'other' };
  if (type === 8 && reader.varuint() === 1) return { type: 'confirmed' };
  if (type === 7) return { type: 'closed' };
  throw new Error(`a message of type ${type}: the server refuses`);
}

/** What a server's message means to its receiver. */
export const read = {
  'y-websocket': (bytes) => readTyped(readerOf(bytes)),
  hocuspocus: (bytes) => {
    const reader = readerOf(bytes);
    reader.skipString();
    return readTyped(reader);
  },
  ws: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return { type: 'update', runs: [{ writer: view.getUint32(0, true), first: view.getUint32(4, true), count: 1 }] };
  },
};
