/** The types by their names: those of most documents, and the others once a schema has named one of them. */
import { here, load } from '#types';
import type { Declaration } from '../protocol/declarations.js';
import { gCounter, pnCounter } from './counter.js';
import { orSet } from './orset.js';
import { lwwRegister } from './register.js';
import type { AnyFieldType, MakeType } from './type.js';

const makers = new Map<string, MakeType>([
  ['g-counter', gCounter], ['pn-counter', pnCounter], ['or-set', orSet], ['lww-register', lwwRegister], ...here,
]);
let isWhole = here.length > 0;

/** Whether one of them may be of a type that is still to be loaded. */
export function isToLoad(declarations: readonly Declaration[]): boolean {
  return !isWhole && declarations.some(({ type }) => !makers.has(type));
}

/** Loads all types that are not here. */
export async function loadTypes(): Promise<void> {
  for (const [name, make] of await load()) makers.set(name, make);
  isWhole = true;
}

/** Undefined for a type, or options, that a later hub knows. */
export function fieldType(declared: Declaration): AnyFieldType | undefined {
  return makers.get(declared.type)?.(declared);
}
