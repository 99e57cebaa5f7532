/** What this browser remembers of itself: who it is, its name, its cart. */

const QUALITIES = ['Quick', 'Quiet', 'Merry', 'Bold', 'Gentle', 'Clever', 'Sunny', 'Brave', 'Curious', 'Lucky'];
const ANIMALS = ['Otter', 'Heron', 'Badger', 'Lynx', 'Wren', 'Hare', 'Marten', 'Robin', 'Seal', 'Hedgehog'];
const ID = /^[a-z0-9]{8,32}$/;
const NAME_LENGTH_MAX = 24;

function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function oneOf(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] ?? '';
}

function remembered(key: string, mint: () => string): string {
  const known = localStorage.getItem(key) ?? mint();
  localStorage.setItem(key, known);
  return known;
}

export const tidyName = (name: string): string => name.trim().slice(0, NAME_LENGTH_MAX);
export const isId = (text: unknown): text is string => typeof text === 'string' && ID.test(text);

export const browserId = remembered('shop-browser', randomId);

export function ownName(): string {
  return remembered('shop-name', () => `${oneOf(QUALITIES)} ${oneOf(ANIMALS)}`);
}

export function rename(name: string): void {
  localStorage.setItem('shop-name', name);
}

/** A link with another cart's id makes it this browser's. */
export function cartId(): string {
  const shared = new URLSearchParams(location.search).get('cart');
  if (isId(shared)) {
    localStorage.setItem('shop-cart', shared);
    history.replaceState(null, '', location.pathname + location.hash);
  }
  return remembered('shop-cart', randomId);
}
