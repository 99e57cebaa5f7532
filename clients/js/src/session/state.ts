/** What a session holds, and the small questions that all its parts ask. Each part is functions over this one object. */
import type { ReplicaName } from '../crdt/context.js';
import type { AnyFieldType } from '../crdt/type.js';
import type { FieldDeclaration, Fields, Packet, Replica, Sent } from '../protocol/packets.js';
import { toHex } from '../protocol/values.js';
import { createOutbox, type Outbox } from './outbox.js';
import type { Cursor } from './saved.js';

/** When to try again, if a hub that cannot take an update now does not say. */
export const RETRY_MS = 1000;

/** An update that took no effect; `edits` says for each field what it would have done, `details` what else the hub says of it. */
export type Rejection = {
  code: string; text: string; field: string | undefined; seq: number; edits: { [field: string]: unknown };
  details?: Fields;
};

/** What a packet or an edit changed, for the document to tell. */
export type News = {
  changed: boolean;
  pending: boolean;
  rejected: Rejection[];
  /** The hub's state is here for the first time on this stream. */
  arrived: boolean;
  /** The session goes on under a fresh replica: close the stream and open another. */
  renewed: boolean;
  /** The hub ended the stream, or cannot go on with it. */
  closed: { code: string; text: string } | undefined;
  error: { code: string; text: string; retryMs: number | undefined } | undefined;
};

export type Field = { declaration: FieldDeclaration; type: AnyFieldType; state: unknown };
export type Transfer = { packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }; parts: Uint8Array[]; got: number; granted: number };

export type SessionState = {
  readonly name: string;
  readonly mint: () => Replica;
  fields: Map<number, Field>;
  /** Fields that the hub lacks, or declares otherwise, by numbers below 0 that no other field ever has. */
  aside: Map<number, Field>;
  lastAside: number;
  cursor: Cursor | null;
  journal: Uint8Array | null;
  /** Oldest session first; the last is our own. */
  outboxes: Outbox[];
  edits: number;
  /** As the last OPEN named them. */
  named: Outbox[];
  stream: number | null;
  opened: boolean;
  arrived: boolean;
  paused: boolean;
  transfer: Transfer | null;
  replies: Sent[];
  /** By field: what is confirmed with all that is pending on top, as far as somebody has asked. */
  views: Map<number, unknown>;
  /** The saved form of the confirmed state, while it stays the same. */
  savedConfirmed: Uint8Array | null;
  /** The hub's clock is so far ahead of ours, as far as it has told. */
  clockOffset: number;
  /** The replica that the session began under, or the session before it whose leases it goes on with. */
  identity: Replica;
  /** The longest message that the hub takes, as far as it has told. */
  messageBytes: number;
};

/** What is gathered before the hub has told its limit is to fit a hub that takes less than most do. */
const UNTOLD_MESSAGE_BYTES = 128 * 1024;

export function createState(name: string, mint: () => Replica): SessionState {
  const first = createOutbox(mint());
  return {
    name, mint, fields: new Map(), aside: new Map(), lastAside: 0, cursor: null, journal: null, outboxes: [first], edits: 0,
    named: [], stream: null, opened: false, arrived: false, paused: false, transfer: null, replies: [], views: new Map(),
    savedConfirmed: null, clockOffset: 0, identity: first.replica,
    messageBytes: UNTOLD_MESSAGE_BYTES,
  };
}

export function createNews(): News {
  return {
    changed: false, pending: false, rejected: [], arrived: false, renewed: false,
    closed: undefined, error: undefined,
  };
}

export function ownBox({ outboxes }: SessionState): Outbox {
  return outboxes[outboxes.length - 1] as Outbox;
}

/** An outbox whose dots a held context names stands by: the hub needs it named, the view its index. */
export function isHeld(session: SessionState, box: Outbox): boolean {
  return box === ownBox(session) || box.deltas.length > 0 || session.outboxes.some(({ deltas }) =>
    deltas.some(({ seen }) => seen.some(({ replica }) => toHex(replica) === box.name)));
}

export function dropUnheld(session: SessionState): void {
  session.outboxes = session.outboxes.filter((box) => isHeld(session, box));
}

export function replicaName({ outboxes }: SessionState, replica: Replica): ReplicaName {
  const hex = toHex(replica);
  const box = outboxes.find((candidate) => candidate.name === hex);
  return box?.index == null ? hex : `#${box.index}`;
}

export function boxOf({ named, outboxes }: SessionState, replica: Replica | null): Outbox | undefined {
  if (replica === null) return named[0];
  const hex = toHex(replica);
  return outboxes.find((box) => box.name === hex);
}

export function fieldOf({ fields, aside }: SessionState, number: number): Field | undefined {
  return fields.get(number) ?? aside.get(number);
}

/** Goes on under a new replica; what is held under others is flushed under theirs. */
export function begin(session: SessionState, fresh: Outbox): void {
  session.outboxes.push(fresh);
  dropUnheld(session);
  session.views = new Map();
}

/** The stream is gone; what was under way is sent again on the next. */
export function disconnect(session: SessionState): void {
  session.stream = null;
  session.opened = false;
  session.arrived = false;
  session.paused = false;
  session.transfer = null;
}
