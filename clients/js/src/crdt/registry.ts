import { gCounter, pnCounter } from './counter.js';
import { orSet } from './orset.js';
import type { AnyFieldType } from './type.js';

const types = new Map<string, AnyFieldType>(
  [gCounter, pnCounter, orSet].map((type) => [type.name, type as unknown as AnyFieldType]),
);

/** Undefined for a type that a later hub knows. */
export function fieldType(name: string): AnyFieldType | undefined {
  return types.get(name);
}
