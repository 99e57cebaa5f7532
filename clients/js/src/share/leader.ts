/**
 * Tabs without a shared worker: the one that has the lock leads, and serves the others. With its end, however it comes, the lock goes
 * to the next.
 */
import { hold } from '../locks.js';
import type { SocketLike } from '../transport/websocket.js';
import { socketOver, type Join, type LineSocket } from './line.js';
import { createRelay, type Relay } from './relay.js';
import { channelName, serveLine } from './serve.js';

/** On the channel of all; `line` names the channel that the two then have for themselves. */
type Word =
  | { readonly type: 'join'; readonly line: string; readonly life: string }
  | { readonly type: 'leads' }
  | { readonly type: 'here' };

export type Leader = {
  readonly leads: boolean;
  /** A line to whoever leads; it opens when that one answers. */
  join(): LineSocket;
  /** Leads no more, and stands for it no more. */
  end(): void;
};

export function standForLeader(
  { join, locks, dial, now, elected }: {
    join: Join;
    locks: LockManager;
    dial: () => Promise<SocketLike>;
    now: () => number;
    elected: () => void;
  },
): Leader {
  const channel = new BroadcastChannel(channelName(join.key));
  const lock = hold(locks, `syncline leader ${join.key}`);
  /** Asked again when another leads. */
  const asking = new Map<LineSocket, Word>();
  let relay: Relay | null = null;
  let ended = false;
  const online = (): void => relay?.hurry();
  addEventListener('online', online);

  function serve(line: string, life: string): void {
    if (relay !== null) serveLine(relay, new BroadcastChannel(line), locks, join.life, life);
  }

  channel.addEventListener('message', ({ data }: MessageEvent<Word>) => {
    if (data.type === 'join') serve(data.line, data.life);
    if (data.type === 'leads') for (const word of asking.values()) channel.postMessage(word);
  });

  lock.begun.then(() => {
    if (ended) return;
    relay = createRelay({ dial, now, here: () => channel.postMessage({ type: 'here' }) });
    elected();
    channel.postMessage({ type: 'leads' });
    for (const word of asking.values()) if (word.type === 'join') serve(word.line, word.life);
  }, () => {}); // it was ended before

  return {
    get leads() { return relay !== null; },
    join() {
      const line = `${channelName(join.key)} ${crypto.randomUUID()}`;
      const socket = socketOver(new BroadcastChannel(line));
      const word: Word = { type: 'join', line, life: join.life };
      asking.set(socket, word);
      void Promise.race([socket.opened, socket.ended]).then(() => asking.delete(socket));
      if (relay !== null) serve(line, join.life);
      else channel.postMessage(word);
      return socket;
    },
    end() {
      ended = true;
      removeEventListener('online', online);
      relay?.close();
      relay = null;
      lock.end();
      channel.close();
    },
  };
}
