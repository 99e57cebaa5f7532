/** The demo: a small shop. Each product, the cart and the shop's visitors are documents; the files beside this show one thing each. */
import { connect, type Client } from 'syncline';
import { showCart } from './cart.js';
import { euros, openShelf, products, type CartDocument, type Product, type ProductDocument, type Shelf } from './catalogue.js';
import { showLikes } from './likes.js';
import { byId, copyOf, draw, part, plural, write } from './page.js';
import { showPresence } from './presence.js';
import { cartId } from './profile.js';
import { showRejections } from './rejections.js';
import { isOfflineWanted, showStatus, showTrouble } from './status.js';
import { showStock } from './stock.js';
import { showTags } from './tags.js';

function makeCard({ key, name, about, price }: Product): HTMLElement {
  const card = copyOf('product-template');
  card.dataset['product'] = key;
  draw(card, key);
  write(part(card, 'h3'), name);
  write(part(card, '.about'), about);
  write(part(card, '.price'), euros(price));
  part(card, '.add').setAttribute('aria-label', `Add a ${name.toLowerCase()} to the cart`);
  part(card, '.tag-form').addEventListener('submit', (event) => event.preventDefault());
  setUsable(card, false);
  return card;
}

function setUsable(card: HTMLElement, usable: boolean): void {
  card.setAttribute('aria-busy', String(!usable));
  for (const control of card.querySelectorAll<HTMLButtonElement | HTMLInputElement>('button:not(.add), input')) {
    control.disabled = !usable;
  }
}

function showWaits({ document, card }: Shelf): void {
  const show = (count: number) => write(part(card, '.waits'), count === 0 ? '' : `${plural(count, 'change')} not saved yet`);
  document.on('pending', show);
  show(document.pending);
}

function openProduct(client: Client, product: Product): Shelf {
  const card = makeCard(product);
  byId('products').append(card);
  return { product, card, document: client.open(`product/${product.key}`) as ProductDocument };
}

/** Once there is something to show: from this device's disk, or from the hub. */
async function showShelf(client: Client, shelf: Shelf): Promise<void> {
  await shelf.document.ready;
  setUsable(shelf.card, true);
  showLikes(shelf);
  showStock(client, shelf);
  showTags(shelf);
  showWaits(shelf);
  await openShelf(shelf);
}

const client = connect(`${location.origin.replace(/^http/, 'ws')}/`, { autoConnect: !isOfflineWanted() });
const shelves = products.map((product) => openProduct(client, product));
const cart = client.open(`cart/${cartId()}`) as CartDocument;
const shop = client.open('shop/main');

showStatus(client);
showTrouble([...shelves.map(({ document }) => document), cart, shop]);
showPresence(shop, shelves);
showRejections(shelves, cart);
for (const shelf of shelves) void showShelf(client, shelf);
void showCart(client, cart, shelves);
// Pages that are not secure have none, and some browsers allow none: then the page needs the hub to be loaded.
navigator.serviceWorker?.register('sw.js').catch((error: unknown) => console.info('the page is not kept for offline use:', error));
