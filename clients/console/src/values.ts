/** Values of fields, by their types. They may be huge, and anybody's: they are cut, shown in pages, and only ever text. */
import type { BoundedCounter, Document } from 'syncline';
import { count, cut, hex, plural, titleOf } from './format.js';
import type { FieldRow } from './hub.js';
import { createKeyed, make, makeButton, setClass, write } from './page.js';

type Shape = { readonly type: string; readonly options: { readonly [name: string]: unknown } };
type ValueView = { readonly element: HTMLElement; show(value: unknown): void };
export type FieldView = { readonly element: HTMLElement; show(): void };

const TEXT_MAX = 160;
/** Of a value that stands alone. */
const ALONE_MAX = 1200;
const CHIPS = 200;
const KEYS = 100;
const DEPTH_MAX = 8;

function plainOf(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `bytes ${hex(value)}` : value;
}

/** Of `any` a text is quoted: "1" is not 1. */
export function elementText(value: unknown, of: unknown): string {
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === 'string' && of !== 'any') return value;
  return JSON.stringify(value, plainOf) ?? 'nothing';
}

/** As the configuration has it: `map of or-set of int`. */
function typeText({ type, options }: Shape): string {
  const { of, min, max, wins } = options;
  const held = Array.isArray(of) ? ` of ${typeText(shapeOf(of))}` : typeof of === 'string' ? ` of ${of}` : '';
  const bounds = [min === undefined ? '' : `min ${min}`, max === undefined ? '' : `max ${max}`, wins === undefined ? '' : `${wins} wins`];
  return [`${type}${held}`, ...bounds.filter((text) => text !== '')].join(', ');
}

function shapeOf(of: readonly unknown[]): Shape {
  const [type, options] = of;
  const isMap = typeof options === 'object' && options !== null && !Array.isArray(options);
  return { type: String(type), options: isMap ? options as Shape['options'] : {} };
}

/** Which part of a long list is shown. */
function createPages(size: number, render: () => void) {
  let page = 0;
  const text = make('span');
  const before = makeButton('quiet', '‹', () => { page -= 1; render(); }, 'The ones before');
  const after = makeButton('quiet', '›', () => { page += 1; render(); }, 'The ones behind');
  const element = make('div', { class: 'pager small' }, before, text, after);
  element.hidden = true;
  return {
    element,
    part<Item>(items: readonly Item[]): readonly Item[] {
      page = Math.min(page, Math.max(0, Math.ceil(items.length / size) - 1));
      const shown = items.slice(page * size, (page + 1) * size);
      element.hidden = items.length <= size;
      before.disabled = page === 0;
      after.disabled = (page + 1) * size >= items.length;
      write(text, `${count(page * size + 1)}–${count(page * size + shown.length)} of ${count(items.length)}`);
      return shown;
    },
  };
}

function writeElement(element: HTMLElement, text: string, length = TEXT_MAX): void {
  const shown = cut(text, length);
  write(element, shown);
  element.title = titleOf(text, shown);
}

function numberView(): ValueView {
  const element = make('output', { class: 'number' });
  return { element, show: (value) => write(element, typeof value === 'number' ? count(value) : '–') };
}

function flagView(): ValueView {
  const element = make('output', { class: 'chip' });
  return {
    element,
    show(value) {
      write(element, value === true ? 'on' : 'off');
      setClass(element, 'taken', value === true);
    },
  };
}

function oneView(of: unknown): ValueView {
  const element = make('output', { class: 'one' });
  const size = make('p', { class: 'soft' });
  return {
    element: make('div', {}, element, size),
    show(value) {
      setClass(element, 'soft', value == null);
      const text = value == null ? 'not set' : elementText(value, of);
      writeElement(element, text, ALONE_MAX);
      write(size, text.length > ALONE_MAX ? `the beginning of ${plural(text.length, 'character')}` : '');
    },
  };
}

/** Sets, and registers that hold several values. */
function chipsView(of: unknown, tell: (size: number) => string): ValueView {
  let items: readonly unknown[] = [];
  const size = make('p', { class: 'soft' });
  const list = make('ul', { class: 'chips' });
  const pages = createPages(CHIPS, render);
  const show = createKeyed<string, HTMLLIElement>(list, (text) => text, () => make('li', { class: 'chip' }), (chip, text) => writeElement(chip, text));
  function render(): void {
    show(pages.part(items).map((item) => elementText(item, of)));
  }
  return {
    element: make('div', {}, size, list, pages.element),
    show(value) {
      items = Array.isArray(value) ? value : [];
      write(size, tell(items.length));
      render();
    },
  };
}

function mapView(inner: Shape, depth: number): ValueView {
  let entries: readonly (readonly [key: string, value: unknown])[] = [];
  const views = new WeakMap<HTMLElement, ValueView>();
  const size = make('p', { class: 'soft' });
  const body = make('tbody');
  const table = make('table', { class: 'nested' }, make('thead', { class: 'unseen' }, make('tr', {}, make('th', { text: 'Key' }), make('th', { text: 'Value' }))), body);
  const pages = createPages(KEYS, render);
  const show = createKeyed<readonly [string, unknown], HTMLTableRowElement>(body, ([key]) => key, ([key]) => {
    const view = viewOf(inner, depth + 1);
    const name = make('th');
    name.scope = 'row';
    writeElement(name, key);
    const line = make('tr', {}, name, make('td', {}, view.element));
    views.set(line, view);
    return line;
  }, (line, [, value]) => views.get(line)?.show(value));
  function render(): void {
    show(pages.part(entries));
  }
  return {
    element: make('div', {}, size, table, pages.element),
    show(value) {
      entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
      write(size, entries.length === 0 ? 'empty' : plural(entries.length, 'key'));
      table.hidden = entries.length === 0;
      render();
    },
  };
}

function viewOf({ type, options }: Shape, depth: number): ValueView {
  const { of } = options;
  switch (type) {
    case 'g-counter':
    case 'pn-counter':
    case 'bounded-counter': return numberView();
    case 'flag': return flagView();
    case 'lww-register': return oneView(of);
    case 'mv-register': return chipsView(of, (size) => (size === 0 ? 'not set' : size === 1 ? 'one value' : `${count(size)} values, set at the same time`));
    case 'g-set':
    case '2p-set':
    case 'or-set': return chipsView(of, (size) => (size === 0 ? 'empty' : plural(size, 'element')));
    case 'map':
      if (Array.isArray(of) && depth < DEPTH_MAX) return mapView(shapeOf(of), depth);
  }
  return oneView('any');
}

/** What a bounded counter has beside its value: how full it is, and what leases set aside. */
function boundsView({ options: { min, max } }: Shape) {
  const bar = make('meter');
  const text = make('p', { class: 'soft' });
  const least = typeof min === 'number' ? min : null;
  const most = typeof max === 'number' ? max : null;
  bar.hidden = least === null || most === null;
  bar.min = least ?? 0;
  bar.max = most ?? 1;
  return {
    element: make('div', { class: 'bounds' }, bar, text),
    show({ value, available }: BoundedCounter): void {
      bar.value = value;
      const aside = least === null ? 0 : value - least - available;
      const range = `${least === null ? 'no least' : `at least ${count(least)}`}, ${most === null ? 'no most' : `at most ${count(most)}`}`;
      write(text, `${range}${aside > 0 ? `; leases set ${count(aside)} aside` : ''}`);
      bar.setAttribute('aria-label', `${count(value)}, ${range}`);
    },
  };
}


export function createFieldView(document: Document, field: FieldRow): FieldView {
  const isKnown = document.fields.includes(field.name);
  const view = viewOf(field, 0);
  const bounds = isKnown && field.type === 'bounded-counter' ? boundsView(field) : null;
  const element = make('section', { class: 'field' }, make('h3', {}, make('span', { text: field.name }), ' ', make('span', { class: 'type', text: typeText(field) })));
  if (isKnown) element.append(view.element, ...(bounds === null ? [] : [bounds.element]));
  else element.append(make('p', { class: 'soft', text: 'This page does not know the type: load it again from a newer hub.' }));
  element.dataset['field'] = field.name;
  // A change is told to the eye; one that comes meanwhile does not begin it again, or it would never end.
  element.addEventListener('animationend', () => element.classList.remove('changed'));
  let before: unknown = element; // no value is this
  return {
    element,
    show() {
      if (!isKnown || !document.fields.includes(field.name)) return;
      const value = document.value[field.name];
      bounds?.show(document.field(field.name) as BoundedCounter);
      if (Object.is(value, before)) return;
      view.show(value);
      if (before !== element) element.classList.add('changed');
      before = value;
    },
  };
}
