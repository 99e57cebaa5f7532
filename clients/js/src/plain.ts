/** Fields as plain values, in types. */

/** What a document's `value` shows of a field: of a register with several values all of them. */
export type PlainOf<Field> = 0 extends 1 & Field ? any
  : Field extends { readonly values: readonly (infer T)[] } ? readonly T[]
    : Field extends { readonly value: infer Value } ? Value : unknown;

/** What its `set` takes. */
export type SettableOf<Field> = 0 extends 1 & Field ? any : Field extends { set(value: infer Value): void } ? Value : never;
