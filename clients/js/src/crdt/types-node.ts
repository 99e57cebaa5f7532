/** The types beyond the core's, where all code is at hand. Package.json's `#types` keeps it out of browsers. */
import type { TypeList } from './type.js';

export { moreTypes as here } from './more.js';
export const load = async (): Promise<TypeList> => [];
