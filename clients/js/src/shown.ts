/**
 * What is shown of a document: a look at each field and at all of them, the same objects until they change, and those who are told
 * when they do. Looking waits for someone who asks or listens.
 */
import type { AnyFieldType } from './crdt/type.js';
import type { Look } from './crdt/look.js';
import type { Session } from './session/session.js';
import { tellMistake } from './emitter.js';

type Watch = { look: () => Look; told: Look; listener: () => void };
type Field = { declaration: { name: string }; type: AnyFieldType };
type Cached = { type: AnyFieldType; look: Look; revision: number };

export type Shown = ReturnType<typeof createShown>;

export function createShown(session: Pick<Session, 'fields' | 'view'>) {
  const cache = new Map<string, Cached>();
  const watches = new Set<Watch>();
  let revision = 0;
  let whole = { fields: new Map<string, Look>(), revision: -1, look: { value: Object.freeze({}) } as Look };

  function lookAt(number: number, name: string, type: AnyFieldType): Look {
    const cached = cache.get(name);
    if (cached?.type === type && cached.revision === revision) return cached.look;
    const look = type.look(session.view(number), cached?.type === type ? cached.look : undefined);
    cache.set(name, { type, look, revision });
    return look;
  }

  function field(number: number): Look {
    const { declaration, type } = session.fields().get(number) as Field;
    return lookAt(number, declaration.name, type);
  }

  function all(): Look {
    if (whole.revision === revision) return whole.look;
    const fields = new Map([...session.fields()].map(
      ([number, { declaration: { name }, type }]) => [name, lookAt(number, name, type)]));
    const isSame = fields.size === whole.fields.size &&
      [...fields].every(([name, look]) => whole.fields.get(name) === look);
    whole = isSame ? { ...whole, revision } : { fields, revision, look: lookOf(fields) };
    return whole.look;
  }

  function lookOf(fields: ReadonlyMap<string, Look>): Look {
    let value: { readonly [field: string]: unknown } | undefined;
    return {
      get value() {
        return value ??= Object.freeze(Object.fromEntries([...fields].map(([name, look]) => [name, look.value])));
      },
    };
  }

  /** A field that the hub has no more, or declares otherwise, cannot be looked at, and shows nothing new. */
  function lookFor({ look, told }: Watch): Look {
    try {
      return look();
    } catch {
      return told;
    }
  }

  /** Who is told of a change already, or wants no news any more, is passed over. */
  function tell(): void {
    for (const watch of [...watches]) {
      if (!watches.has(watch)) continue;
      const look = lookFor(watch);
      if (look === watch.told) continue;
      watch.told = look;
      try {
        watch.listener();
      } catch (error) {
        tellMistake(error);
      }
    }
  }

  return {
    field,
    all,
    /** The looks that were taken may be old. */
    changed(): void { revision += 1; },
    tell,
    watch(look: () => Look, listener: () => void): () => void {
      const watch = { look, told: look(), listener };
      watches.add(watch);
      return () => void watches.delete(watch);
    },
    /** How many listen. */
    count: (): number => watches.size,
  };
}
