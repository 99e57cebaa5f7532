import type { Declaration } from '../protocol/declarations.js';
import { boundedCounter } from './bounded.js';
import { gCounter, pnCounter } from './counter.js';
import { flag } from './flag.js';
import { gSet } from './gset.js';
import { map } from './map.js';
import { orSet } from './orset.js';
import { lwwRegister, mvRegister } from './register.js';
import { twoPhaseSet } from './twophase.js';
import type { AnyFieldType, AnyNestedType, TypeMaker } from './type.js';

const makers = new Map<string, TypeMaker>([
  gCounter, pnCounter, boundedCounter, gSet, twoPhaseSet, orSet, lwwRegister, mvRegister, flag, map,
].map((maker) => [maker.name, maker]));

/** How deep declarations may stand in each other. */
const DEPTH_MAX = 8;

function nestedType(declared: Declaration | undefined, depth: number): AnyNestedType | undefined {
  if (declared === undefined || depth > DEPTH_MAX) return undefined;
  return makers.get(declared.type)?.nested(declared, nestedType(declared.inner, depth + 1));
}

/** Undefined for a type, or options, that a later hub knows. */
export function fieldType(declared: Declaration): AnyFieldType | undefined {
  return makers.get(declared.type)?.make(declared, nestedType(declared.inner, 1));
}
