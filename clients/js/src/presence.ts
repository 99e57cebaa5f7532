/**
 * Who has a document open now, each with data of the app's. Nothing of it is stored; it goes with the connection. The hub tells it
 * only to those who ask, so a document asks from the first `set` or `subscribe` on.
 */
import { encodedOfKey, keyOfElement, shown } from './protocol/elements.js';
import type { Packet, Sent } from './protocol/packets.js';
import type { Value } from './protocol/values.js';

export type Peer = { readonly id: number; readonly data: unknown };

export type Presence = {
  /** The others who are here, in the order of their ids; frozen, and the same list until it changes. Empty while offline. */
  readonly peers: readonly Peer[];
  /** Tells the others who we are: any JSON, up to 1,024 bytes as msgpack. Told again after each reconnect. */
  set(data: unknown): void;
  /** Takes it back. */
  clear(): void;
  subscribe(listener: () => void): () => void;
};

export type PresenceHandle = {
  presence: Presence;
  /** Whether the hub is to be asked. */
  wanted(): boolean;
  /** A new stream is open, or none: nobody is known, and the hub does not know us. */
  begin(opened: boolean): void;
  receive(packet: Packet & { type: 'PRESENCE' }): void;
  /** What is to be sent now. */
  take(stream: number): Sent[];
};

const BYTES_MAX = 1024;

/** `want` is called when the hub is to be asked from now on, `flush` when there is something to send. */
export function createPresence(want: () => void, flush: () => void): PresenceHandle {
  const known = new Map<number, unknown>();
  const listeners = new Set<() => void>();
  let peers: readonly Peer[] = Object.freeze([]);
  let own: unknown = null;
  let asked = false;
  let open = false;
  let told = true;

  function changed(): void {
    peers = Object.freeze([...known].sort(([a], [b]) => a - b).map(([id, data]) => Object.freeze({ id, data })));
    for (const listener of [...listeners]) listener();
  }

  function ask(): void {
    if (asked) return;
    asked = true;
    want();
  }

  function say(data: unknown): void {
    own = data;
    told = false;
    ask();
    flush();
  }

  return {
    presence: {
      get peers() { return peers; },
      set: (data) => say(data === null ? null : encodedOfKey(keyOfElement(data, 'any', BYTES_MAX))),
      clear: () => say(null),
      subscribe(listener) {
        const one = () => listener();
        ask();
        listeners.add(one);
        return () => { listeners.delete(one); };
      },
    },
    wanted: () => asked,
    begin(opened) {
      open = opened;
      told = own === null;
      if (known.size === 0) return;
      known.clear();
      changed();
    },
    receive({ peer, data }) {
      if (peer === 0) known.clear();
      else if (data === null) known.delete(peer);
      else known.set(peer, shown(data as Value));
      changed();
    },
    take(stream) {
      if (!open || told) return [];
      told = true;
      return [{ type: 'PRESENCE', id: stream, peer: 0, data: own }];
    },
  };
}
