/**
 * Sharing: how a tab comes to the one connection of all tabs: through a shared worker; where there is none, through the tab that
 * leads; where even that is impossible or nobody answers, by a socket of its own.
 */
import { hold, whenFree, type Held } from '../locks.js';
import { openSharedWorker } from '../sharedworker.js';
import type { SocketLike } from '../transport/websocket.js';
import { standForLeader, type Leader } from './leader.js';
import { socketOver, type Join, type LineSocket } from './line.js';
import { channelName, lifeName } from './serve.js';

export type ClientMode = 'shared-worker' | 'leader' | 'follower' | 'own';

export type Share = {
  readonly mode: ClientMode;
  dial(): Promise<SocketLike>;
  /** Lets go of all that it holds, until the next `dial`. */
  hangUp(): void;
};

/** Who does not answer in that time is not there. */
const ANSWER_MS = 5000;

export type ShareOptions = {
  url: string;
  /** The name of those who share. */
  key: string;
  dial: () => Promise<SocketLike>;
  now: () => number;
  /** There is a connection now, to whoever comes. */
  here: () => void;
  changed: (mode: ClientMode) => void;
};

export function createShare({ url, key, dial, now, here, changed }: ShareOptions, locks: LockManager): Share {
  const { SharedWorker: Worker } = globalThis as Partial<typeof globalThis>;
  let mode: ClientMode = 'own';
  let hasWorker = Worker !== undefined;
  let worker: SharedWorker | undefined;
  let leader: Leader | undefined;
  let life: (Held & { name: string }) | undefined;
  let news: BroadcastChannel | undefined;
  /** How often all was let go of: what was begun before is not gone on with. */
  let ends = 0;

  function become(next: ClientMode): void {
    if (mode === next) return;
    mode = next;
    changed(next);
  }

  async function live(): Promise<Join> {
    if (life === undefined) {
      const name = lifeName();
      life = { name, ...hold(locks, name) };
      news = new BroadcastChannel(channelName(key));
      news.onmessage = ({ data }: MessageEvent<{ type?: string }>) => { if (data.type === 'here' && mode !== 'own') here(); };
    }
    await life.begun;
    return { url, key, life: life.name };
  }

  /** The socket, once somebody answers on it; null: nobody does. */
  async function answered(socket: LineSocket, failed?: Promise<void>): Promise<LineSocket | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => { timer = setTimeout(resolve, ANSWER_MS); });
    const server = await Promise.race([socket.opened, patience, ...(failed === undefined ? [] : [failed])]);
    clearTimeout(timer);
    if (server === undefined) {
      socket.close();
      return null;
    }
    const unwatch = whenFree(locks, server, () => socket.lost());
    socket.ended.then(unwatch);
    return socket;
  }

  async function dialWorker(join: Join): Promise<LineSocket | null> {
    let failed: Promise<void>;
    try {
      worker ??= openSharedWorker();
      const made = worker;
      failed = new Promise<void>((resolve) => { made.onerror = () => resolve(); });
    } catch {
      return null; // of another origin, or forbidden: the tabs can do without
    }
    const { port1, port2 } = new MessageChannel();
    worker.port.postMessage(join, [port2]);
    return answered(socketOver(port1), failed);
  }

  function dialLeader(join: Join): Promise<LineSocket | null> {
    leader ??= standForLeader({ join, locks: locks, dial, now, elected: () => become('leader') });
    return answered(leader.join());
  }

  async function dialShared(): Promise<SocketLike> {
    const begun = ends;
    function goOn(socket?: LineSocket | null): void {
      if (begun === ends) return;
      socket?.close();
      throw new Error('the connection is no longer wanted');
    }
    const join = await live().catch(() => null);
    goOn();
    if (join === null) { // the browser denies locks to this page
      become('own');
      return dial();
    }
    if (hasWorker) {
      const socket = await dialWorker(join);
      goOn(socket);
      worker = socket === null ? undefined : worker;
      if (socket !== null) {
        become('shared-worker');
        void socket.ended.then(() => { worker = undefined; }); // it may be gone; opening it again finds it if not
        return socket;
      }
      hasWorker = false;
    }
    const socket = await dialLeader(join);
    goOn(socket);
    become(socket === null ? 'own' : leader?.leads ? 'leader' : 'follower');
    return socket ?? dial();
  }

  return {
    get mode() { return mode; },
    dial: dialShared,
    hangUp() {
      ends += 1;
      leader?.end();
      news?.close();
      life?.end();
      leader = news = life = undefined;
    },
  };
}
