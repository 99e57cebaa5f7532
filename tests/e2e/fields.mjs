/** A field of each type, also in maps, to tell that something holds for every type. */
const map = (of) => ({ type: 'map', of });

/** As `connect` takes them; the bounded counters have those bounds. */
export function everyType(min, max) {
  const bounded = { type: 'bounded-counter', min, max };
  return {
    grow: 'g-counter', count: 'pn-counter', seats: bounded, grown: 'g-set', twice: '2p-set', tags: 'or-set', on: 'flag',
    off: { type: 'flag', wins: 'disable' }, values: 'mv-register', last: 'lww-register', counts: map('pn-counter'), limits: map(bounded),
    words: map('or-set'), flags: map('flag'), notes: map('mv-register'), names: map('lww-register'), deep: map(map('or-set')),
    deeper: map(map(map('pn-counter'))),
  };
}

const yaml = (option) => (typeof option === 'string' ? option
  : `{${Object.entries(option).map(([key, value]) => `${key}: ${key === 'of' ? yaml(value) : value}`).join(', ')}}`);

/** The schema `all` of those fields, in the order of `names`, as a hub's configuration has it. */
export const schemaAll = (fields, names = Object.keys(fields)) => `all:\n${names.map((name) => `    ${name}: ${yaml(fields[name])}`).join('\n')}`;
