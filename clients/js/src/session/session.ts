/**
 * Session: one document as a client holds it. Pure: packets and edits in, packets and news out.
 *
 * `confirmed` is the hub's state at the cursor; the outboxes hold what it does not include yet; the view is the outboxes applied to
 * confirmed by the hub's own rules (design of the C side: docs/protocol.md, section 2), so it is exact while edits wait. What it holds
 * is state.ts; each other file beside this one is a part of what it does.
 */
import type { Entry } from '../crdt/type.js';
import type { FieldDeclaration, Packet, Replica } from '../protocol/packets.js';
import { edit } from './edits.js';
import { oldestPending, pendingCount, rewind } from './outbox.js';
import { dispatch } from './receiving.js';
import { declare, numberOf } from './schema.js';
import { open, takeSends } from './sending.js';
import { createNews, createState, disconnect, ownBox, type Field, type News } from './state.js';
import { viewOf } from './view.js';

export type { News, Rejection } from './state.js';
export type Session = ReturnType<typeof createSession>;

export function createSession(name: string, mint: () => Replica) {
  const state = createState(name, mint);
  return {
    name,
    /** For what is loaded only by who needs it: saving.ts. */
    state,
    declare: (declarations: readonly FieldDeclaration[]): void => declare(state, declarations),
    edit: (number: number, make: (change: unknown, entry: Entry) => void): void => edit(state, number, make),
    open: (id: number, journal: Uint8Array) => open(state, id, journal),
    takeSends: (messageBytes?: number) => takeSends(state, messageBytes),
    view: (number: number): unknown => viewOf(state, number),
    numberOf: (declaration: FieldDeclaration): number => numberOf(state, declaration),
    fields: (): ReadonlyMap<number, Field> => state.fields,
    stream: (): number | null => state.stream,
    transferId: (): number | undefined => state.transfer?.packet.transfer,
    arrived: (): boolean => state.arrived,
    pending: (): number => pendingCount(state.outboxes),
    /** How many edits were made, and whether the first so many of them are all acknowledged or rejected. */
    edits: (): number => state.edits,
    isSaved: (count: number): boolean => oldestPending(state.outboxes) > count,
    replica: (): Replica => ownBox(state).replica,
    identity: (): Replica => state.identity,
    /** The hub's clock when ours shows `now`. */
    clock: (now: number): number => now + state.clockOffset,
    disconnect: (): void => disconnect(state),
    /** Everything that is not acknowledged is sent again; it is time for what waited since an ERROR. */
    resend(): void {
      state.paused = false;
      for (const box of state.outboxes) rewind(box);
    },
    /** Throws a ProtocolError if the packet cannot be true. */
    receive(packet: Packet, now = 0): News {
      const told = createNews();
      const before = pendingCount(state.outboxes);
      dispatch(state, packet, told, now);
      told.pending = pendingCount(state.outboxes) !== before;
      return told;
    },
  };
}
