/** A store that lives as long as its process: clients that are given the same one go on with each other's work. */
import type { Store } from './store.js';

let made = 0;

export function memoryStore(): Store {
  const documents = new Map<string, Map<string, readonly Uint8Array[]>>();
  made += 1;

  function sessionsOf(document: string): Map<string, readonly Uint8Array[]> {
    const sessions = documents.get(document) ?? new Map();
    documents.set(document, sessions);
    return sessions;
  }

  return {
    name: `memory ${made}`,
    async read(document) {
      return [...sessionsOf(document)].map(([session, states]) => ({ session, states }));
    },
    async adopt(document, session, from) {
      const sessions = sessionsOf(document);
      const states = [session, ...from.filter((other) => other !== session)].flatMap((one) => sessions.get(one) ?? []);
      for (const other of from) sessions.delete(other);
      if (states.length > 0) sessions.set(session, states);
      return states;
    },
    async write(document, session, state) {
      sessionsOf(document).set(session, [state]);
    },
  };
}
