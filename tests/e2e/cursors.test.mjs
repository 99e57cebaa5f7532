/**
 * Goal:   one stream can serve several sessions from the oldest of their cursors: the hub's UPDATE from an older cursor, given to a
 *         session that has seen more, leaves it with what the hub has, for every type.
 * Method: random edits of fields of every type, also in maps, through a real hub. After each round a session takes the document as it
 *         is; at the end each takes the hub's answer to each older cursor, 0 included, and shows what a new one shows, dot by dot.
 *         A failure names its seed; SEED=n runs it alone.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'syncline';
import { declarationOf } from 'syncline/internal/protocol/declarations';
import { decodeMessage, encodePacket } from 'syncline/internal/protocol/every';
import { save, show } from 'syncline/internal/session/saving';
import { createSession } from 'syncline/internal/session/session';
import { decodeSession } from 'syncline/internal/session/saved';
import { mintReplica, webRandom } from 'syncline/internal/uuid';
import { WebSocket } from 'ws';
import { callOf } from '../clients/oracle.mjs';
import { callEdit, generator } from '../clients/replicas.mjs';
import { everyType, schemaAll } from './fields.mjs';
import { startHub } from './support.mjs';

const ROUNDS = 8;
const EDITS = 10;

const options = everyType(-2, 6);
const names = Object.keys(options);

function edit(document, random) {
  const name = names[random(names.length)];
  const field = document.field(name);
  try {
    if (name === 'seats' && random(3) === 0) return void (random(2) === 0 ? field.release() : field.reserve(1, { seconds: 600 }));
    const [op, ...args] = callOf(random, declarationOf(options[name]));
    callEdit(field, op, args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // beyond a bound
  }
}

/** What the hub says of the document to one who has this cursor, or none. */
async function ask(hub, session) {
  const socket = new WebSocket(hub.url, 'syncline.v1');
  const told = [];
  await once(socket, 'open');
  socket.send(encodePacket({ type: 'HELLO', id: 0, version: 1 }));
  for await (const [data] of messages(socket)) {
    for (const packet of decodeMessage(new Uint8Array(data))) {
      if (packet.type === 'WELCOME') socket.send(encodePacket({ ...session.open(1, packet.journal), once: true }));
      else told.push(packet);
    }
    if (told.some(({ type }) => type === 'CLOSE')) break;
  }
  socket.close();
  await once(socket, 'close');
  return told.filter(({ type }) => type !== 'CLOSE');
}

async function* messages(socket) {
  for (;;) yield once(socket, 'message');
}

const create = () => createSession('all/1', () => mintReplica(Date.now(), webRandom()));

function copyOf(saved) {
  const session = create();
  assert.equal(show(session.state, decodeSession(saved)), true);
  return session;
}

/** All that is confirmed, in one order: Maps sort as lists of their entries do. */
function ordered(value) {
  if (value instanceof Map) return ordered([...value]);
  if (Array.isArray(value)) return value.map(ordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (value !== null && typeof value === 'object') return ordered(Object.entries(value));
  return value;
}
const confirmed = (session) => Object.fromEntries(
  [...session.fields().values()].map(({ declaration, state }) => [declaration.name, ordered(state)]));

async function play(t, seed) {
  const random = generator(seed);
  const hub = await startHub(t, { schemas: schemaAll(options) });
  const clients = [connect(hub.url), connect(hub.url)];
  t.after(() => clients.forEach((client) => client.close()));
  const documents = clients.map((client) => client.open('all/1'));
  await Promise.all(documents.map(({ ready }) => ready));
  const seen = [];
  const look = async () => {
    const session = create();
    const told = await ask(hub, session);
    for (const packet of told) session.receive(packet);
    seen.push({ position: told.at(-1).position, saved: save(session.state) });
    return session;
  };
  await look();
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < EDITS; i++) edit(documents[random(2)], random);
    await Promise.all(documents.map(({ saved }) => saved));
    await look();
  }
  const expected = confirmed(await look());
  assert.equal(seen[0].position, 0, 'the first has seen nothing');
  for (const [i, older] of seen.entries()) {
    const told = await ask(hub, copyOf(older.saved));
    assert.equal(told.at(-1).type, 'UPDATE');
    for (const later of seen.slice(i)) {
      const session = copyOf(later.saved);
      session.open(1, decodeSession(later.saved).cursor.journal);
      for (const packet of told) session.receive(packet);
      assert.deepEqual(confirmed(session), expected, `seed ${seed}: from ${older.position}, given to one at ${later.position}`);
    }
  }
}

const seeds = process.env.SEED === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env.SEED)];
for (const seed of seeds) {
  test(`an UPDATE from an older cursor holds, seed ${seed}`, { timeout: 60000 }, (t) => play(t, seed));
}
