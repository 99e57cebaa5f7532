/** Likes: as many as one wishes to give. */
import type { Shelf } from './catalogue.js';
import { part, plural, write } from './page.js';

export function showLikes({ product, document: { likes }, card }: Shelf): void {
  const button = part(card, '.like');
  const show = () => {
    write(part(button, '.likes'), String(likes.value));
    button.setAttribute('aria-label', `Like the ${product.name.toLowerCase()}: ${plural(likes.value, 'like')}`);
  };
  button.addEventListener('click', () => likes.increment());
  likes.subscribe(show);
  show();
}
