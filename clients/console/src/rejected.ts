/** The updates that were refused last, with the reasons: all that the hub remembers, and the latest for the overview. */
import { ago, count, cut, momentOf, shortReplica, timeOf, titleOf, uuid } from './format.js';
import type { FieldNames, Hub, RejectedPage, RejectedRow } from './hub.js';
import { make, makeButton, makeNote } from './page.js';
import { createPoll } from './poll.js';
import { documentHref } from './router.js';
import { createTable, linkCell, textCell, type Column } from './table.js';
import type { Console, View } from './view.js';

const PAGE = 100;
const LATEST = 6;
const NAME_MAX = 60;
const NONE = 'No update was refused';
const NONE_TEXT = 'An update that breaks a rule, such as a bounded counter’s bounds, takes no effect and is listed here with the reason.';

/** A refused update with its field's name, if there is one. */
type Row = RejectedRow & { readonly fieldName: string };

const documentColumn: Column<Row> = {
  heading: 'Document',
  show: linkCell(({ document }) => cut(document, NAME_MAX), ({ document }) => documentHref(document), ({ document }) => titleOf(document, cut(document, NAME_MAX))),
};
const reasonColumn: Column<Row> = {
  heading: 'Reason',
  show(cell, { code, text }) {
    const key = `${code} ${text}`;
    if (cell.dataset['reason'] === key) return;
    cell.dataset['reason'] = key;
    cell.replaceChildren(make('code', { class: 'chip refused', text: code }), ' ', text);
  },
};
const agoColumn: Column<Row> = {
  heading: 'When', show: textCell(({ at_ms }) => ago(Date.now() - at_ms), ({ at_ms }) => momentOf(at_ms)),
};

const columns: readonly Column<Row>[] = [
  { heading: 'Time', show: textCell(({ at_ms }) => timeOf(at_ms), ({ at_ms }) => momentOf(at_ms)), sort: ({ at_ms }) => at_ms },
  { ...documentColumn, sort: ({ document }) => document },
  { heading: 'Field', show: textCell(({ fieldName }) => fieldName), sort: ({ fieldName }) => fieldName },
  { ...reasonColumn, sort: ({ code }) => code },
  {
    heading: 'Replica', show(cell, { replica }) {
      if (cell.firstElementChild === null) cell.append(make('code', { text: shortReplica(replica), title: uuid(replica) }));
    },
  },
  { heading: 'Seq', label: 'Sequence number', numeric: true, show: textCell(({ seq }) => count(seq)) },
];

/** Its dot: it has no other name before it is stored. */
const keyOf = ({ document, replica, seq }: Row): string => `${uuid(replica)} ${seq} ${document}`;

/** The schemas are asked for once, and again when a field is not among them. */
function createNaming(hub: Pick<Hub, 'fieldNames'>) {
  let names: FieldNames | null = null;
  const nameOf = ({ document, field }: RejectedRow): string | undefined =>
    (field === null ? '–' : names?.get(document.split('/', 1)[0] ?? '')?.get(field));
  return async ({ rejected }: RejectedPage): Promise<Row[]> => {
    if (rejected.some((row) => nameOf(row) === undefined)) names = await hub.fieldNames();
    return rejected.map((row) => ({ ...row, fieldName: nameOf(row) ?? `number ${row.field}` }));
  };
}

export function createLatestRejected({ hub, attempt }: Console) {
  const table = createTable<Row>({ caption: 'The latest rejected updates', columns: [agoColumn, documentColumn, reasonColumn], keyOf });
  const empty = makeNote(NONE, NONE_TEXT);
  empty.hidden = true;
  table.element.hidden = true;
  const named = createNaming(hub);
  const poll = createPoll(() => attempt('rejected updates', async () => {
    const rejected = await named(await hub.rejected(LATEST, null));
    table.show(rejected);
    table.element.hidden = rejected.length === 0;
    empty.hidden = rejected.length > 0;
  }), 2000);
  return {
    poll,
    element: make('section', { class: 'card' }, make('h2', { text: 'Last rejected updates' }), table.element, empty,
      make('p', {}, make('a', { text: 'All rejected updates', href: '#/rejected' }))),
  };
}

export function createRejected({ hub, attempt }: Console): View {
  const table = createTable<Row>({ caption: 'Rejected updates', columns, keyOf });
  const empty = makeNote(NONE, NONE_TEXT);
  const loading = make('p', { class: 'soft', text: 'Asking the hub …' });
  const named = createNaming(hub);
  /** The pages before this one, to go back to; null is the first. */
  let trail: (number | null)[] = [];
  let after: number | null = null;
  let next: number | null = null;
  const older = makeButton('quiet', 'Older ›', () => {
    trail.push(after);
    after = next;
    poll.now();
  });
  const newer = makeButton('quiet', '‹ Newer', () => {
    after = trail.pop() ?? null;
    poll.now();
  });
  const pager = make('div', { class: 'pager' }, newer, older);
  empty.hidden = table.element.hidden = pager.hidden = true;

  const poll = createPoll(() => attempt('rejected updates', async () => {
    const page = await hub.rejected(PAGE, after);
    const rejected = await named(page);
    next = page.next;
    loading.hidden = true;
    table.show(rejected);
    table.element.hidden = rejected.length === 0;
    empty.hidden = rejected.length > 0 || after !== null;
    newer.disabled = after === null;
    older.disabled = next === null;
    pager.hidden = after === null && next === null;
  }), 2000);

  return {
    title: 'Rejected updates',
    element: make('div', {}, make('h1', { text: 'Rejected updates' }),
      make('p', { class: 'soft', text: 'The last ones that the hub remembers, the latest first. They took no effect.' }),
      make('div', { class: 'card' }, loading, table.element, empty, pager)),
    show() {
      trail = [];
      after = null;
      poll.start();
    },
    hide: () => poll.stop(),
  };
}
