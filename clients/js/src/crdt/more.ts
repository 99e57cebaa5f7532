/** The types beyond the core's, which are loaded as one, and what types are inside a map. */
import type { Declaration } from '../protocol/declarations.js';
import { boundedCounter, nestedBoundedCounter } from './bounded.js';
import { flag } from './flag.js';
import { gSet } from './gset.js';
import { mapOf } from './map.js';
import { mvRegister } from './mvregister.js';
import { orSet } from './orset.js';
import { lwwRegister, WRITES_NESTED } from './register.js';
import { nestedCounter } from './tally.js';
import { twoPhaseSet } from './twophase.js';
import type { AnyNestedType, NestedType, TypeList } from './type.js';

/** How deep declarations may stand in each other. */
const DEPTH_MAX = 8;

type MakeNested = (declared: Declaration, depth: number) => NestedType<any, any, unknown> | undefined;

const nestedMakers = new Map<string, MakeNested>([
  ['g-counter', () => nestedCounter(false)], ['pn-counter', () => nestedCounter(true)], ['bounded-counter', nestedBoundedCounter],
  ['g-set', gSet], ['2p-set', twoPhaseSet], ['or-set', orSet], ['lww-register', (declared) => lwwRegister(declared, WRITES_NESTED)],
  ['mv-register', mvRegister], ['flag', flag], ['map', map],
]);

function map({ inner }: Declaration, depth = 0) {
  const held = inner && nestedType(inner, depth + 1);
  return held && mapOf(held);
}

/** Undefined for a type, or options, that a later hub knows. */
function nestedType(declared: Declaration, depth: number): AnyNestedType | undefined {
  return depth > DEPTH_MAX ? undefined : nestedMakers.get(declared.type)?.(declared, depth);
}

export const moreTypes: TypeList = [
  ['bounded-counter', boundedCounter], ['g-set', gSet], ['2p-set', twoPhaseSet], ['mv-register', mvRegister], ['flag', flag],
  ['map', (declared) => map(declared)],
];
