/** One document: its fields with their live values, its position, and who writes. */
import type { Document } from 'syncline';
import { ago, bytes, count, cut, momentOf, plural, shortReplica, titleOf, uuid } from './format.js';
import type { DocumentDetail, FieldRow, Writer } from './hub.js';
import { make, makeNote, write } from './page.js';
import { createPoll } from './poll.js';
import { connectionHref, hashOf } from './router.js';
import { createTable, textCell } from './table.js';
import { createFieldView, elementText, type FieldView } from './values.js';
import type { Console } from './view.js';

const NAME_MAX = 120;
/** Of those who are present so many are shown. */
const PEERS = 50;
/** After a change the rest is asked again, but not for each of many. */
const SOON_MS = 400;

const facts: readonly (readonly [name: string, textOf: (detail: DocumentDetail) => string])[] = [
  ['Position', ({ position }) => count(position)],
  ['In its rows', ({ stored, position }) => (stored >= position ? 'all of it' : `up to ${count(stored)}; the rest is in the journal`)],
  ['Open at', ({ streams }) => `${plural(streams, 'client')}, this page among them`],
  ['Replicas', ({ replicas }) => `${count(replicas)} in memory`],
  ['Memory', ({ memory_bytes }) => bytes(memory_bytes)],
];

function createWriters() {
  const table = createTable<Writer>({
    caption: 'Writers', keyOf: ({ replica }) => uuid(replica), columns: [
      {
        heading: 'Replica', show(cell, { replica }) {
          if (cell.firstElementChild === null) cell.append(make('code', { text: shortReplica(replica), title: uuid(replica) }));
        },
      },
      { heading: 'Wrote', label: 'Wrote last', show: textCell(({ at_ms }) => ago(Date.now() - at_ms), ({ at_ms }) => momentOf(at_ms)), sort: ({ at_ms }) => at_ms },
      { heading: 'Updates', numeric: true, show: textCell(({ seq }) => count(seq)), sort: ({ seq }) => seq },
      { heading: 'Position', numeric: true, show: textCell(({ position }) => count(position)), sort: ({ position }) => position },
      {
        heading: 'Connection', show(cell, { connection }) {
          const key = String(connection);
          if (cell.dataset['connection'] === key) return;
          cell.dataset['connection'] = key;
          cell.replaceChildren(connection === null ? 'gone' : make('a', { text: key, href: connectionHref(connection) }));
        },
      },
    ],
  });
  const empty = make('p', { class: 'soft', text: 'Nobody has written yet.' });
  return {
    element: make('div', {}, table.element, empty),
    show(writers: readonly Writer[]): void {
      table.show(writers);
      table.element.hidden = writers.length === 0;
      empty.hidden = writers.length > 0;
    },
  };
}

/** The fields' values, told by the hub as to every client. */
function createLive(given: Pick<Console, 'client'>, changed: () => void) {
  const list = make('div', { class: 'fields' });
  const present = make('div', { class: 'present' });
  let document: Document | null = null;
  let views: FieldView[] = [];
  let shown = '';
  let stop = () => {};

  function show(): void {
    for (const view of views) view.show();
    changed();
  }

  /** What clients say of themselves; most say nothing. */
  function showPeers(): void {
    const peers = document?.presence.peers ?? [];
    present.hidden = peers.length === 0;
    present.replaceChildren(make('h3', { text: `Present: ${count(peers.length)}` }), make('ul', { class: 'chips' },
      ...peers.slice(0, PEERS).map(({ data }) => {
        const text = elementText(data, 'any');
        return make('li', { class: 'chip', text: cut(text, NAME_MAX), title: titleOf(text, cut(text, NAME_MAX)) });
      })));
  }

  function declare(open: Document, fields: readonly FieldRow[]): void {
    const key = JSON.stringify([fields, open.fields]);
    if (key === shown || open.fields.length === 0) return;
    shown = key;
    views = fields.map((field) => createFieldView(open, field));
    list.replaceChildren(...views.map((view) => view.element));
    show();
  }

  return {
    element: make('div', {}, list, present),
    open(name: string, fields: readonly FieldRow[]): void {
      if (document?.name === name) return declare(document, fields);
      const open = given.client.open(name);
      document = open;
      const undo = [open.subscribe(show), open.presence.subscribe(showPeers)];
      stop = () => { for (const stopOne of undo) stopOne(); };
      showPeers();
      open.ready.then(() => { if (document === open) declare(open, fields); }, () => {}); // it was left before it came
    },
    close(): void {
      stop();
      document?.close();
      document = null;
      shown = '';
      views = [];
      list.replaceChildren();
    },
  };
}

export function createInspector(given: Console) {
  const { hub, attempt } = given;
  let name = '';
  let soon: ReturnType<typeof setTimeout> | undefined;
  const heading = make('h2', { class: 'detail-heading' });
  heading.tabIndex = -1;
  const back = make('a', { class: 'back', text: '‹ Documents' });
  const list = make('dl', { class: 'facts' });
  const values = facts.map(([fact]) => {
    const value = make('dd');
    list.append(make('div', {}, make('dt', { text: fact }), value));
    return value;
  });
  const live = createLive(given, () => { soon ??= setTimeout(askSoon, SOON_MS); });
  const writers = createWriters();
  const body = make('div', {}, list, live.element, make('h3', { text: 'Writers, the latest first' }), writers.element);
  const missing = makeNote('There is no such document', 'It will show here as soon as a client has edited it.');
  const loading = make('p', { class: 'soft', text: 'Asking the hub …' });
  const element = make('section', { class: 'detail card' }, make('p', {}, back), heading, loading, body, missing);

  function askSoon(): void {
    soon = undefined;
    poll.now();
  }

  function tell(detail: DocumentDetail | null): void {
    loading.hidden = true;
    body.hidden = detail === null;
    missing.hidden = detail !== null;
    if (detail === null) return live.close();
    live.open(detail.name, detail.fields);
    facts.forEach(([, textOf], i) => write(values[i] as HTMLElement, textOf(detail)));
    writers.show(detail.writers);
  }

  const poll = createPoll(() => attempt('document', async () => {
    const asked = name;
    const detail = await hub.document(asked);
    if (asked === name && asked !== '') tell(detail);
  }), 2000);

  return {
    element,
    /** '': none. */
    show(next: string, search: string): void {
      back.href = hashOf({ view: 'documents', search });
      element.hidden = next === '';
      if (next !== name) {
        live.close();
        name = next;
        write(heading, cut(name, NAME_MAX));
        heading.title = titleOf(name, cut(name, NAME_MAX));
        loading.hidden = false;
        body.hidden = missing.hidden = true;
      }
      if (name === '') poll.stop();
      else poll.start();
    },
  };
}
