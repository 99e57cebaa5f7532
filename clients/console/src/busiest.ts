/** The clients to look at first: those that wait for something, then those that do the most. */
import { count, plural, short } from './format.js';
import type { ConnectionRow } from './hub.js';
import { nameOf, stateText, withRates, type RatedRow, createRateOf } from './clients.js';
import { make, makeNote, write } from './page.js';
import { createPoll } from './poll.js';
import { connectionHref } from './router.js';
import { countCell, createTable, linkCell, textCell } from './table.js';
import type { Console } from './view.js';

const SHOWN = 8;
const LOOKED_AT = 1000;

/** All pending updates wait for the disk a little: that is no trouble. */
const isLate = ({ behind, blocked, paused }: ConnectionRow): boolean => behind > 0 || blocked || paused;

export function createBusiest({ hub, attempt, self }: Console) {
  const rateOf = createRateOf();
  const summary = make('p', { class: 'soft' });
  const table = createTable<RatedRow>({
    caption: 'Clients that wait or do the most',
    keyOf: ({ id }) => String(id),
    columns: [
      { heading: 'Client', show: linkCell((row) => nameOf(row, self), ({ id }) => connectionHref(id), ({ agent }) => agent) },
      { heading: 'Updates/s', numeric: true, show: textCell(({ rate }) => short(rate)) },
      { heading: 'Pending', numeric: true, show: countCell(({ pending }) => pending, 'busy') },
      { heading: 'Behind', numeric: true, show: countCell(({ behind }) => behind, 'alarm') },
      { heading: 'State', show: textCell(stateText) },
    ],
  });
  const empty = makeNote('Nobody is connected', 'Clients show here as soon as they connect.');

  const poll = createPoll(() => attempt('clients', async () => {
    const page = await hub.connections(0, LOOKED_AT);
    const rows = withRates(page.connections, rateOf);
    const first = [...rows].sort((a, b) => Number(isLate(b)) - Number(isLate(a)) || b.rate - a.rate || b.updates - a.updates).slice(0, SHOWN);
    const late = rows.filter(isLate).length;
    const all = rows.length < page.total ? `the first ${count(rows.length)} of ${plural(page.total, 'connection')}` : plural(page.total, 'connection');
    write(summary, `${count(late)} behind or reading too slowly, of ${all}.`);
    table.show(first);
    table.element.hidden = first.length === 0;
    empty.hidden = first.length > 0;
  }), 2000);
  empty.hidden = true;
  return {
    poll,
    element: make('section', { class: 'card' }, make('h2', { text: 'Clients' }), summary, table.element, empty,
      make('p', {}, make('a', { text: 'All connections', href: '#/connections' }))),
  };
}
