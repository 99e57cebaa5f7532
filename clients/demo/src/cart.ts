/** The cart: of this browser, or of several devices that share its link. Filling it works offline; buying asks the hub. */
import type { Client } from 'syncline';
import { buyable, euros, type CartDocument, type Shelf } from './catalogue.js';
import { byId, copyOf, draw, part, plural, write } from './page.js';
import { tell } from './toasts.js';

type Line = { readonly shelf: Shelf; readonly amount: number };

/** Two devices may take out the last one at once, which leaves less than nothing. */
function linesOf(cart: CartDocument, shelves: readonly Shelf[]): Line[] {
  return shelves
    .map((shelf) => ({ shelf, amount: cart.items.get(shelf.product.key) ?? 0 }))
    .filter(({ amount }) => amount > 0);
}

function takeOne(cart: CartDocument, key: string): void {
  if ((cart.items.get(key) ?? 0) > 1) cart.items.at(key).decrement();
  else cart.items.delete(key);
}

function makeLine(cart: CartDocument, { product: { key, name, price } }: Shelf): HTMLElement {
  const line = copyOf('line-template');
  const thing = name.toLowerCase();
  line.dataset['key'] = key;
  draw(line, key);
  write(part(line, '.name'), name);
  write(part(line, '.price'), euros(price));
  part(line, '.less').setAttribute('aria-label', `One ${thing} less`);
  part(line, '.more').setAttribute('aria-label', `One ${thing} more`);
  part(line, '.less').addEventListener('click', () => takeOne(cart, key));
  part(line, '.more').addEventListener('click', () => cart.items.at(key).increment());
  return line;
}

/** Bought is what the hub says is bought: only then it leaves the cart. */
async function buyLine(cart: CartDocument, { shelf: { product, document }, amount }: Line): Promise<void> {
  const left = buyable(document.stock);
  if (amount > left) return tell(`There are not ${plural(amount, product.name.toLowerCase())} any more: ${left} left.`);
  let isRefused = false;
  const stop = document.on('rejected', ({ field }) => { isRefused ||= field === 'stock'; });
  document.stock.decrement(amount);
  await document.saved;
  stop();
  if (!isRefused) cart.items.delete(product.key);
}

/** The keyboard's place is not lost with what goes. */
function keepFocus(going: HTMLElement): void {
  if (going.contains(document.activeElement)) byId('cart').focus();
}

function showCheckout(client: Client, cart: CartDocument, shelves: readonly Shelf[]): () => void {
  const button = byId('checkout', HTMLButtonElement);
  let isBuying = false;

  function show(): void {
    const isOnline = client.status === 'online';
    if (linesOf(cart, shelves).length === 0) keepFocus(button);
    button.hidden = linesOf(cart, shelves).length === 0;
    button.disabled = !isOnline;
    write(button, isBuying ? 'Buying…' : 'Buy all');
    write(byId('cart-note'), isOnline || button.hidden ? '' : 'Buying all needs the network. The cart is safe here until then.');
  }

  async function buyAll(): Promise<void> {
    if (isBuying) return;
    isBuying = true;
    show();
    await Promise.all(linesOf(cart, shelves).map((line) => buyLine(cart, line)));
    isBuying = false;
    show();
  }

  button.addEventListener('click', () => void buyAll());
  client.on('status', show);
  return show;
}

export async function showCart(client: Client, cart: CartDocument, shelves: readonly Shelf[]): Promise<void> {
  const link = byId('cart-link', HTMLAnchorElement);
  link.href = `/?cart=${cart.name.slice('cart/'.length)}`;
  await cart.ready;
  const list = byId('cart-lines');
  const made = new Map(shelves.map((shelf) => [shelf, makeLine(cart, shelf)]));
  const showCheck = showCheckout(client, cart, shelves);

  function show(): void {
    const lines = linesOf(cart, shelves);
    for (const [shelf, element] of made) {
      const amount = lines.find((line) => line.shelf === shelf)?.amount ?? 0;
      write(part(element, '.amount'), String(amount));
      if (amount > 0 && !element.isConnected) list.append(element);
      if (amount > 0 || !element.isConnected) continue;
      keepFocus(element);
      element.remove();
    }
    const count = lines.reduce((sum, { amount }) => sum + amount, 0);
    write(byId('cart-count'), String(count));
    write(byId('cart-sum'), euros(lines.reduce((sum, { shelf, amount }) => sum + amount * shelf.product.price, 0)));
    byId('cart-total').hidden = count === 0;
    byId('cart-empty').hidden = count > 0;
    showCheck();
  }

  for (const { product, card } of shelves) {
    const add = part(card, '.add', HTMLButtonElement);
    add.disabled = false;
    add.addEventListener('click', () => cart.items.at(product.key).increment());
  }
  cart.items.subscribe(show);
  show();
}
