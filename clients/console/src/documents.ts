/** The documents by name, searched and in pages; one of them in the inspector beside the list. */
import { count, cut, plural, titleOf } from './format.js';
import type { DocumentPage, DocumentRow } from './hub.js';
import { createInspector } from './inspector.js';
import { byId, make, makeButton, makeNote, write } from './page.js';
import { createPoll } from './poll.js';
import { documentHref, type Route } from './router.js';
import { createTable, linkCell, textCell } from './table.js';
import type { Console, View } from './view.js';

const PAGE = 100;
const NAME_MAX = 60;
/** One call looks at 10,000 names: a rare name may take several to find. */
const CALLS_MAX = 10;

export function createDocuments(given: Console): View & { focusFirst(search: string): void } {
  const { hub, attempt } = given;
  const inspector = createInspector(given);
  let item = '';
  let search = '';
  /** The pages before this one; '' is the first. */
  let trail: string[] = [];
  let after = '';
  let next: string | null = null;
  /** What the listed documents were searched for; null: they are old. */
  let listed: string | null = null;
  /** What the first found is to have the focus for. */
  let wanted: string | null = null;
  const summary = make('p', { class: 'soft', text: 'Asking the hub …' });
  summary.setAttribute('role', 'status');
  const table = createTable<DocumentRow>({
    caption: 'Documents', keyOf: ({ name }) => name, isCurrent: ({ name }) => name === item, columns: [
      { heading: 'Document', show: linkCell(({ name }) => cut(name, NAME_MAX), ({ name }) => documentHref(name, search), ({ name }) => titleOf(name, cut(name, NAME_MAX))) },
      { heading: 'Position', label: 'Position of the last change', numeric: true, show: textCell(({ position }) => count(position)) },
      { heading: 'Streams', label: 'Clients that have it open', numeric: true, show: textCell(({ streams }) => count(streams)) },
      { heading: 'In memory', show: textCell(({ in_memory }) => (in_memory ? 'yes' : 'no')) },
    ],
  });
  const none = makeNote('There are no documents yet', 'A document is there as soon as a client has edited it.');
  const nothing = makeNote('No document is called so', 'Names are schema/key, such as post/42. Try a part of the name.');
  const previous = makeButton('quiet', '‹ Previous', () => {
    after = trail.pop() ?? '';
    poll.now();
  });
  const following = makeButton('quiet', 'Next ›', () => {
    trail.push(after);
    after = next ?? '';
    poll.now();
  });
  const pager = make('div', { class: 'pager' }, previous, following);
  none.hidden = nothing.hidden = pager.hidden = true;

  async function gather(): Promise<DocumentPage> {
    const asked = search;
    const documents: DocumentRow[] = [];
    let from: string | null = after;
    for (let calls = 0; calls < CALLS_MAX && from !== null && documents.length < PAGE && asked === search; calls++) {
      const page: DocumentPage = await hub.documents(search, from, PAGE - documents.length);
      documents.push(...page.documents);
      from = page.next;
    }
    return { documents, next: from };
  }

  const poll = createPoll(() => attempt('documents', async () => {
    const asked = `${search} ${after}`;
    const page = await gather();
    if (asked !== `${search} ${after}`) return; // the answer to what nobody asks any more
    next = page.next;
    const { documents } = page;
    const isFirst = after === '';
    table.show(documents);
    table.element.hidden = documents.length === 0;
    none.hidden = search !== '' || documents.length > 0 || !isFirst || next !== null;
    nothing.hidden = search === '' || documents.length > 0 || !isFirst || next !== null;
    const found = `${plural(documents.length, 'document')}${search === '' ? '' : ` for “${cut(search, NAME_MAX)}”`}`;
    const told = isFirst && next === null ? `${found}, by name.` : `Page ${count(trail.length + 1)}, by name: ${found}.`;
    write(summary, none.hidden ? told : '');
    pager.hidden = isFirst && next === null;
    previous.disabled = isFirst;
    following.disabled = next === null;
    listed = search;
    focusListed();
  }), 5000);

  function focusListed(): void {
    if (wanted === null || wanted !== listed) return;
    wanted = null;
    if (document.activeElement !== byId('search')) return; // who has gone elsewhere is not called back
    table.element.querySelector<HTMLElement>('.row-link')?.focus();
  }

  const list = make('div', { class: 'list card' }, summary, table.element, none, nothing, pager);
  const split = make('div', { class: 'split' }, list, inspector.element);
  return {
    title: 'Documents',
    element: make('div', {}, make('h1', { text: 'Documents' }), split),
    show(route: Route) {
      item = route.item;
      if (route.search !== search) {
        search = route.search;
        listed = null;
        trail = [];
        after = '';
      }
      split.classList.toggle('has-detail', item !== '');
      inspector.show(item, search);
      poll.start();
    },
    /** As soon as what is found for it is listed. */
    focusFirst(found) {
      wanted = found;
      focusListed();
    },
    hide() {
      listed = wanted = null;
      poll.stop();
      inspector.show('', search);
    },
  };
}
