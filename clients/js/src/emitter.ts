/** Events: `on` returns its undo. A listener that throws does not keep the others from hearing. */
export type Events<Map> = {
  on<Name extends keyof Map>(name: Name, listen: (event: Map[Name]) => void): () => void;
  emit<Name extends keyof Map>(name: Name, event: Map[Name]): void;
};

/** The app's mistake, told where such mistakes are. */
export function tellMistake(error: unknown): void {
  queueMicrotask(() => { throw error; });
}

export function createEvents<Map>(): Events<Map> {
  const listeners = new globalThis.Map<keyof Map, Set<(event: never) => void>>();
  return {
    on(name, listen) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set);
      set.add(listen);
      return () => void set.delete(listen);
    },
    emit(name, event) {
      for (const listen of [...(listeners.get(name) ?? [])]) {
        try {
          listen(event as never);
        } catch (error) {
          tellMistake(error);
        }
      }
    },
  };
}
