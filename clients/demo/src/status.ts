/** Whether this page is connected, and what waits on this device. */
import type { Client, Document } from 'syncline';
import { byId, part, plural, write } from './page.js';
import { tell } from './toasts.js';

const OFFLINE_KEY = 'shop-offline';
/** Screen readers hear of a state that lasts, not of each save. */
const ANNOUNCE_MS = 800;

const names = { connecting: 'Connecting…', online: 'Online', offline: 'Offline', closed: 'Closed' };

/** The visitor wants no connection, and still does after a reload. */
export const isOfflineWanted = (): boolean => sessionStorage.getItem(OFFLINE_KEY) !== null;

function savedText({ status, pending }: Client): string {
  if (pending === 0) return status === 'online' ? 'All saved' : '';
  return status === 'online' ? 'Saving…' : `${plural(pending, 'change')} wait${pending === 1 ? 's' : ''}`;
}

function announcer(): (text: string) => void {
  const region = byId('announcement');
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => write(region, text), ANNOUNCE_MS);
  };
}

function showSwitch(client: Client): void {
  const button = byId('offline-switch');
  const show = () => button.setAttribute('aria-checked', String(isOfflineWanted()));
  button.addEventListener('click', () => {
    if (isOfflineWanted()) {
      sessionStorage.removeItem(OFFLINE_KEY);
      client.reconnect();
    } else {
      sessionStorage.setItem(OFFLINE_KEY, 'yes');
      client.disconnect();
    }
    show();
  });
  show();
}

export function showStatus(client: Client): void {
  const pill = byId('connection');
  const saved = byId('saved');
  const announce = announcer();
  const show = () => {
    const text = savedText(client);
    pill.dataset['status'] = client.status;
    pill.dataset['pending'] = String(client.pending);
    write(byId('connection-text'), names[client.status]);
    write(byId('saved-text'), text);
    saved.hidden = text === '';
    part(saved, '.where').hidden = client.status === 'online' || client.pending === 0;
    announce([names[client.status], text].filter((one) => one !== '').join('. '));
  };
  client.on('status', show);
  client.on('pending', show);
  client.on('error', ({ code, text }) => tell(code.startsWith('STORE') ? `This browser cannot keep changes: ${text}` : text));
  showSwitch(client);
  show();
}

/** The sentence for what the hub could not serve. */
function troubleOf({ name }: { name: string }, { code, text }: { code: string; text: string }): string {
  if (code !== 'UNKNOWN_SCHEMA') return text;
  return `This hub has no schema for ${name}. The shop needs the schemas of server/demo.yaml.`;
}

/** What is wrong with a document is told until it is over. */
export function showTrouble(documents: readonly Pick<Document, 'name' | 'on'>[]): void {
  const banner = byId('trouble');
  const troubles = new Map<string, string>();
  const show = () => {
    const [first] = troubles.values();
    write(banner, first ?? '');
    banner.hidden = first === undefined;
  };
  for (const document of documents) {
    const over = () => { if (troubles.delete(document.name)) show(); };
    document.on('error', (error) => {
      troubles.set(document.name, troubleOf(document, error));
      show();
    });
    document.on('pending', (count) => { if (count === 0) over(); });
    document.on('status', (status) => { if (status === 'synced') over(); });
  }
}
