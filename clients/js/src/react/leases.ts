/**
 * Leases: a document is open as long as some component uses it. React may render what it never shows, and ends and begins effects of
 * what it shows on (StrictMode, hidden Activities), so a document outlives its last user by a little.
 */
import type { ClientCore } from '../client.js';
import type { Document } from '../document.js';

type Lease = { document: Document; isOurs: boolean; users: number; timer: ReturnType<typeof setTimeout> | undefined };

/** For a render to be shown. */
const RENDER_MS = 10000;

const leases = new WeakMap<ClientCore, Map<string, Lease>>();

/** Closes the document if nobody has come to use it by then; not before its edits are saved, which only the document has. */
function endAfter(ms: number, client: ClientCore, name: string, lease: Lease): void {
  clearTimeout(lease.timer);
  lease.timer = setTimeout(() => {
    lease.document.saved.catch(() => {}).then(() => {
      const held = leases.get(client);
      if (lease.users > 0 || held?.get(name) !== lease) return;
      held.delete(name);
      if (lease.isOurs && lease.document.status !== 'closed') lease.document.close();
    });
  }, ms);
  (lease.timer as { unref?: () => void }).unref?.();
}

/** The document, open at least until the render that asks for it is shown or given up. */
export function hold(client: ClientCore, name: string): Document {
  const held = leases.get(client) ?? new Map<string, Lease>();
  leases.set(client, held);
  const lease = held.get(name);
  if (lease !== undefined && (client.status === 'closed' || lease.document.status !== 'closed')) {
    if (lease.users === 0) endAfter(RENDER_MS, client, name, lease);
    return lease.document;
  }
  const isOurs = client.documents.every((document) => document.name !== name);
  const fresh: Lease = { document: client.open(name), isOurs, users: 0, timer: undefined };
  held.set(name, fresh);
  endAfter(RENDER_MS, client, name, fresh);
  return fresh.document;
}

/** Keeps the document that `hold` gives open until the release. */
export function keep(client: ClientCore, name: string): { document: Document; release: () => void } {
  const document = hold(client, name);
  const lease = leases.get(client)?.get(name) as Lease;
  clearTimeout(lease.timer);
  lease.users += 1;
  return {
    document,
    release() {
      lease.users -= 1;
      if (lease.users === 0) endAfter(0, client, name, lease);
    },
  };
}
