/** The fields as the hub declares them, or as they were guessed before; what is held of others stands aside. */
import { fieldType } from '../crdt/registry.js';
import { optionsOf, type Declaration } from '../protocol/declarations.js';
import type { FieldDeclaration } from '../protocol/packets.js';
import type { Field, SessionState } from './state.js';

function isSame(a: Declaration, b: Declaration): boolean {
  return a.type === b.type && JSON.stringify(optionsOf(a)) === JSON.stringify(optionsOf(b));
}

/** Fields of one shape hold the same states and take the same changes. */
export function shapeOf({ type, of, inner }: Declaration): string {
  if (inner !== undefined) return `${type} of ${shapeOf(inner)}`;
  return of === undefined || of === 'string' ? type : `${type} of ${of}`;
}

/** What is held moves to the hub's numbers, by name; what does not fit there stands aside, and may come back. */
function renumber(session: SessionState, declarations: readonly FieldDeclaration[]): void {
  const moves = new Map<number, number>();
  for (const [number, { declaration }] of [...session.aside, ...session.fields]) {
    const told = declarations.find((one) =>
      one.name === declaration.name && shapeOf(one) === shapeOf(declaration) && fieldType(one) !== undefined);
    moves.set(number, told?.number ?? (number < 0 ? number : --session.lastAside));
  }
  if ([...moves].every(([from, to]) => from === to)) return;
  const move = <T>(map: ReadonlyMap<number, T>) =>
    new Map([...map].map(([number, item]) => [moves.get(number) as number, item]));
  const moved = [...move(new Map([...session.aside, ...session.fields]))];
  session.aside = new Map(moved.filter(([number]) => number < 0));
  session.fields = new Map(moved.filter(([number]) => number >= 0));
  for (const box of session.outboxes) {
    box.claimed = move(box.claimed);
    box.settled = move(box.settled);
    for (const delta of box.deltas) delta.changes = move(delta.changes);
  }
}

export function declare(session: SessionState, declarations: readonly FieldDeclaration[]): void {
  renumber(session, declarations);
  const declared = new Map<number, Field>();
  for (const declaration of declarations) {
    const before = session.fields.get(declaration.number);
    const type = before !== undefined && isSame(before.declaration, declaration) ? before.type : fieldType(declaration);
    if (type === undefined) continue; // a type that a later client knows
    declared.set(declaration.number, { declaration, type, state: before?.state ?? type.create() });
  }
  session.fields = declared;
  session.savedConfirmed = null;
  session.views = new Map();
}

function fieldNamed({ fields }: SessionState, name: string): Field | undefined {
  return [...fields.values()].find(({ declaration }) => declaration.name === name);
}

/** Why an edit of a field so declared cannot be made; undefined: it can. */
export function misfit(session: SessionState, declaration: FieldDeclaration): string | undefined {
  const field = fieldNamed(session, declaration.name);
  if (field === undefined) return `${session.name} has no field ${declaration.name} at the hub`;
  const [told, guessed] = [shapeOf(field.declaration), shapeOf(declaration)];
  return told === guessed ? undefined : `the hub declares ${declaration.name} of ${session.name} as ${told}, not as ${guessed}`;
}

/** The hub may give a field another number than was guessed before it was asked, or none. */
export function numberOf(session: SessionState, declaration: FieldDeclaration): number {
  const why = misfit(session, declaration);
  if (why !== undefined) throw new Error(why);
  return fieldNamed(session, declaration.name)?.declaration.number as number;
}
