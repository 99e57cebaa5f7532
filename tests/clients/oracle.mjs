/**
 * The types by their definitions in docs/types.md, over the whole history: each edit knows which others it had seen. Nothing is ever
 * dropped, joined or compressed here. An edit is `{replica, seq, seen: Map(replica -> seq), call: [op, ...args], stamp}`.
 */

export const hasSeen = (edit, other) => other !== edit && other.seq <= (edit.seen.get(other.replica) ?? 0);

const isLive = (edit, edits) => !edits.some((other) => hasSeen(other, edit));
const distinct = (items) => [...new Set(items)].sort();
const total = (edits) => edits.reduce((sum, { call: [op, n] }) => sum + (op === 'increment' ? n : -n), 0);
const on = (edits) => edits.some(({ call: [op] }) => op === 'enable');
const off = (edits) => edits.some(({ call: [op] }) => op === 'disable');
const live = (edits) => edits.filter((edit) => isLive(edit, edits));
const added = (edits) => edits.filter(({ call: [op] }) => op === 'add');

function compareWrites(a, b) {
  return a.stamp.ms - b.stamp.ms || a.stamp.count - b.stamp.count || (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : a.seq - b.seq);
}

/** The edits under each key, as those of what it holds, without what a remove of the key had seen. */
function byKey(edits) {
  const keys = new Map();
  for (const edit of edits) {
    const [op, key, ...inner] = edit.call;
    const removed = edits.some((other) => other.call[0] === 'remove' && other.call[1] === key && hasSeen(other, edit));
    if (op === 'put' && !removed) keys.set(key, [...keys.get(key) ?? [], { ...edit, call: inner }]);
  }
  return keys;
}

const values = {
  'g-counter': total,
  'pn-counter': total,
  'bounded-counter': total,
  'g-set': (edits) => distinct(added(edits).map(({ call }) => call[1])),
  '2p-set': (edits) => distinct(added(edits).map(({ call }) => call[1])
    .filter((element) => !edits.some(({ call: [op, removed] }) => op === 'remove' && removed === element))),
  'or-set': (edits) => distinct(added(edits).filter((edit) => !edits.some((other) => hasSeen(other, edit) &&
    (other.call[0] === 'clear' || (other.call[0] === 'remove' && other.call[1] === edit.call[1])))).map(({ call }) => call[1])),
  flag: (edits, { wins }) => on(live(edits)) && (wins !== 'disable' || !off(live(edits))),
  'mv-register': (edits) => distinct(live(edits).map(({ call }) => call[1])),
  'lww-register': (edits) => lastWrite(edits)?.call[1] ?? null,
  map: (edits, { inner }) => Object.fromEntries([...byKey(edits)].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, nested]) => [key, valueOf(inner, nested)])),
};

function lastWrite(edits) {
  return edits.reduce((last, edit) => (last === undefined || compareWrites(edit, last) > 0 ? edit : last), undefined);
}

export function valueOf(declared, edits) {
  return values[declared.type](edits, declared);
}

/** The hybrid logical clock of a new write, of what its maker knows. */
export function stampOf(declared, edits, call, now) {
  if (declared.type === 'map') return call[0] === 'put' ? stampOf(declared.inner, byKey(edits).get(call[1]) ?? [], call.slice(2), now) : undefined;
  const last = lastWrite(edits);
  if (last === undefined || last.stamp.ms < now) return { ms: now, count: 0 };
  return { ms: last.stamp.ms, count: last.stamp.count + 1 };
}

/* --- random edits --- */

const ELEMENTS = ['a', 'b', 'c'];
const KEYS = ['k', 'l'];
const one = (random, items) => items[random(items.length)];

const calls = {
  'g-counter': (random) => ['increment', 1 + random(3)],
  'pn-counter': (random) => [one(random, ['increment', 'decrement']), 1 + random(3)],
  'bounded-counter': (random) => [one(random, ['increment', 'decrement']), 1 + random(3)],
  'g-set': (random) => ['add', one(random, ELEMENTS)],
  '2p-set': (random) => [one(random, ['add', 'add', 'remove']), one(random, ELEMENTS)],
  'or-set': (random) => (random(8) === 0 ? ['clear'] : [one(random, ['add', 'add', 'remove']), one(random, ELEMENTS)]),
  flag: (random) => [one(random, ['enable', 'disable'])],
  'mv-register': (random) => ['set', one(random, ELEMENTS)],
  'lww-register': (random) => ['set', one(random, ELEMENTS)],
  map: (random, { inner }) => (random(4) === 0 ? ['remove', one(random, KEYS)] : ['put', one(random, KEYS), ...callOf(random, inner)]),
};

export function callOf(random, declared) {
  return calls[declared.type](random, declared);
}
