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
      return [...sessionsOf(document)].map(([session, entry]) => ({ session, ...entry }));
    },
    async waiting() {
      return [...documents].flatMap(([document, sessions]) =>
        [...sessions].flatMap(([session, { waits }]) => (waits ? [{ document, session }] : [])));
    },
    async adopt(document, session, from) {
      const sessions = sessionsOf(document);
      const held = [...new Set([session, ...from])].flatMap((one) => {
        const entry = sessions.get(one);
        sessions.delete(one);
        return entry === undefined ? [] : [{ session: one, ...entry }];
      });
      if (held.length > 0) sessions.set(session, { states: held.flatMap(({ states }) => states), waits: held.some(({ waits }) => waits) });
      return held;
    },
    async write(document, session, { confirmed, outbox, waits }) {
      sessionsOf(document).set(session, { states: [{ confirmed, outbox }], waits });
    },
  };
}
