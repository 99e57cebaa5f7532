/**
 * Looks: what is seen of a state. A look is never changed, so it can be kept, and it is the same object for as long as the same is
 * seen, whatever happened to the state meanwhile: dots, stamps and positions are not seen.
 */
import { elementOfKey, sortKeys, type Element } from '../protocol/elements.js';

/** `value` is plain, as JSON could hold it but for bytes, and the same object at each reading. Lists and objects are frozen. */
export type Look = { readonly value: unknown };
/** `decoded`: those of its elements, by key, that somebody has asked for, here or in the look before. */
type KeysLook = Look & { readonly keys: ReadonlySet<string>; readonly decoded: () => ReadonlyMap<string, Element> };

export type Watchable = {
  /** Calls the listener after each change of what is seen here, one's own or from the hub; returns its undo. */
  subscribe(listener: () => void): () => void;
};

/** What a document or a field needs to be watchable. */
export type LookHost = {
  /** The same object until what is seen changes. */
  look(): Look;
  /** Calls the listener after each change that gives `look` another object, until the undo is called. */
  watch(look: () => Look, listener: () => void): () => void;
};

/** Where what can be watched has its host, for those who watch something of their own making. */
export const HOST: unique symbol = Symbol('host');
export type Hosted = { readonly [HOST]: LookHost };

export function watchable(host: LookHost): Watchable & Hosted {
  return { subscribe: (listener) => host.watch(host.look, listener), [HOST]: host };
}

export function lookAtPlain(value: number | boolean, before?: Look): Look {
  return before?.value === value ? before : { value };
}

/** A Map or Set of elements' keys. */
export type Keys = { keys(): Iterable<string>; has(key: string): boolean; readonly size: number };

function isSameKeys(seen: Keys, last: ReadonlySet<string> | undefined): boolean {
  if (last?.size !== seen.size) return false;
  for (const key of seen.keys()) if (!last.has(key)) return false;
  return true;
}

/** Of elements, in their order, each the same object for as long as it is there. Decoding and sorting wait for the first who asks. */
export function lookAtKeys(seen: Keys, before?: Look): Look {
  if (isSameKeys(seen, (before as KeysLook | undefined)?.keys)) return before as KeysLook;
  const keys = new Set(seen.keys());
  let decoded = (before as KeysLook | undefined)?.decoded();
  let value: readonly Element[] | undefined;
  function decode(): readonly Element[] {
    const elements = new Map(sortKeys(keys).map((key) => [key, decoded?.get(key) ?? elementOfKey(key)]));
    decoded = elements;
    return Object.freeze([...elements.values()]);
  }
  const look: KeysLook = { keys, decoded: () => decoded ?? NONE, get value() { return value ??= decode(); } };
  return look;
}

const NONE: ReadonlyMap<string, Element> = new Map();
