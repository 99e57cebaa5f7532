/**
 * Types that are loaded when a schema first names one of them, and what waits for them meanwhile: a document of such a schema is not
 * ready, and the packets of its stream stay in their order.
 */
import { createBackoff } from './backoff.js';
import { isToLoad, loadTypes } from './crdt/registry.js';
import type { Declaration } from './protocol/declarations.js';
import type { Packet } from './protocol/packets.js';

export type Types = ReturnType<typeof createTypes>;

export function createTypes(
  { random, isWanted, failed }: {
    random: () => number;
    /** False: the client is closed, and nothing waits any more. */
    isWanted: () => boolean;
    /** Told each time; it is tried again. */
    failed: (error: unknown) => void;
  },
) {
  const backoff = createBackoff(random, 1000);
  const held = new Map<number, Packet[]>();
  let loading: Promise<void> | undefined;

  async function load(): Promise<void> {
    try {
      return await loadTypes();
    } catch (error) {
      if (isWanted()) failed(error);
      await new Promise<void>((again) => { setTimeout(() => { if (isWanted()) again(); }, backoff.next()); });
      return load();
    }
  }

  /** Resolved when the types of all these are here; undefined: they are. Those who wait go on in the order in which they came. */
  function wait(declarations: readonly Declaration[]): Promise<void> | undefined {
    return isToLoad(declarations) ? loading ??= load() : undefined;
  }

  return {
    wait,
    /** Whether the stream's packet has to wait; then `play` has all of the stream that waited, if there still is one. */
    holds(stream: number, packet: Packet, play: (packets: readonly Packet[]) => void): boolean {
      const before = held.get(stream);
      if (before !== undefined) return before.push(packet) > 0;
      const loaded = packet.type === 'OPENED' ? wait(packet.fields) : undefined;
      if (loaded === undefined) return false;
      const packets = [packet];
      held.set(stream, packets);
      void loaded.then(() => {
        if (held.get(stream) !== packets) return; // the connection is another
        held.delete(stream);
        play(packets);
      });
      return true;
    },
    /** Whether the transfer began with a packet of the stream's that waits. */
    holdsTransfer: (stream: number, id: number): boolean =>
      held.get(stream)?.some((packet) => 'transfer' in packet && packet.transfer === id) ?? false,
    /** The connection is lost. */
    clear: (): void => held.clear(),
  };
}
