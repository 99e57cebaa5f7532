/** Stock: what is on the shelf, what is held, and for whom; buying, holding one for two minutes, filling the shelf. */
import type { Client } from 'syncline';
import { SHELF_ROOM, buyable, type Shelf } from './catalogue.js';
import { make, part, write } from './page.js';

const HOLD_SECONDS = 120;

type Pip = 'free' | 'mine' | 'held' | 'sold';

function pipsOf(free: number, mine: number, held: number): Pip[] {
  const row: Pip[] = [...Array<Pip>(free).fill('free'), ...Array<Pip>(mine).fill('mine'), ...Array<Pip>(held).fill('held')];
  return [...row, ...Array<Pip>(Math.max(0, SHELF_ROOM - row.length)).fill('sold')];
}

function leftText(free: number, mine: number, held: number): string {
  const left = free + mine;
  if (left === 0 && held === 0) return 'Sold out';
  if (mine === 0) return held === 0 ? `${left} left` : `${left} left, ${held} held`;
  return `${left} left, ${mine} held for you${held === 0 ? '' : `, ${held} for others`}`;
}

const clockText = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** When this tab's hold ends, counted from the click: never later than the hub, which grants it after that. */
function holdClock(key: string) {
  const item = `shop-hold-${key}`;
  return {
    begin: () => sessionStorage.setItem(item, String(Date.now() + HOLD_SECONDS * 1000)),
    secondsLeft: () => Math.max(0, Math.ceil((Number(sessionStorage.getItem(item) ?? 0) - Date.now()) / 1000)),
  };
}

function showShelf({ document: { stock }, card }: Shelf): void {
  const { available, leased, value } = stock;
  const free = Math.max(0, available);
  const held = Math.max(0, value - free - leased);
  const pips = part(card, '.pips');
  const row = pipsOf(free, leased, held);
  if (pips.dataset['row'] !== row.join(' ')) {
    pips.dataset['row'] = row.join(' ');
    pips.replaceChildren(...row.map((kind) => make('i', kind)));
  }
  write(part(card, '.left'), leftText(free, leased, held));
}

export function showStock(client: Client, shelf: Shelf): void {
  const { product, document: { stock }, card } = shelf;
  const [buy, hold, restock] = ['.buy', '.hold', '.restock'].map((name) => part(card, name, HTMLButtonElement)) as
    [HTMLButtonElement, HTMLButtonElement, HTMLButtonElement];
  const clock = holdClock(product.key);
  const thing = product.name.toLowerCase();
  let ticking: ReturnType<typeof setInterval> | undefined;

  /** A hold is an agreement with the hub, so there is none to be had offline. */
  function showHold(): void {
    const isHeld = stock.leased > 0;
    const left = clock.secondsLeft();
    hold.dataset['held'] = String(isHeld);
    hold.disabled = !isHeld && (stock.available < 1 || client.status !== 'online');
    write(hold, isHeld ? `Release${left > 0 ? ` ${clockText(left)}` : ''}` : 'Hold 2 min');
    hold.setAttribute('aria-label', isHeld ? `Release the ${thing} that is held for you` : `Hold one ${thing} for 2 minutes`);
    if (isHeld) ticking ??= setInterval(show, 1000);
    else ticking = void clearInterval(ticking);
  }

  function show(): void {
    const hadFocus = [buy, hold, restock].find((button) => button === document.activeElement);
    showShelf(shelf);
    buy.disabled = buyable(stock) < 1;
    restock.hidden = stock.value > SHELF_ROOM / 2;
    showHold();
    // The keyboard's place is not lost with a button that cannot be used any more.
    if (hadFocus?.disabled === true || hadFocus?.hidden === true) part(card, '.add').focus();
  }

  buy.setAttribute('aria-label', `Buy a ${thing}`);
  restock.setAttribute('aria-label', `Restock the ${thing}`);
  buy.addEventListener('click', () => stock.decrement());
  restock.addEventListener('click', () => stock.increment(SHELF_ROOM - stock.value));
  hold.addEventListener('click', () => {
    if (stock.leased > 0) return stock.release();
    clock.begin();
    stock.reserve(1, { seconds: HOLD_SECONDS });
  });
  stock.subscribe(show);
  client.on('status', show);
  show();
}
