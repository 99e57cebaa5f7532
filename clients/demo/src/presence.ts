/** Who is looking, and at what. One visitor may have several tabs, and is one. */
import type { Document } from 'syncline';
import type { Shelf } from './catalogue.js';
import { byId, make, part, plural, write } from './page.js';
import { browserId, isId, ownName, rename, tidyName } from './profile.js';

type Visitor = { readonly id: string; readonly name: string; readonly at: string | null };

const SHOWN_MAX = 4;

/** What others tell is theirs: nothing of it is taken as it is. */
function visitorOf(data: unknown): Visitor | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { id, name, at } = data as Record<string, unknown>;
  if (!isId(id) || id === browserId || typeof name !== 'string' || tidyName(name) === '') return undefined;
  return { id, name: tidyName(name), at: typeof at === 'string' ? at : null };
}

function othersOf(shop: Document): Visitor[] {
  const visitors = new Map<string, Visitor>();
  for (const { data } of shop.presence.peers) {
    const visitor = visitorOf(data);
    if (visitor !== undefined && (visitor.at !== null || !visitors.has(visitor.id))) visitors.set(visitor.id, visitor);
  }
  return [...visitors.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const hueOf = (id: string): number => [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
const initialsOf = (name: string): string => name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? '').join('').toUpperCase();

function colour(avatar: HTMLElement, id: string): void {
  avatar.style.setProperty('--hue', String(hueOf(id)));
}

function avatarOf({ id, name }: Visitor): HTMLElement {
  const avatar = make('li', 'avatar');
  const initials = make('span', '', initialsOf(name));
  initials.setAttribute('aria-hidden', 'true');
  avatar.append(initials, make('span', 'unseen', name));
  avatar.title = name;
  avatar.dataset['visitor'] = name;
  colour(avatar, id);
  return avatar;
}

function lookingText(others: readonly Visitor[]): string {
  const [first, second] = others;
  if (first === undefined) return 'Only you are looking';
  if (second === undefined) return `You and ${first.name} are looking`;
  return `You and ${plural(others.length, 'other')} are looking`;
}

function showOthers(others: readonly Visitor[], shelves: readonly Shelf[]): void {
  const more = others.length - SHOWN_MAX;
  byId('others').replaceChildren(
    ...others.slice(0, SHOWN_MAX).map(avatarOf), ...(more > 0 ? [make('li', 'avatar more', `+${more}`)] : []));
  write(byId('looking'), lookingText(others));
  for (const { product: { key, name }, card } of shelves) {
    const lookers = part(card, '.lookers');
    lookers.setAttribute('aria-label', `Who is looking at the ${name.toLowerCase()}`);
    lookers.replaceChildren(...others.filter(({ at }) => at === key).slice(0, SHOWN_MAX).map(avatarOf));
  }
}

function showMe(onRename: () => void): void {
  const me = byId('me');
  const dialog = byId('rename', HTMLDialogElement);
  const input = byId('rename-input', HTMLInputElement);
  const show = () => {
    write(me, initialsOf(ownName()));
    me.setAttribute('aria-label', `You are ${ownName()}: change your name`);
    me.title = `You are ${ownName()}`;
  };
  colour(me, browserId);
  me.addEventListener('click', () => {
    input.value = ownName();
    dialog.returnValue = '';
    dialog.showModal();
    input.select();
  });
  // Enter saves, though the button to cancel comes first.
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (input.reportValidity()) dialog.close('save');
  });
  dialog.addEventListener('close', () => {
    const name = tidyName(input.value);
    if (dialog.returnValue !== 'save' || name === '') return;
    rename(name);
    show();
    onRename();
  });
  show();
}

export function showPresence(shop: Document, shelves: readonly Shelf[]): void {
  let at: string | null = null;
  const say = () => shop.presence.set({ id: browserId, name: ownName(), at });
  function look(key: string | null): void {
    if (at === key) return;
    at = key;
    say();
  }
  for (const { product: { key }, card } of shelves) {
    for (const begin of ['pointerenter', 'focusin']) card.addEventListener(begin, () => look(key));
    for (const end of ['pointerleave', 'focusout']) card.addEventListener(end, () => look(null));
  }
  const show = () => showOthers(othersOf(shop), shelves);
  shop.presence.subscribe(show);
  showMe(say);
  say();
  show();
}
