/** What the hub refused, as a sentence; the page shows by itself that it did not happen. */
import type { Rejection } from 'syncline';
import { SHELF_ROOM, buyable, type Shelf } from './catalogue.js';
import { tell } from './toasts.js';

type StockEdit = { readonly increment?: number; readonly decrement?: number; readonly reserve?: number };

/** No text: nobody has to know, as when two first visitors have filled the shelf. */
function sentenceOf({ product, document: { stock } }: Shelf, { code, text, edits }: Rejection): string | undefined {
  const { increment = 0, decrement = 0, reserve = 0 } = (edits['stock'] ?? {}) as StockEdit;
  const thing = product.name.toLowerCase();
  const left = `${buyable(stock)} left`;
  if (code !== 'OUT_OF_BOUNDS') return `The ${thing}: what you did could not be saved (${text})`;
  if (decrement > 0) return `Someone was faster: your ${decrement === 1 ? thing : `${decrement} ${thing}s`} could not be bought, ${left}.`;
  if (reserve > 0) return `Someone was faster: no ${thing} could be held for you, ${left}.`;
  return increment < SHELF_ROOM ? `Someone has filled the shelf already: ${left}.` : undefined;
}

export function showRejections(shelf: Shelf): void {
  shelf.document.on('rejected', (rejection) => {
    // With what the hub says stands, which follows in the same message.
    queueMicrotask(() => {
      const sentence = sentenceOf(shelf, rejection);
      if (sentence !== undefined) tell(sentence);
    });
  });
}
