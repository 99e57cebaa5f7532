/** What the shop sells, and the documents behind it (server/demo.yaml has their schemas). */
import type { BoundedCounter, Counter, DocumentCore, Flag, LiveMap, OrSet, PnCounter } from 'syncline';

export type Product = {
  readonly key: string;
  readonly name: string;
  readonly about: string;
  /** In euros. */
  readonly price: number;
  readonly tags: readonly string[];
};

export type ProductDocument = DocumentCore & {
  readonly likes: Counter;
  readonly stock: BoundedCounter;
  /** Somebody has put the first goods on the shelf. */
  readonly opened: Flag;
  readonly tags: OrSet<string>;
};

export type CartDocument = DocumentCore & { readonly items: LiveMap<PnCounter, number> };

/** A product with its document and what shows both. */
export type Shelf = { readonly product: Product; readonly document: ProductDocument; readonly card: HTMLElement };

/** How many of a product the shelf has room for: the schema's `max`. */
export const SHELF_ROOM = 6;

export const products: readonly Product[] = [
  { key: 'kettle', name: 'Kettle', about: 'Boils a litre while you read this page.', price: 49, tags: ['enamel', '1 litre'] },
  { key: 'lamp', name: 'Lamp', about: 'Warm light for long evenings at the desk.', price: 79, tags: ['brass', 'dimmable'] },
  { key: 'backpack', name: 'Backpack', about: 'Room for a laptop, lunch and a jumper.', price: 95, tags: ['18 litres', 'canvas'] },
];

export const euros = (amount: number): string => `€\u2009${amount}`;

/** What this browser may buy: what is free, and what is held for it. */
export const buyable = ({ available, leased }: BoundedCounter): number => Math.max(0, available) + leased;

/**
 * The first visitors fill the shelf. Several may do so at once: the shelf has room for one filling, so the hub takes one and refuses
 * the others; a flag and tags that are set twice are set.
 */
export async function openShelf({ product, document: { synced, opened, stock, tags } }: Shelf): Promise<void> {
  await synced;
  if (opened.value || stock.value > 0) return;
  opened.enable();
  stock.increment(SHELF_ROOM);
  for (const tag of product.tags) tags.add(tag);
}
