/** Small helpers for what stands in index.html. */

type Kind<T extends Element> = new () => T;

function found<T extends Element>(what: string, element: Element | null, kind: Kind<T>): T {
  if (!(element instanceof kind)) throw new Error(`the page has no ${what}`);
  return element;
}

export function byId(id: string): HTMLElement;
export function byId<T extends Element>(id: string, kind: Kind<T>): T;
export function byId(id: string, kind: Kind<Element> = HTMLElement): Element {
  return found(`#${id}`, document.getElementById(id), kind);
}

export function part(root: ParentNode, selector: string): HTMLElement;
export function part<T extends Element>(root: ParentNode, selector: string, kind: Kind<T>): T;
export function part(root: ParentNode, selector: string, kind: Kind<Element> = HTMLElement): Element {
  return found(selector, root.querySelector(selector), kind);
}

/** The first element of a template, as a copy. */
export function copyOf(template: string): HTMLElement {
  const { content } = byId(template, HTMLTemplateElement);
  return found(template, content.firstElementChild?.cloneNode(true) as Element | null, HTMLElement);
}

export function make(tag: string, className: string, text = ''): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

export function makeButton(className: string, text: string, label: string, act: () => void): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = className;
  button.textContent = text;
  button.setAttribute('aria-label', label);
  button.addEventListener('click', act);
  return button;
}

/** Screen readers tell a text once it is another: what did not change is left alone. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function draw(root: ParentNode, drawing: string): void {
  part(root, '.drawing use', SVGUseElement).setAttribute('href', `#drawing-${drawing}`);
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
