/** What the hub refused, as a sentence; the page shows by itself that it did not happen. */
import type { DocumentCore, Rejection } from 'syncline';
import { SHELF_ROOM, buyable, type Shelf } from './catalogue.js';
import { tell } from './toasts.js';

type StockEdit = { readonly increment?: number; readonly decrement?: number; readonly reserve?: number };

const lostSentence = (what: string, why: string): string => `What you did with ${what} could not be saved: ${why}.`;

/** No text: nobody has to know, as when two first visitors have filled the shelf. */
function sentenceOf({ product, document: { stock } }: Shelf, { code, text, edits }: Rejection): string | undefined {
  const { increment = 0, decrement = 0, reserve = 0 } = (edits['stock'] ?? {}) as StockEdit;
  const thing = product.name.toLowerCase();
  const left = `${buyable(stock)} left`;
  if (code !== 'OUT_OF_BOUNDS') return lostSentence(`the ${thing}`, text);
  if (decrement > 0) return `Someone was faster: your ${decrement === 1 ? thing : `${decrement} ${thing}s`} could not be bought, ${left}.`;
  if (reserve > 0) return `Someone was faster: no ${thing} could be held for you, ${left}.`;
  return increment < SHELF_ROOM ? `Someone has filled the shelf already: ${left}.` : undefined;
}

function tellRejections(document: DocumentCore, sentence: (rejection: Rejection) => string | undefined): void {
  document.on('rejected', (rejection) => {
    // With what the hub says stands, which follows in the same message.
    queueMicrotask(() => {
      const text = sentence(rejection);
      if (text !== undefined) tell(text);
    });
  });
}

export function showRejections(shelves: readonly Shelf[], cart: DocumentCore): void {
  for (const shelf of shelves) tellRejections(shelf.document, (rejection) => sentenceOf(shelf, rejection));
  tellRejections(cart, ({ text }) => lostSentence('the cart', text));
}
