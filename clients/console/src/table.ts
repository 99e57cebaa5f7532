/** Tables that stay the same while their values change: rows are kept by key, cells are written in place, and at most a page is shown. */
import { count } from './format.js';
import { createKeyed, make, makeButton, write } from './page.js';

export type Column<Row> = {
  readonly heading: string;
  /** What it is sorted by, if the heading does not say it well. */
  readonly label?: string;
  readonly numeric?: boolean;
  readonly show: (cell: HTMLElement, row: Row) => void;
  /** With it the column can be sorted by. */
  readonly sort?: (row: Row) => number | string;
};
export type TableOptions<Row> = {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  readonly isCurrent?: (row: Row) => boolean;
};
export type Table<Row> = { readonly element: HTMLElement; show(rows: readonly Row[]): void };

const PAGE = 100;
type Order = { column: number; down: boolean };

export const textCell = <Row>(textOf: (row: Row) => string, titleOf?: (row: Row) => string) => (cell: HTMLElement, row: Row): void => {
  write(cell, textOf(row));
  if (titleOf !== undefined) cell.title = titleOf(row);
};

/** A real link, made once. */
export const linkCell = <Row>(textOf: (row: Row) => string, hrefOf: (row: Row) => string, titleOf?: (row: Row) => string) =>
  (cell: HTMLElement, row: Row): void => {
    const link = cell.querySelector('a') ?? cell.appendChild(make('a', { class: 'row-link' }));
    write(link, textOf(row));
    if (link.getAttribute('href') !== hrefOf(row)) link.setAttribute('href', hrefOf(row));
    if (titleOf !== undefined) link.title = titleOf(row);
  };

/** A number that says something when it is not 0; `alarm`: something bad. */
export const countCell = <Row>(valueOf: (row: Row) => number, mark: 'busy' | 'alarm') => (cell: HTMLElement, row: Row): void => {
  write(cell, count(valueOf(row)));
  cell.classList.toggle(mark, valueOf(row) > 0);
};

function compare(a: number | string, b: number | string): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}

function makePager(turn: (by: number) => void) {
  const text = make('span');
  const before = makeButton('quiet', '‹ Previous', () => turn(-1));
  const after = makeButton('quiet', 'Next ›', () => turn(1));
  const element = make('div', { class: 'pager' }, before, text, after);
  return {
    element,
    show(page: number, shown: number, total: number): void {
      element.hidden = total <= PAGE;
      before.disabled = page === 0;
      after.disabled = (page + 1) * PAGE >= total;
      write(text, `${count(page * PAGE + 1)}–${count(page * PAGE + shown)} of ${count(total)}`);
    },
  };
}

export function createTable<Row>({ caption, columns, keyOf, isCurrent }: TableOptions<Row>): Table<Row> {
  const body = make('tbody');
  const heads = columns.map(({ numeric = false }) => make('th', { class: numeric ? 'numeric' : '' }));
  const table = make('table', {}, make('caption', { class: 'unseen', text: caption }), make('thead', {}, make('tr', {}, ...heads)), body);
  // Cards are made of it on a phone, which takes from a table that it is one.
  table.setAttribute('role', 'table');
  body.setAttribute('role', 'rowgroup');
  let rows: readonly Row[] = [];
  let order: Order | null = null;
  let page = 0;
  const pager = makePager((by) => { page += by; render(); });

  function makeRow(): HTMLTableRowElement {
    const line = make('tr', {}, ...columns.map(({ heading, numeric = false }) => {
      const cell = make('td', { class: numeric ? 'numeric' : '' });
      cell.dataset['label'] = heading;
      cell.setAttribute('role', 'cell');
      return cell;
    }));
    line.setAttribute('role', 'row');
    return line;
  }

  const rowsShown = createKeyed<Row, HTMLTableRowElement>(body, keyOf, makeRow, (line, row) => {
    columns.forEach((column, i) => column.show(line.cells[i] as HTMLElement, row));
    if (isCurrent?.(row) === true) line.setAttribute('aria-current', 'true');
    else line.removeAttribute('aria-current');
  });

  function sorted(): readonly Row[] {
    const sort = order === null ? undefined : columns[order.column]?.sort;
    if (sort === undefined) return rows;
    const way = order?.down === true ? -1 : 1;
    return [...rows].sort((a, b) => way * compare(sort(a), sort(b)));
  }

  function render(): void {
    page = Math.min(page, Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    const shown = sorted().slice(page * PAGE, (page + 1) * PAGE);
    rowsShown(shown);
    pager.show(page, shown.length, rows.length);
  }

  function showOrder(): void {
    heads.forEach((head, i) => {
      if (order?.column === i) head.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    choice.value = order === null ? '' : String(order.column);
  }

  /** The greatest first, where there are numbers; again: the other way round. */
  function sortBy(column: number): void {
    order = order?.column === column ? { column, down: !order.down } : { column, down: columns[column]?.numeric === true };
    page = 0;
    showOrder();
    render();
  }

  columns.forEach(({ heading, label, sort }, i) => {
    const head = heads[i] as HTMLTableCellElement;
    head.scope = 'col';
    if (sort === undefined) head.append(heading);
    else head.append(makeButton('sort', heading, () => sortBy(i), `Sort by ${(label ?? heading).toLowerCase()}`));
  });
  // On a phone there are no headings: rows are cards there.
  const choice = make('select', {}, make('option', { text: 'as listed' }), ...columns.flatMap(({ heading, label, sort }, i) => {
    if (sort === undefined) return [];
    const option = make('option', { text: (label ?? heading).toLowerCase() });
    option.value = String(i);
    return [option];
  }));
  (choice.firstElementChild as HTMLOptionElement).value = '';
  choice.addEventListener('change', () => {
    order = null;
    if (choice.value !== '') return sortBy(Number(choice.value));
    showOrder();
    render();
  });
  const chooser = make('label', { class: 'sorter' }, 'Sorted ', choice);
  chooser.hidden = columns.every(({ sort }) => sort === undefined);

  return {
    element: make('div', { class: 'table' }, chooser, table, pager.element),
    show(next) {
      rows = next;
      render();
    },
  };
}
