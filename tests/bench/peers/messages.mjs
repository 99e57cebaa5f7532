/**
 * What clients of the peers send, as bytes that a load generator plays back without knowing Yjs. The generator has to recognise
 * what comes back; `read.mjs` does so byte by byte and `check.mjs` holds it against the real servers.
 *
 * Each server sends whole binary frames, unmasked, and takes no compression, even if offered; no subprotocol. A message is
 * [name] type …, in varuints (7 bits a byte, the lowest first, bit 7 says more follow); a string is its length in bytes, then UTF-8.
 * `name` is the document's as a string, on Hocuspocus only: 1 + length bytes, as long as it is shorter than 128.
 *
 * | after the name   | y-websocket                       | Hocuspocus                                                       |
 * |------------------|-----------------------------------|------------------------------------------------------------------|
 * | 0 0 …            | first, unasked: step 1, skip      | before step 2: step 1, skip (an answer to it would be confirmed) |
 * | 0 1 length bytes | step 2, once: ready; the bytes    | the same                                                         |
 * |                  | are the state, as in an update    |                                                                  |
 * | 0 2 length bytes | one update                        | one or more updates, merged: what one turn of its loop took      |
 * | 1 …              | awareness, skip                   | awareness, skip                                                  |
 * | 2 2 string       | never                             | authenticated, first of all: skip. 2 1 string: refused           |
 * | 7 string         | never                             | the server closes; a close frame or the end follows              |
 * | 8 1              | never                             | confirmed: one for each update message, in order. 8 0: refused   |
 * | the writer       | gets its own updates back         | gets its own updates back, merged with others', after the 8 1    |
 * | WebSocket ping   | each 30 s; who has not answered   | the same                                                         |
 * |                  | by the next one is closed         |                                                                  |
 * | silence          | is no harm                        | 60 s without a message (a pong is none): 7, then closed (4408);  |
 * |                  |                                   | `keepAlive` is the message for those who have nothing to say     |
 *
 * y-websocket confirms nothing. Hocuspocus' `8 1` says that the server's memory has the update, not the disk: it stores 2 to 10 s
 * later. When it has just loaded a document, its first clients may get that state twice, as step 2 and as an update.
 * From `ws` each message is one update, byte for byte as sent, to all but its writer; connected is ready, and nothing else comes.
 *
 * An update's bytes tell how many edits it carries (all in varuints unless said):
 *
 *   update    blocks, then so many blocks, then deletions (not needed)
 *   block     structs, client, clock, then so many structs; the client is `CLIENT + writer`, and the block holds that
 *             writer's edits clock, clock + 1, …: as many as its structs' lengths together
 *   struct    info, a byte; its low 5 bits are the kind
 *             kind 0: length
 *             else  client, clock if info & 128; client, clock if info & 64;
 *                   if neither: 1, string (the map), and if info & 32 a string (the key)
 *             kind 1: length
 *             kind 8: length, then so many values: byte 119, string | byte 125, varint (bit 7 of a byte says that more follow)
 *
 * So an edit's time of travel is known by (writer, clock), merged or not. No other kind occurs, nor any gap, as no update is lost.
 * Texts of the kind `map` are `edit000000`, …: where only their number matters, occurrences of `edit` are enough.
 *
 * Awareness is left out (no cursors, no names): the peers do less than they would for their own clients, which announce
 * themselves to all others when they join and each 15 s.
 */
import { createRequire } from 'node:module';
import { writeAuthentication } from '@hocuspocus/common';
import * as encoding from 'lib0/encoding';
import { Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness';
import { writeSyncStep1, writeUpdate } from 'y-protocols/sync';
import * as Y from 'yjs';

/** The first writer's client id: five bytes, as most of the random ones are. */
export const CLIENT = 2 ** 31;

const { dependencies } = createRequire(import.meta.url)('./package.json');

const SYNC = 0;
const AWARENESS = 1;
const AUTHENTICATION = 2;

const edit = {
  /** Adds a short text under a key of its own. */
  map: (doc, writer, clock) => doc.getMap('map').set(`${writer}.${clock}`, `edit${String(clock).padStart(6, '0')}`),
  /** Overwrites the writer's entry of a counter, whose value is the sum of all entries. */
  counter: (doc, writer, clock) => doc.getMap('counter').set(`${writer}`, clock + 1),
};

/** `count` updates of a writer's own document, each the joined effect of `edits` edits, as Yjs hands them to a provider. */
export function updates(writer, count, { kind = 'map', edits = 1 } = {}) {
  const doc = new Y.Doc();
  doc.clientID = CLIENT + writer;
  const found = [];
  doc.on('update', (update) => found.push(update));
  for (let first = 0; first < count * edits; first += edits) {
    doc.transact(() => {
      for (let i = 0; i < edits; i++) edit[kind](doc, writer, first + i);
    });
  }
  doc.destroy();
  return found;
}

function bytesOf(write) {
  const encoder = encoding.createEncoder();
  write(encoder);
  return encoding.toUint8Array(encoder);
}

function noAwareness() {
  const awareness = new Awareness(new Y.Doc());
  const update = encodeAwarenessUpdate(awareness, []);
  awareness.destroy();
  return update;
}

/** What both Yjs servers are sent; `address` writes what stands before the type. */
function messagesOf(address) {
  const message = (document, type, write) => bytesOf((encoder) => {
    address(encoder, document);
    encoding.writeVarUint(encoder, type);
    write(encoder);
  });
  return {
    authenticate: (document) => message(document, AUTHENTICATION, (encoder) => {
      writeAuthentication(encoder, 'token');
      encoding.writeVarString(encoder, dependencies['@hocuspocus/provider']);
    }),
    askForState: (document) => message(document, SYNC, (encoder) => writeSyncStep1(encoder, new Y.Doc())),
    stayAwake: (document) => message(document, AWARENESS, (encoder) => encoding.writeVarUint8Array(encoder, noAwareness())),
    updates: (document, writer, count, options) => updates(writer, count, options)
      .map((update) => message(document, SYNC, (encoder) => writeUpdate(encoder, update))),
  };
}

function payload(writer, clock, length) {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, writer, true);
  view.setUint32(4, clock, true);
  return bytes;
}

const plain = messagesOf(() => {});
const named = messagesOf((encoder, document) => encoding.writeVarString(encoder, document));

/**
 * For each server: `path(document)` to connect to and the `subprotocol`; `join(document)`, what a client sends once it is connected;
 * `keepAlive(document)`, what one with nothing to say sends each 30 s, if anything; `updates(document, writer, count, options)`,
 * `count` messages of a writer (0, 1, …), to be sent in order, `options.edits` (1) edits of `options.kind` (`map`, `counter`) in
 * each; for `ws`, of `options.bytes` bytes (8 or more: it begins with writer and clock, 32 bits each, the lowest byte first).
 */
export const peers = {
  'y-websocket': {
    path: (document) => `/${document}`,
    subprotocol: undefined,
    join: (document) => [plain.askForState(document)],
    keepAlive: () => undefined,
    updates: plain.updates,
  },
  hocuspocus: {
    path: () => '/',
    subprotocol: undefined,
    join: (document) => [named.authenticate(document), named.askForState(document)],
    keepAlive: named.stayAwake,
    updates: named.updates,
  },
  ws: {
    path: () => '/',
    subprotocol: undefined,
    join: () => [],
    keepAlive: () => undefined,
    updates: (document, writer, count, { bytes = 32 } = {}) => Array.from({ length: count }, (_, clock) => payload(writer, clock, bytes)),
  },
};
