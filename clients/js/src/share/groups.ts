/**
 * The documents of a relay: for each a group of the tabs that have it open, on one stream of the hub's. The stream names the
 * replicas of them all and begins at the cursor of the one that has seen least. A tab that comes later needs its replicas named, so
 * the stream is opened again; the others are at its cursor already, and take what they have seen once more for what it is.
 */
import { encodePacket, withId } from '../protocol/every.js';
import type { Packet, Replica, Welcome } from '../protocol/packets.js';
import { encodeValue, ProtocolError, toHex } from '../protocol/values.js';
import type { Client } from './relay.js';

type Open = Packet & { type: 'OPEN' };
type Cursor = NonNullable<Open['cursor']>;

type Member = {
  readonly client: Client;
  /** The tab's id for the stream. */
  readonly id: number;
  readonly replicas: readonly Replica[];
  readonly names: ReadonlySet<string>;
  readonly presence: boolean;
  /** What it has seen. */
  cursor: Cursor | null;
  /** The stream knows of it. */
  current: boolean;
  /** It was told OPENED: what ends its stream is CLOSE. */
  opened: boolean;
  /** What it says of itself, and when it began to. */
  said: { data: unknown; bytes: string; order: number } | null;
};

type Group = {
  readonly name: string;
  members: Member[];
  stream: number;
  /** Those that the stream names, its own first. */
  named: readonly Replica[];
  opened: boolean;
  /** What the document is has come: the stream may be opened again without it beginning anew. */
  calm: boolean;
  transfer: { id: number; position: number; sent: number } | null;
  /** What the hub knows that we say. */
  told: string | null;
  timer: ReturnType<typeof setTimeout> | undefined;
};

export type Groups = ReturnType<typeof createGroups>;

/** Tabs that come together are named together. */
const GATHER_MS = 20;
/** The hub refuses a name of more than 256 bytes; one that is far longer ends the connection of all. */
const NAME_BYTES = 1024;
/** Why the hub does not open a stream that names a certain replica. */
const OF_REPLICA = new Set(['BAD_REPLICA', 'FORBIDDEN']);

/** Where all of them can go on from; undefined: nowhere. Positions of a journal before this one are the hub's to compare. */
function oldest(members: readonly Member[], journal: string): Cursor | undefined {
  const cursors = members.map(({ cursor }) => cursor);
  const [first] = cursors;
  if (first == null) return undefined;
  const isOf = toHex(first[0]);
  let least = first;
  for (const cursor of cursors) {
    if (cursor === null || toHex(cursor[0]) !== isOf || (cursor[1] !== first[1] && isOf !== journal)) return undefined;
    if (cursor[1] < least[1]) least = cursor;
  }
  return least;
}

function replicasOf(members: readonly Member[]): Replica[] {
  const byName = new Map<string, Replica>();
  for (const { replicas } of members) for (const replica of replicas) byName.set(toHex(replica), replica);
  return [...byName.values()];
}

export function createGroups(
  { send, nextId, flush }: { send: (packet: Packet) => void; nextId: () => number; flush: () => void },
) {
  const groups = new Set<Group>();
  const byStream = new Map<number, Group>();
  let order = 0;
  /** That positions count in. */
  let journal = '';

  /* --- streams --- */

  function begin(group: Group): void {
    clearTimeout(group.timer);
    group.timer = undefined;
    if (byStream.delete(group.stream)) send({ type: 'CLOSE', id: group.stream, code: '', text: '' });
    group.stream = nextId();
    byStream.set(group.stream, group);
    group.named = replicasOf(group.members);
    Object.assign(group, { opened: false, calm: false, transfer: null, told: null });
    for (const member of group.members) member.current = true;
    const cursor = oldest(group.members, journal);
    send({
      type: 'OPEN', id: group.stream, name: group.name, replicas: group.named,
      ...(cursor === undefined ? {} : { cursor }),
      ...(group.members.some(({ presence }) => presence) ? { presence: true } : {}),
    });
  }

  function want(group: Group): void {
    if (!byStream.has(group.stream)) return begin(group);
    if (!group.calm || group.timer !== undefined) return;
    group.timer = setTimeout(() => {
      group.timer = undefined;
      if (!group.calm) return; // a large update has begun; after it is the time
      begin(group);
      flush();
    }, GATHER_MS);
  }

  function calm(group: Group): void {
    group.calm = true;
    if (group.members.some(({ current }) => !current)) want(group);
  }

  function end(group: Group): void {
    clearTimeout(group.timer);
    byStream.delete(group.stream);
    groups.delete(group);
  }

  function create(name: string, members: Member[]): Group {
    const group: Group = {
      name, members, stream: 0, named: [], opened: false, calm: false, transfer: null, told: null, timer: undefined,
    };
    groups.add(group);
    return group;
  }

  function open(client: Client, packet: Open, welcome: Welcome): void {
    if (packet.replicas.length === 0) throw new ProtocolError('OPEN names no replica');
    if (encodeValue(packet.name).length > NAME_BYTES) throw new ProtocolError('OPEN names a document too long to be one');
    journal = toHex(welcome.journal);
    const member: Member = {
      client, id: packet.id, replicas: packet.replicas, names: new Set(packet.replicas.map(toHex)),
      presence: packet.presence === true, cursor: packet.cursor ?? null, current: false, opened: false, said: null,
    };
    const group = [...groups].find(({ name, members }) =>
      name === packet.name && replicasOf([...members, member]).length <= welcome.limits.replicas) ?? create(packet.name, []);
    group.members.push(member);
    want(group);
  }

  function leave(group: Group, members: readonly Member[]): void {
    group.members = group.members.filter((member) => !members.includes(member));
    if (group.members.length > 0) return speak(group);
    if (byStream.has(group.stream)) send({ type: 'CLOSE', id: group.stream, code: '', text: '' });
    end(group);
  }

  /* --- presence --- */

  /** One browser is one peer: who spoke last speaks for it. */
  function speak(group: Group): void {
    if (!group.opened) return;
    const said = group.members.flatMap((member) => member.said ?? []).sort((a, b) => b.order - a.order)[0];
    if ((said?.bytes ?? null) === group.told) return;
    group.told = said?.bytes ?? null;
    send({ type: 'PRESENCE', id: group.stream, peer: 0, data: said?.data ?? null });
  }

  function say(group: Group, member: Member, data: unknown): void {
    const bytes = toHex(encodeValue(data));
    if (data === null) member.said = null;
    else if (member.said?.bytes !== bytes) member.said = { data, bytes, order: ++order };
    speak(group);
  }

  /* --- from a tab --- */

  function find(client: Client, id: number): [Group, Member] | undefined {
    for (const group of groups) {
      const member = group.members.find((one) => one.client === client && one.id === id);
      if (member !== undefined) return [group, member];
    }
    return undefined;
  }

  function take(client: Client, packet: Packet): void {
    const found = find(client, packet.id);
    if (found === undefined) return; // of a stream that has ended
    const [group, member] = found;
    if (packet.type === 'CLOSE') return leave(group, [member]);
    if (packet.type === 'PRESENCE') return say(group, member, packet.data);
    if (packet.type !== 'DELTA' && packet.type !== 'STATE') return;
    // Before OPENED the hub would not take it; with OPENED the tab sends it again.
    if (!group.opened || !member.current) return;
    send({ ...packet, id: group.stream, replica: packet.replica ?? member.replicas[0] ?? null });
  }

  /* --- from the hub --- */

  function tell(group: Group, packet: Packet, to = (member: Member) => member.current): void {
    const bytes = encodePacket(packet);
    for (const member of group.members.filter(to)) member.client.answerBytes(withId(bytes, member.id));
  }

  function onOpened(group: Group, packet: Packet & { type: 'OPENED' }): void {
    if (packet.ledger.length !== group.named.length) throw new ProtocolError('OPENED answers for other replicas than were named');
    const ledger = new Map(group.named.map((replica, i) => [toHex(replica), packet.ledger[i] as { index: number | null; seq: number }]));
    group.opened = true;
    for (const member of group.members.filter(({ current }) => current)) {
      member.opened = true;
      const own = member.replicas.map((replica) => ledger.get(toHex(replica)) as { index: number | null; seq: number });
      member.client.answer({ ...packet, id: member.id, ledger: own });
    }
    speak(group);
  }

  /** Of one replica: to those who named it. */
  function onReplica(group: Group, packet: Packet & { type: 'ACK' | 'REJECT' | 'GAP' }): void {
    const replica = packet.replica ?? group.named[0] as Replica;
    const name = toHex(replica);
    tell(group, { ...packet, replica }, ({ current, names }) => current && names.has(name));
  }

  function reached(group: Group, position: number, welcome: Welcome): void {
    for (const member of group.members) if (member.current) member.cursor = [welcome.journal, position];
    calm(group);
  }

  function onContent(group: Group, packet: Packet & { type: 'SNAPSHOT' | 'UPDATE' }, welcome: Welcome): void {
    const position = packet.type === 'SNAPSHOT' ? packet.position : packet.to;
    tell(group, packet);
    if (packet.fields !== null) return reached(group, position, welcome);
    group.transfer = { id: packet.transfer as number, position, sent: 0 };
    group.calm = false;
  }

  function onTransfer(packet: Packet & { type: 'CHUNK' | 'END' }, welcome: Welcome): void {
    const group = [...groups].find(({ transfer }) => transfer?.id === packet.id);
    if (group?.transfer == null) return; // of a stream that was opened again
    const bytes = encodePacket(packet);
    for (const member of group.members) if (member.current) member.client.answerBytes(bytes);
    if (packet.type === 'CHUNK') return send({ type: 'CREDIT', id: packet.id, bytes: packet.bytes.length });
    const { position } = group.transfer;
    group.transfer = null;
    reached(group, position, welcome);
  }

  /** The hub has ended the stream: whoever was on it opens another. */
  function onClose(group: Group, packet: Packet & { type: 'CLOSE' }): void {
    const own = toHex(group.named[0] as Replica);
    const ended = group.members.filter(({ current, names }) => current && (packet.code !== 'REPLICA_IN_USE' || names.has(own)));
    byStream.delete(group.stream);
    tell(group, packet, (member) => ended.includes(member));
    leave(group, ended);
    if (groups.has(group)) begin(group);
  }

  /** To those whose stream was open it has ended. */
  function refuse(group: Group, { code, text, details }: Packet & { type: 'ERROR' }): void {
    tell(group, { type: 'ERROR', id: group.stream, code, text, details }, ({ opened }) => !opened);
    tell(group, { type: 'CLOSE', id: group.stream, code, text }, ({ opened }) => opened);
    leave(group, group.members);
  }

  /** The hub did not open the stream. If that is for a replica of one of them, it is not for the others: each has a stream of its own. */
  function onRefused(group: Group, packet: Packet & { type: 'ERROR' }): void {
    byStream.delete(group.stream);
    if (group.members.length === 1 || !OF_REPLICA.has(packet.code)) return refuse(group, packet);
    const alone = group.members.map((member) => create(group.name, [member]));
    end(group);
    for (const one of alone) begin(one);
  }

  function receive(packet: Packet, welcome: Welcome | null): void {
    if (welcome === null) throw new ProtocolError(`${packet.type} before WELCOME`);
    if (packet.type === 'CHUNK' || packet.type === 'END') return onTransfer(packet, welcome);
    const group = byStream.get(packet.id);
    if (group === undefined) return; // of a stream that was closed meanwhile
    switch (packet.type) {
      case 'OPENED': return onOpened(group, packet);
      case 'ACK':
      case 'REJECT':
      case 'GAP': return onReplica(group, packet);
      case 'SNAPSHOT':
      case 'UPDATE': return onContent(group, packet, welcome);
      case 'PRESENCE': return tell(group, packet, ({ current, presence }) => current && presence);
      case 'CLOSE': return onClose(group, packet);
      case 'ERROR': return group.opened ? tell(group, packet) : onRefused(group, packet);
      default: throw new ProtocolError(`${packet.type} does not belong to a stream`);
    }
  }

  return {
    open,
    take,
    receive,
    gone(client: Client): void {
      for (const group of [...groups]) {
        const left = group.members.filter((member) => member.client === client);
        if (left.length > 0) leave(group, left);
      }
    },
    clear(): void {
      for (const group of [...groups]) end(group);
    },
  };
}
