/** A store that lives as long as its process: clients that are given the same one go on with each other's work. */
import type { Store, StoredState } from './store.js';

type Entry = { readonly states: readonly StoredState[]; readonly waits: boolean };

let made = 0;

export function memoryStore(): Store {
  const documents = new Map<string, Map<string, Entry>>();
  made += 1;

  function sessionsOf(document: string): Map<string, Entry> {
    const sessions = documents.get(document) ?? new Map();
    documents.set(document, sessions);
    return sessions;
  }

  return {
    name: `memory ${made}`,
    async read(document) {
      return [...sessionsOf(document)].map(([session, { states }]) => ({ session, states }));
    },
    async waiting() {
      return [...documents].flatMap(([document, sessions]) =>
        [...sessions].filter(([, { waits }]) => waits).map(([session]) => ({ document, session })));
    },
    async adopt(document, session, from) {
      const sessions = sessionsOf(document);
      const held = [session, ...from.filter((other) => other !== session)].flatMap((one) => {
        const entry = sessions.get(one);
        return entry === undefined ? [] : [{ session: one, ...entry }];
      });
      for (const other of from) sessions.delete(other);
      if (held.length > 0) sessions.set(session, { states: held.flatMap(({ states }) => states), waits: held.some(({ waits }) => waits) });
      return held.map(({ session: one, states }) => ({ session: one, states }));
    },
    async write(document, session, { confirmed, outbox, waits }) {
      sessionsOf(document).set(session, { states: [{ confirmed, outbox }], waits });
    },
  };
}
