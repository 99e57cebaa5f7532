/**
 * What the clients of the crash test edit. An edit adds its own name to the document's field `edits`, in the same update as all else it
 * does: so whoever reads a document reads which edits have taken effect in it, and, at the moment of an edit, which ones it had seen.
 * Only `title`, an lww-register, shares its updates with no other field: it is set right before.
 */

export const STOCK_MOST = 40;

export const fields = {
  likes: { type: 'g-counter' },
  balance: { type: 'pn-counter' },
  tags: { type: 'or-set' },
  title: { type: 'lww-register' },
  note: { type: 'mv-register' },
  open: { type: 'flag' },
  cart: { type: 'map', inner: { type: 'pn-counter' } },
};

export const schemas = 'shop: {edits: g-set, likes: g-counter, balance: pn-counter, tags: or-set, title: lww-register, ' +
  `note: mv-register, open: flag, cart: {type: map, of: pn-counter}, stock: {type: bounded-counter, min: 0, max: ${STOCK_MOST}}}`;

/** A tally counts up to 64 edits of one key one by one (docs/types.md): here a client makes fewer of each. */
const PUTS_OF_A_KEY = 8;
const SHARED_TAGS = 6;

const one = (random, items) => items[random(items.length)];

const makers = {
  likes: (random) => ['increment', 1 + random(9)],
  balance: (random) => [one(random, ['increment', 'decrement']), 1 + random(9)],
  tags(random, value, name) {
    const there = value.tags;
    if (there.length > 0 && random(30) === 0) return ['clear'];
    if (there.length > 0 && random(3) === 0) return ['remove', one(random, there)];
    return ['add', random(2) === 0 ? `of-${name}` : `tag-${random(SHARED_TAGS)}`];
  },
  title: (random, value, name) => ['set', `by-${name}`],
  note: (random, value, name) => ['set', `by-${name}`],
  open: (random) => [one(random, ['enable', 'disable'])],
  cart(random, value, name, count) {
    const keys = Object.keys(value.cart);
    if (keys.length > 0 && random(4) === 0) return ['remove', one(random, keys)];
    const own = `${name.split(':')[0]}-${Math.floor(count / PUTS_OF_A_KEY)}`;
    return ['put', own, one(random, ['increment', 'decrement']), 1 + random(9)];
  },
};

/** Up to three calls, each on another field, and that of the name: `[field, op, ...args]`. `count`: how many its maker has made before. */
export function makeCalls(random, value, name, count) {
  const names = Object.keys(makers);
  const chosen = new Set(Array.from({ length: 1 + random(3) }, () => one(random, names)));
  const calls = [...chosen].map((field) => [field, ...makers[field](random, value, name, count)]);
  const isTitle = ([field]) => field === 'title';
  return [...calls.filter(isTitle), ['edits', 'add', name], ...calls.filter((call) => !isTitle(call))];
}

/** How many edits of each maker are among these names. Those of one maker take effect in their order. */
export function countByMaker(names) {
  const seen = {};
  for (const name of names) {
    const [maker, number] = name.split(':');
    seen[maker] = Math.max(seen[maker] ?? 0, Number(number));
  }
  return seen;
}
