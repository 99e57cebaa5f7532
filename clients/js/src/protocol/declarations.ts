/** Declarations: a field's type with its options, as packets have them and as apps write them (docs/protocol.md, section 2). */
import { asList, asMap, asText, type Value } from './values.js';

const elementKinds = ['string', 'int', 'float', 'bool', 'bytes', 'any'] as const;
export type ElementOf = (typeof elementKinds)[number];
const winners = ['enable', 'disable'] as const;

export type Declaration = {
  type: string;
  /** What the field's elements are. */
  of?: ElementOf;
  /** What each of its keys holds. */
  inner?: Declaration;
  min?: number;
  max?: number;
  wins?: (typeof winners)[number];
};

/** As the hub's configuration has them: a type's name, or that and its options. */
export type DeclarationOption =
  | string
  | { type: string; of?: DeclarationOption; min?: number; max?: number; wins?: 'enable' | 'disable' };

function oneOf<Text extends string>(texts: readonly Text[], value: unknown): value is Text {
  return (texts as readonly unknown[]).includes(value);
}

export function declarationOf(option: DeclarationOption): Declaration {
  if (typeof option === 'string') return { type: option };
  const { of, ...declared } = option;
  if (of === undefined) return declared;
  return oneOf(elementKinds, of) ? { ...declared, of } : { ...declared, inner: declarationOf(of) };
}

/** Undefined if an option is not known here: the field is a later client's. */
export function readDeclaration(type: string, options: { readonly [name: string]: Value }): Declaration | undefined {
  const declared: Declaration = { type };
  for (const [name, value] of Object.entries(options)) {
    if (name === 'of' && Array.isArray(value)) {
      const [held, more] = asList(value, 2);
      const inner = readDeclaration(asText(held), asMap(more));
      if (inner === undefined) return undefined;
      declared.inner = inner;
    } else if (name === 'of' && oneOf(elementKinds, value)) {
      declared.of = value;
    } else if (name === 'wins' && oneOf(winners, value)) {
      declared.wins = value;
    } else if ((name === 'min' || name === 'max') && Number.isSafeInteger(value)) {
      declared[name] = value as number;
    } else {
      return undefined;
    }
  }
  return declared;
}

/** The options alone, as packets have them. */
export function optionsOf({ of, inner, min, max, wins }: Declaration): { [name: string]: unknown } {
  const options = { of: inner === undefined ? of : [inner.type, optionsOf(inner)], wins, min, max };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
