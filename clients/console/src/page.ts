/** Small helpers for what stands on the page. All text from the hub goes in as text, never as HTML. */

type Kind<T extends Element> = new () => T;
type Options = { readonly class?: string; readonly text?: string; readonly title?: string; readonly href?: string };

export function byId(id: string): HTMLElement;
export function byId<T extends Element>(id: string, kind: Kind<T>): T;
export function byId(id: string, kind: Kind<Element> = HTMLElement): Element {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no #${id}`);
  return element;
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag, options: Options = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (options.class !== undefined) element.className = options.class;
  if (options.text !== undefined) element.textContent = options.text;
  if (options.title !== undefined) element.title = options.title;
  if (options.href !== undefined) element.setAttribute('href', options.href);
  element.append(...children);
  return element;
}

export function makeSvg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag, attributes: { readonly [name: string]: string }): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function makeButton(className: string, text: string, act: () => void, label?: string): HTMLButtonElement {
  const button = make('button', { class: className, text });
  button.type = 'button';
  if (label !== undefined) button.setAttribute('aria-label', label);
  button.addEventListener('click', act);
  return button;
}

/** What did not change is left alone: a selection in it stays, and screen readers tell nothing. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element: Element, name: string, on: boolean): void {
  element.classList.toggle(name, on);
}

/** A state that has nothing to list: a heading and a sentence that says what to do. */
export function makeNote(heading: string, text: string, ...more: Node[]): HTMLElement {
  return make('div', { class: 'note' }, make('h3', { text: heading }), make('p', { text }), ...more);
}

export const isVisible = (): boolean => document.visibilityState === 'visible';

/** Shows one child for each item, in their order. A child stays the same element, with its focus, while its item's key is there. */
export function createKeyed<Item, Child extends HTMLElement>(
  parent: HTMLElement, keyOf: (item: Item) => string, create: (item: Item) => Child,
  update: (child: Child, item: Item) => void) {
  let shown = new Map<string, Child>();
  return function show(items: readonly Item[]): void {
    const next = new Map<string, Child>();
    let place: Element | null = parent.firstElementChild;
    for (const [i, item] of items.entries()) {
      const plain = keyOf(item);
      const key = next.has(plain) ? `${plain} ${i}` : plain;
      const child = shown.get(key) ?? create(item);
      next.set(key, child);
      update(child, item);
      if (child === place) place = place.nextElementSibling;
      else parent.insertBefore(child, place);
    }
    for (const [key, child] of shown) if (!next.has(key)) child.remove();
    shown = next;
  };
}
