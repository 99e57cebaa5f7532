/** The operator's console: what a running hub does, asked of it once a second through the public client. */
import { connect } from 'syncline';
import { createAccess, token } from './access.js';
import { createConnections } from './connections.js';
import { createDocuments } from './documents.js';
import { cut } from './format.js';
import { createHeader } from './header.js';
import { codeOf, createHub } from './hub.js';
import { createOverview } from './overview.js';
import { byId } from './page.js';
import { createPoll } from './poll.js';
import { createHistory } from './rates.js';
import { createRejected } from './rejected.js';
import { createRouter, hashOf, VIEWS, type Route, type ViewName } from './router.js';
import { createSearch } from './search.js';
import type { Console, View } from './view.js';

const TITLE_MAX = 60;
/** Tells this page's connection from others. */
const self = `console ${crypto.getRandomValues(new Uint32Array(1))[0]?.toString(36)}`;
// What an operator looks at is not to stay on the disk, and is asked for with this tab's token: on a connection of its own.
const client = connect(`${location.origin.replace(/^http/, 'ws')}/`, { store: 'memory', share: false, client: self, token });
const hub = createHub(client);
const history = createHistory();
const header = createHeader();
const access = createAccess(() => {
  client.disconnect();
  client.reconnect();
});

/** Only the hub's answers are expected to go wrong. */
function onFailure(what: string, error: unknown): void {
  const code = codeOf(error);
  if (!(error instanceof Error) || code === undefined) throw error;
  if (code === 'OFFLINE') return; // the header tells
  if (code === 'FORBIDDEN') access.setForbidden(true);
  else header.setProblem(what, `${error.message} (${what}: ${code})`);
}

async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    header.setProblem(what, '');
  } catch (error) {
    onFailure(what, error);
  }
}

const given: Console = { client, hub, history, attempt, self };
const documents = createDocuments(given);
const views: { readonly [name in ViewName]: View } = {
  overview: createOverview(given),
  connections: createConnections(given),
  documents,
  rejected: createRejected(given),
};

const statsPoll = createPoll(() => attempt('statistics', async () => {
  const stats = await hub.stats();
  access.setForbidden(false);
  const now = performance.now();
  history.add(stats, now);
  header.tick(stats);
  views[router.route.view].tick?.(stats, now);
}), 1000);

function showView({ view: name, item }: Route): void {
  document.title = `${cut(item, TITLE_MAX) || views[name].title} · Syncline console`;
  for (const other of VIEWS) {
    const { element } = views[other];
    element.hidden = other !== name;
    const link = byId(`nav-${other}`);
    if (other === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** To what has just come, unless somebody types: else the keyboard would be left on what is gone. */
function moveFocus(route: Route, before: Route): void {
  if (document.activeElement === byId('search')) return;
  const { element } = views[route.view];
  const isDetail = route.item !== '' && route.item !== before.item;
  const left = route.view === before.view && before.item !== '' && route.item === '';
  const href = hashOf({ ...route, item: before.item });
  const row = left ? [...element.querySelectorAll<HTMLElement>('.row-link')].find((link) => link.getAttribute('href') === href) : undefined;
  const target = row ?? element.querySelector<HTMLElement>(isDetail ? '.detail-heading' : 'h1');
  target?.focus();
}

const router = createRouter((route, before) => {
  if (route.view !== before.view) views[before.view].hide();
  header.forgetProblems();
  showView(route);
  views[route.view].show(route);
  search.show(route);
  if (route.view !== before.view || route.item !== before.item) moveFocus(route, before);
});
const search = createSearch(router, documents.focusFirst);

for (const name of VIEWS) {
  const { element } = views[name];
  element.classList.add('view');
  element.querySelector('h1')?.setAttribute('tabindex', '-1');
  byId('views').append(element);
}
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  views[router.route.view].element.querySelector<HTMLElement>('h1')?.focus();
});
/** Up and down through what is listed, as in a file manager; Tab goes there, too. */
document.addEventListener('keydown', (event) => {
  const link = document.activeElement;
  if ((event.key !== 'ArrowDown' && event.key !== 'ArrowUp') || !link?.matches('.row-link')) return;
  const links = [...link.closest('table')?.querySelectorAll<HTMLElement>('.row-link') ?? []];
  const next = links[links.indexOf(link as HTMLElement) + (event.key === 'ArrowDown' ? 1 : -1)];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
});

client.on('status', (status) => {
  header.setStatus(status);
  if (status !== 'online') return;
  header.forgetProblems();
  statsPoll.now();
  views[router.route.view].show(router.route); // asks at once
});
client.on('error', ({ code, text }) => {
  const isRefused = code.startsWith('TOKEN_');
  if (isRefused) access.setForbidden(true);
  if (isRefused || client.status === 'online') header.setProblem('token', `${text} (${code})`);
});
showView(router.route);
views[router.route.view].show(router.route);
search.show(router.route);
statsPoll.start();
