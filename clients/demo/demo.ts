/** The demo: likes, stock and tags of one post, shown as they are, with what waits for the hub. */
import { connect, type Counter, type OrSet, type PnCounter } from 'syncline';

const key = new URLSearchParams(location.search).get('post') ?? '42';
const client = connect(location.origin.replace(/^http/, 'ws') + '/');
const post = client.open(`post/${key}`);

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

const status = element('status');
const message = element('message');
const buttons = ['like', 'stock-up', 'stock-down'].map((id) => element<HTMLButtonElement>(id));

function tagItem(tags: OrSet<string>, tag: string): HTMLLIElement {
  const item = document.createElement('li');
  const remove = document.createElement('button');
  item.dataset['tag'] = tag;
  item.append(tag);
  remove.type = 'button';
  remove.textContent = '×';
  remove.setAttribute('aria-label', `Remove ${tag}`);
  remove.addEventListener('click', () => tags.delete(tag));
  item.append(remove);
  return item;
}

function show(): void {
  const { likes, stock, tags } = post as unknown as {
    likes: Counter; stock: PnCounter; tags: OrSet<string>;
  };
  element('likes-value').textContent = String(likes.value);
  element('stock-value').textContent = String(stock.value);
  element('tags').replaceChildren(...tags.value.map((tag) => tagItem(tags, tag)));
  element('pending').textContent = String(post.pending);
}

function showStatus(): void {
  status.textContent = client.status;
  status.dataset['status'] = client.status;
}

function setUsable(usable: boolean): void {
  for (const button of buttons) button.disabled = !usable;
}

client.on('status', showStatus);
post.on('change', show);
post.on('pending', (count) => {
  if (count === 0) message.textContent = ''; // what it told of is over; a rejection is told after this
  show();
});
post.on('rejected', ({ text }) => { message.textContent = text; });
post.on('error', ({ text }) => { message.textContent = text; });
element('offline-switch').addEventListener('change', (event) => {
  if ((event.target as HTMLInputElement).checked) client.disconnect();
  else client.reconnect();
});
element('tag-form').addEventListener('submit', (event) => event.preventDefault());

showStatus();
setUsable(false);
await post.ready;
setUsable(true);
show();

element('like').addEventListener('click', () => post.likes.increment());
element('stock-up').addEventListener('click', () => post.stock.increment());
element('stock-down').addEventListener('click', () => post.stock.decrement());
element('tag-form').addEventListener('submit', () => {
  const input = element<HTMLInputElement>('tag-input');
  const tag = input.value.trim();
  if (tag !== '') post.tags.add(tag);
  input.value = '';
});
