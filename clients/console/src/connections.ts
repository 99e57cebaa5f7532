/** All connections, a thousand at a time, and one of them in detail. */
import { createRateOf, nameOf, stateText, withRates, type RatedRow } from './clients.js';
import { createConnectionDetail } from './connection.js';
import { ago, bytes, count, duration, momentOf, plural, short } from './format.js';
import { make, makeButton, makeNote, write } from './page.js';
import { createPoll } from './poll.js';
import { connectionHref, type Route } from './router.js';
import { countCell, createTable, linkCell, textCell, type Column } from './table.js';
import type { Console, View } from './view.js';

/** What one call answers at most. */
const LISTED = 1000;

const columnsFor = (self: string, now: () => number): Column<RatedRow>[] => [
  { heading: 'Client', show: linkCell((row) => nameOf(row, self), ({ id }) => connectionHref(id), ({ client, agent }) => [client, agent].filter(Boolean).join(', ')), sort: ({ id }) => id },
  { heading: 'Connected', label: 'Connected for', numeric: true, show: textCell(({ connected_ms }) => duration(now() - connected_ms), ({ connected_ms }) => momentOf(connected_ms)), sort: ({ connected_ms }) => -connected_ms },
  { heading: 'Heard', label: 'Last heard', numeric: true, show: textCell(({ heard_ms }) => ago(now() - heard_ms)), sort: ({ heard_ms }) => -heard_ms },
  { heading: 'Streams', label: 'Open documents', numeric: true, show: textCell(({ streams }) => count(streams)), sort: ({ streams }) => streams },
  { heading: 'Updates', numeric: true, show: textCell(({ updates }) => count(updates)), sort: ({ updates }) => updates },
  { heading: 'Updates/s', label: 'Updates per second', numeric: true, show: textCell(({ rate }) => short(rate)), sort: ({ rate }) => rate },
  { heading: 'Rejected', numeric: true, show: countCell(({ rejected }) => rejected, 'alarm'), sort: ({ rejected }) => rejected },
  { heading: 'In', label: 'Bytes in', numeric: true, show: textCell(({ bytes_in }) => bytes(bytes_in)), sort: ({ bytes_in }) => bytes_in },
  { heading: 'Out', label: 'Bytes out', numeric: true, show: textCell(({ bytes_out }) => bytes(bytes_out)), sort: ({ bytes_out }) => bytes_out },
  { heading: 'Pending', label: 'Pending updates', numeric: true, show: countCell(({ pending }) => pending, 'busy'), sort: ({ pending }) => pending },
  { heading: 'Behind', label: 'Streams behind', numeric: true, show: countCell(({ behind }) => behind, 'alarm'), sort: ({ behind }) => behind },
  { heading: 'State', show: textCell(stateText), sort: stateText },
];

export function createConnections(given: Console): View {
  const { hub, attempt, history, self } = given;
  const rates = createRateOf();
  const hubNow = (): number => history.samples.at(-1)?.stats.now_ms ?? Date.now();
  const detail = createConnectionDetail(given, hubNow);
  let item = '';
  /** Of the connections before the first that is listed; 0: from the start. */
  let after = 0;
  let next: number | null = null;
  const summary = make('p', { class: 'soft', text: 'Asking the hub …' });
  const table = createTable<RatedRow>({
    caption: 'Connections', columns: columnsFor(self, hubNow), keyOf: ({ id }) => String(id), isCurrent: ({ id }) => String(id) === item,
  });
  const empty = makeNote('Nobody is connected', 'Clients show here as soon as they connect.');
  const first = makeButton('quiet', '« The first', () => turn(0));
  const further = makeButton('quiet', `The next ${count(LISTED)} »`, () => turn(next ?? 0));
  const windows = make('div', { class: 'pager' }, first, further);
  windows.hidden = empty.hidden = true;

  function turn(to: number): void {
    after = to;
    poll.now();
  }

  const poll = createPoll(() => attempt('connections', async () => {
    const page = await hub.connections(after, LISTED);
    next = page.next;
    const rows = withRates(page.connections, rates);
    const isAll = rows.length === page.total;
    write(summary, isAll ? `${plural(page.total, 'connection')}.` : `${count(rows.length)} of ${plural(page.total, 'connection')}, sorted among themselves.`);
    table.show(rows);
    table.element.hidden = rows.length === 0;
    empty.hidden = page.total > 0;
    windows.hidden = after === 0 && next === null;
    first.disabled = after === 0;
    further.disabled = next === null;
  }), 2000);

  const list = make('div', { class: 'list connections card' }, summary, table.element, empty, windows);
  const split = make('div', { class: 'split' }, list, detail.element);
  return {
    title: 'Connections',
    element: make('div', {}, make('h1', { text: 'Connections' }), split),
    show(route: Route) {
      item = route.item;
      split.classList.toggle('has-detail', item !== '');
      detail.show(item);
      poll.start();
    },
    hide() {
      poll.stop();
      detail.show('');
    },
  };
}
