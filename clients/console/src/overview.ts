/** The overview: charts of the last five minutes, the hub's state, the clients that do the most, and the latest rejected updates. */
import { createBusiest } from './busiest.js';
import { createChart, type Chart, type ChartOptions, type Cursor, type Series } from './chart.js';
import { bytes, count, duration, momentOf, plural, short, uuid } from './format.js';
import type { Stats } from './hub.js';
import { make, write } from './page.js';
import { pointsOf, type Rates, type Sample } from './rates.js';
import { createLatestRejected } from './rejected.js';
import type { Console, View } from './view.js';

type Line = { readonly name: string; readonly hue: string; readonly valueOf: (sample: Sample) => number | null };
type Plan = ChartOptions & { readonly lines: readonly Line[] };

const rate = (name: keyof Rates) => ({ rates }: Sample): number | null => rates?.[name] ?? null;
const plain = (name: keyof Stats) => ({ stats }: Sample): number => stats[name] as number;
const amount = (value: number): string => count(Math.round(value));

/** Green is work that was taken, red what was refused, blue what goes out and violet what comes in; grey is how much there is. */
const plans: readonly Plan[] = [
  { title: 'Updates', unit: '/s', format: short, least: 1, lines: [{ name: 'updates', hue: 'taken', valueOf: rate('updates') }] },
  { title: 'Rejected', unit: '/s', format: short, least: 1, lines: [{ name: 'rejected', hue: 'refused', valueOf: rate('rejected') }] },
  { title: 'Messages out', unit: '/s', format: short, least: 1, lines: [{ name: 'messages', hue: 'out', valueOf: rate('messages_out') }] },
  {
    title: 'Bytes', unit: '/s', format: bytes, least: 1024, binary: true,
    lines: [{ name: 'in', hue: 'in', valueOf: rate('bytes_in') }, { name: 'out', hue: 'out', valueOf: rate('bytes_out') }],
  },
  { title: 'Commits', unit: '/s', format: short, least: 1, lines: [{ name: 'commits', hue: 'taken', valueOf: rate('batches') }] },
  { title: 'Connections', unit: '', format: amount, least: 5, lines: [{ name: 'connections', hue: 'amount', valueOf: plain('connections') }] },
  { title: 'Documents loaded', unit: '', format: amount, least: 5, lines: [{ name: 'documents', hue: 'amount', valueOf: plain('documents') }] },
  { title: 'Memory used', unit: '', format: bytes, least: 1024, binary: true, lines: [{ name: 'memory', hue: 'amount', valueOf: plain('memory_bytes') }] },
];

function createCharts({ history }: Console) {
  const charts: Chart[] = [];
  /** One for all: what happened at the same time is read at the same time. */
  const cursor: Cursor = {
    at: null,
    moved(at) {
      cursor.at = at;
      for (const chart of charts) chart.showCursor();
    },
  };
  charts.push(...plans.map((plan) => createChart(plan, cursor)));
  return {
    element: make('div', { class: 'charts' }, ...charts.map(({ element }) => element)),
    show(now: number): void {
      plans.forEach(({ lines }, i) => {
        const series: Series[] = lines.map(({ name, hue, valueOf }) => ({ name, hue, points: pointsOf(history.samples, valueOf) }));
        charts[i]?.show(series, now);
      });
    },
  };
}

const mean = (sum: number, parts: number): string => (parts === 0 ? '–' : short(sum / parts));

/** The hub's state, by name. */
const facts: readonly (readonly [name: string, textOf: (stats: Stats) => string])[] = [
  ['Up', ({ now_ms, started_ms }) => `${duration(now_ms - started_ms)}, since ${momentOf(started_ms)}`],
  ['Program', ({ hub }) => hub],
  ['Journal', ({ journal }) => uuid(journal)],
  ['Position', ({ position, trimmed }) => `${count(position)}, forgotten up to ${count(trimmed)}`],
  ['An ACK means', ({ relaxed }) => (relaxed ? 'written, not yet safe from a power loss (relaxed)' : 'safe on disk (full)')],
  ['Updates', ({ updates, edits }) => `${count(updates)} with ${plural(edits, 'edit')}`],
  ['Refused', ({ rejected }) => count(rejected)],
  ['Sent again', ({ repeats }) => `${plural(repeats, 'update')} that had been taken already`],
  ['Commits', ({ batches, batch_bytes, updates }) => `${count(batches)}, ${mean(updates, batches)} updates each, ${bytes(batch_bytes)}`],
  ['Messages', ({ messages_in, messages_out }) => `${count(messages_in)} in, ${count(messages_out)} out`],
  ['Open documents', ({ streams, documents }) => `${plural(streams, 'stream')} on ${plural(documents, 'document')} in memory`],
  ['Memory of documents', ({ memory_bytes, memory_limit }) => `${bytes(memory_bytes)} of ${bytes(memory_limit)}`],
];

function createFacts() {
  const list = make('dl', { class: 'facts' });
  const values = facts.map(([name]) => {
    const value = make('dd');
    list.append(make('div', {}, make('dt', { text: name }), value));
    return value;
  });
  return {
    element: make('section', { class: 'card' }, make('h2', { text: 'Hub' }), list),
    show(stats: Stats): void {
      facts.forEach(([, textOf], i) => { write(values[i] as HTMLElement, textOf(stats)); });
    },
  };
}

export function createOverview(given: Console): View {
  const charts = createCharts(given);
  const state = createFacts();
  const busiest = createBusiest(given);
  const latest = createLatestRejected(given);
  return {
    title: 'Overview',
    element: make('div', {}, make('h1', { text: 'Overview' }), charts.element,
      make('div', { class: 'columns' }, busiest.element, latest.element, state.element)),
    show() {
      busiest.poll.start();
      latest.poll.start();
    },
    hide() {
      busiest.poll.stop();
      latest.poll.stop();
    },
    tick(stats, now) {
      charts.show(now);
      state.show(stats);
    },
  };
}
