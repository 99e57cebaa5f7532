/** What ends with a measurement, the last begun first: the `t` of tests/e2e/support.mjs. */
import { folder } from '../e2e/support.mjs';

export function createScope() {
  const ends = [];
  const scope = {
    after: (end) => void ends.unshift(end),
    folder: () => folder(scope),
    async end() { for (const end of ends.splice(0)) await end(); },
  };
  return scope;
}
