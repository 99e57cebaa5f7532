/** Causality: what an update had seen (the C side's crdt/context.h). */

/** A dot's replica: `#3` for an index of the document, a UUID in hex where no index is known. */
export type ReplicaName = string;

/** The position of a dot that no hub has merged yet: no cursor covers it. */
export const PENDING = Infinity;

export type Dot = { readonly replica: ReplicaName; readonly seq: number; readonly position: number };

/** Every dot at or below the position, and the dots 1..seq of each replica named. */
export type SeenContext = { position: number; seen: ReadonlyMap<ReplicaName, number> };

export type Update = {
  replica: ReplicaName;
  first: number;
  last: number;
  position: number;
  context: SeenContext;
};

export function contextCovers(context: SeenContext, dot: Dot): boolean {
  return dot.position <= context.position || dot.seq <= (context.seen.get(dot.replica) ?? 0);
}

export function updateCovers(update: Update, dot: Dot): boolean {
  if (dot.replica === update.replica && dot.seq < update.first) return true;
  return contextCovers(update.context, dot);
}

/** By index; a replica that has none yet comes after those that have one. */
export function compareReplicas(a: ReplicaName, b: ReplicaName): number {
  const index = (name: ReplicaName) => (name.startsWith('#') ? Number(name.slice(1)) : Infinity);
  const [left, right] = [index(a), index(b)];
  if (left !== right) return left - right;
  return a < b ? -1 : Number(a > b);
}
