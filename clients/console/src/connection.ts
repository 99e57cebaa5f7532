/** One connection: what it is, and what it has open, is sent, and waits for. */
import { nameOf, stateText } from './clients.js';
import { ago, bytes, count, cut, momentOf, plural, titleOf } from './format.js';
import type { ConnectionDetail, StreamRow } from './hub.js';
import { make, makeNote, write } from './page.js';
import { createPoll } from './poll.js';
import { documentHref } from './router.js';
import { countCell, createTable, linkCell, textCell } from './table.js';
import type { Console } from './view.js';

const NAME_MAX = 60;

type Fact = readonly [name: string, textOf: (row: ConnectionDetail, now: number) => string];
const facts: readonly Fact[] = [
  ['Agent', ({ agent }) => agent || 'not said'],
  ['Client', ({ client }) => client || 'not said'],
  ['Connected', ({ connected_ms }) => momentOf(connected_ms)],
  ['Last heard', ({ heard_ms }, now) => ago(now - heard_ms)],
  ['State', stateText],
  ['Updates', ({ updates, rejected }) => `${count(updates)}, ${count(rejected)} rejected`],
  ['Bytes', ({ bytes_in, bytes_out }) => `${bytes(bytes_in)} in, ${bytes(bytes_out)} out`],
  ['Pending', ({ pending }) => (pending === 0 ? 'nothing' : `${plural(pending, 'update')} for the journal`)],
  ['Behind', ({ behind, streams }) => (behind === 0 ? 'nowhere' : `on ${count(behind)} of ${plural(streams, 'stream')}`)],
];

const lag = ({ cursor, position }: StreamRow): number => (cursor === null ? position : Math.max(0, position - cursor));

export function createConnectionDetail({ hub, attempt, self }: Console, now: () => number) {
  let id = '';
  const heading = make('h2', { class: 'detail-heading' });
  heading.tabIndex = -1;
  const list = make('dl', { class: 'facts' });
  const values = facts.map(([name]) => {
    const value = make('dd');
    list.append(make('div', {}, make('dt', { text: name }), value));
    return value;
  });
  const table = createTable<StreamRow>({
    caption: 'Open documents', keyOf: (row) => String(row.id), columns: [
      { heading: 'Document', show: linkCell(({ document }) => cut(document, NAME_MAX), ({ document }) => documentHref(document), ({ document }) => titleOf(document, cut(document, NAME_MAX))), sort: ({ document }) => document },
      { heading: 'Seen to', label: 'Has seen up to position', numeric: true, show: textCell(({ cursor }) => (cursor === null ? '–' : count(cursor))), sort: ({ cursor }) => cursor ?? -1 },
      { heading: 'Behind by', label: 'Positions behind', numeric: true, show: countCell(lag, 'alarm'), sort: lag },
      { heading: 'Pending', label: 'Pending updates', numeric: true, show: countCell(({ pending }) => pending, 'busy'), sort: ({ pending }) => pending },
    ],
  });
  const more = make('p', { class: 'soft' });
  const body = make('div', {}, list, make('h3', { text: 'Open documents' }), table.element, more);
  const gone = makeNote('This connection is gone', 'Its client has left or lost its network. When it comes back it has another number.');
  const element = make('section', { class: 'detail card' },
    make('p', {}, make('a', { class: 'back', text: '‹ Connections', href: '#/connections' })), heading, body, gone);

  function tell(row: ConnectionDetail | null): void {
    body.hidden = row === null;
    gone.hidden = row !== null;
    write(heading, row === null ? `Connection ${id}` : `Connection ${nameOf(row, self)}`);
    if (row === null) return;
    facts.forEach(([, textOf], i) => write(values[i] as HTMLElement, textOf(row, now())));
    table.show(row.rows);
    write(more, row.more ? `${count(row.rows.length)} of ${plural(row.streams, 'stream')} are listed.` : '');
  }

  const poll = createPoll(() => attempt('connection', async () => {
    const asked = id;
    const row = /^\d{1,15}$/.test(asked) ? await hub.connection(Number(asked)) : null;
    if (asked === id) tell(row);
  }), 1000);

  return {
    element,
    /** '': none. */
    show(next: string): void {
      if (next === id) {
        if (id !== '') poll.start();
        return;
      }
      id = next;
      element.hidden = id === '';
      body.hidden = gone.hidden = true;
      write(heading, `Connection ${id}`);
      if (id === '') poll.stop();
      else poll.start();
    },
  };
}
