/** The keeper as the core has it: its code is loaded by who has a store, and what documents tell it until then waits. */
import type { Keeper, Kept, Writer } from './keeper.js';

/** Without the code nothing is kept, which `report` is told, and documents connect as if nothing had been stored. */
export function keepLater(load: () => Promise<Keeper>, report: (error: { code: string; text: string }) => void): Keeper {
  const loaded = load();
  loaded.catch((error: unknown) => report({ code: 'STORE_FAILED', text: String(error) }));

  function keep(held: Kept, ready: () => void): Writer {
    let writer: Writer | undefined;
    const waiting: ((writer: Writer) => void)[] = [];
    const made = loaded.then((keeper) => {
      writer = keeper.keep(held, ready);
      for (const act of waiting) act(writer);
      return writer;
    });
    made.catch(ready);
    function tell(act: (writer: Writer) => void): void {
      if (writer === undefined) waiting.push(act);
      else act(writer);
    }
    return {
      changed: (edited) => tell((one) => one.changed(edited)),
      stored: () => writer?.stored() ?? made.then((one) => one.stored()),
      close: () => tell((one) => one.close()),
    };
  }

  return {
    keep,
    flushSoon: () => void loaded.then((keeper) => keeper.flushSoon(), () => {}),
    close: () => loaded.then((keeper) => keeper.close(), () => {}),
  };
}
