/** The shared worker: one relay for each hub and store that pages of this origin ask for. */
import { hold } from '../locks.js';
import { dial } from '../transport/websocket.js';
import type { Join } from './line.js';
import { createRelay, type Relay } from './relay.js';
import { channelName, lifeName, serveLine } from './serve.js';

const relays = new Map<string, Relay>();
/** As the last tab that came had it: what stands behind its name may be a ticket that runs out. */
const urls = new Map<string, string>();
const life = lifeName();
const { locks } = navigator;
const held = hold(locks, life);

function relayOf({ url, key }: Join): Relay {
  urls.set(key, url);
  const found = relays.get(key);
  if (found !== undefined) return found;
  const channel = new BroadcastChannel(channelName(key));
  const made = createRelay({ dial: () => dial(urls.get(key) as string), now: Date.now, here: () => channel.postMessage({ type: 'here' }) });
  relays.set(key, made);
  return made;
}

addEventListener('online', () => { for (const relay of relays.values()) relay.hurry(); });

addEventListener('connect', (event) => {
  for (const port of (event as MessageEvent).ports) {
    port.onmessage = ({ data, ports: [line] }: MessageEvent<Join>) => {
      if (line === undefined) return;
      void held.begun.then(() => serveLine(relayOf(data), line, locks, life, data.life));
    };
  }
});
