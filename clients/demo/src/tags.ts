/** Tags, which everybody may add and remove. */
import type { Shelf } from './catalogue.js';
import { make, makeButton, part } from './page.js';

export function showTags({ product, document: { tags }, card }: Shelf): void {
  const list = part(card, '.tags');
  const form = part(card, '.tag-form', HTMLFormElement);
  const input = part(form, 'input', HTMLInputElement);

  function itemOf(tag: string): HTMLElement {
    const item = make('li', 'tag');
    item.dataset['tag'] = tag;
    item.append(make('span', '', tag), makeButton('icon', '×', `Remove the tag ${tag}`, () => remove(tag)));
    return item;
  }

  /** Whoever removes by keyboard goes on from the input. */
  function remove(tag: string): void {
    tags.delete(tag);
    if (document.activeElement === document.body) input.focus();
  }

  /** Those that stay keep their element, and so the focus. */
  function show(): void {
    const shown = new Map([...list.children].map((item) => [(item as HTMLElement).dataset['tag'], item]));
    const items = tags.value.map((tag) => shown.get(tag) ?? itemOf(tag));
    for (const item of shown.values()) if (!items.includes(item)) item.remove();
    items.forEach((item, i) => { if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null); });
  }

  input.setAttribute('aria-label', `New tag for the ${product.name.toLowerCase()}`);
  form.addEventListener('submit', () => {
    const tag = input.value.trim();
    if (tag !== '') tags.add(tag);
    input.value = '';
  });
  tags.subscribe(show);
  show();
}
