/**
 * A store of the JavaScript client in files, one for each document: written beside, synced and renamed, so that a process that is
 * killed leaves the old one or the new one. One process at a time has it.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';

const NEW = '.new';

export function fileStore(folder) {
  mkdirSync(folder, { recursive: true });
  const fileOf = (document) => join(folder, encodeURIComponent(document));
  const names = readdirSync(folder).filter((name) => !name.endsWith(NEW));
  const documents = new Map(names.map((name) => [decodeURIComponent(name), deserialize(readFileSync(join(folder, name)))]));
  const lasts = new Map();

  async function replace(document, sessions) {
    const handle = await open(fileOf(document) + NEW, 'w');
    await handle.writeFile(serialize(sessions));
    await handle.sync();
    await handle.close();
    await rename(fileOf(document) + NEW, fileOf(document));
    documents.set(document, sessions);
  }

  /** One call after the other for each document; `act` answers the document's sessions as they are to be, if it changes them, and an answer. */
  function inTurn(document, act) {
    const turn = (lasts.get(document) ?? Promise.resolve()).then(async () => {
      const { sessions, answer } = act(documents.get(document) ?? new Map());
      if (sessions !== undefined) await replace(document, sessions);
      return answer;
    });
    lasts.set(document, turn.catch(() => {})); // who has asked is told
    return turn;
  }

  return {
    name: folder,
    read: (document) => inTurn(document, (held) => ({ answer: [...held].map(([session, entry]) => ({ session, ...entry })) })),
    waiting: () => inTurn('', () => ({
      answer: [...documents].flatMap(([document, held]) =>
        [...held].flatMap(([session, { waits }]) => (waits ? [{ document, session }] : []))),
    })),
    adopt: (document, session, from) => inTurn(document, (held) => {
      const all = [...new Set([session, ...from])].filter((one) => held.has(one)).map((one) => ({ session: one, ...held.get(one) }));
      if (all.length === 0) return { answer: [] };
      const rest = [...held].filter(([one]) => one !== session && !from.includes(one));
      const joined = { states: all.flatMap(({ states }) => states), waits: all.some(({ waits }) => waits) };
      return { sessions: new Map([...rest, [session, joined]]), answer: all };
    }),
    write: (document, session, { confirmed, outbox, waits }) => inTurn(document, (held) => (
      { sessions: new Map([...held, [session, { states: [{ confirmed, outbox }], waits }]]) })),
  };
}
