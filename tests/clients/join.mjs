/**
 * Joins of full states, by the rules of the C side (crdt/field.h): clients have none, since a hub sends them what is confirmed, so
 * replicas that meet without one have theirs here. A state is a dot set, a map, or a total with each replica's entry beside it.
 */
import { contextCovers } from '../../clients/js/dist/crdt/context.js';

const isSame = (a, b) => a.replica === b.replica && a.seq === b.seq;

/** Ours that the other side had seen and lacks was removed there, theirs that we had seen and lack, here. */
function joinDots(ours, theirs, { source, target, position }) {
  const stay = ours.filter((dot) => theirs.some((their) => isSame(their, dot)) || !contextCovers(source, dot));
  const arrive = theirs.filter((dot) => !ours.some((our) => isSame(our, dot)) && !contextCovers(target, dot));
  return [...stay, ...arrive.map((dot) => ({ ...dot, position }))];
}

function joinMaps(ours = new Map(), theirs = new Map(), joinItems) {
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])];
  return new Map(keys.flatMap((key) => {
    const item = joinItems(ours.get(key), theirs.get(key));
    return item === undefined ? [] : [[key, item]];
  }));
}

function joinHeld(ours, theirs, join) {
  const dots = joinDots(ours?.dots ?? [], theirs?.dots ?? [], join);
  return dots.length === 0 ? undefined : { dots, field: joinStates(ours?.field, theirs?.field, join) };
}

/** Of counters the replicas' entries say it all. */
function joinTotals(state, { ours, theirs }) {
  let { total } = state;
  for (const [replica, { up, down }] of theirs) {
    const entry = ours(replica);
    total += Math.max(0, up - entry.up) - Math.max(0, down - entry.down);
    Object.assign(entry, { up: Math.max(up, entry.up), down: Math.max(down, entry.down) });
  }
  return { ...state, total };
}

/** `source` and `target` are contexts; `ours` gives the entry of a replica here, `theirs` has those of the full state. */
export function joinStates(state, source, join) {
  const shape = state ?? source;
  if (shape.keys !== undefined) return { keys: joinMaps(state?.keys, source?.keys, (one, other) => joinHeld(one, other, join)) };
  if (shape.dots === undefined) return joinTotals(state, join);
  return {
    dots: joinMaps(state?.dots, source?.dots, (one = [], other = []) => {
      const dots = joinDots(one, other, join);
      return dots.length === 0 ? undefined : dots;
    }),
  };
}
