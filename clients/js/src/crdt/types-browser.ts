/** The types beyond the core's, where a page is to load little: when a schema first names one of them. */
import type { TypeList } from './type.js';

export const here: TypeList = [];
export const load = async (): Promise<TypeList> => (await import('./more.js')).moreTypes;
