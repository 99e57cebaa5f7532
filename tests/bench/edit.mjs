/**
 * What one edit costs by the size of its field, without a network and a store: the edit, the news for 200 readers who each read one
 * element, and the confirmation by the hub. Microseconds of this process's CPU time, median of the rounds.
 *
 * node tests/bench/edit.mjs [edits]
 */
import { createDocument } from 'syncline/internal/document';
import { declarationOf } from 'syncline/internal/protocol/declarations';
import { HOST } from 'syncline/internal/crdt/look';
import { mintReplica, webRandom } from 'syncline/internal/uuid';
import { printTable, summary } from './table.mjs';

const EDITS = Number(process.argv[2] ?? 200);
const SIZES = [100, 1000, 10000, 40000];
const READERS = 200;
const JOURNAL = new Uint8Array(16);
const keyOf = (i) => `element ${String((i * 7919) % 1000003).padStart(7, '0')}`;

const kinds = {
  set: {
    option: 'or-set', content: (i) => [[[0, i + 1, i + 1]], [keyOf(i)]], told: (text, dot) => [[[dot], [text]]],
    edit: (items, text) => items.add(text), read: (items, key) => items.has(key),
  },
  map: {
    option: { type: 'map', of: 'lww-register' },
    content: (i) => [[[0, i + 1, i + 1]], keyOf(i), true, [[[[0, i + 1, i + 1]], [[i + 1, 0, 'value']]]]],
    told: (text, dot) => [[[dot], text, true, [[[dot], [[1, 0, text]]]]]],
    edit: (items, text) => items.set(text, text), read: (items, key) => items.get(key),
  },
};

function open(kind, size) {
  const fields = [{ number: 0, name: 'items', ...declarationOf(kind.option) }];
  const handle = createDocument('a/1', () => mintReplica(Date.now(), webRandom()), fields, () => {}, () => {});
  handle.session.open(1, JOURNAL);
  handle.receive({ type: 'OPENED', id: 1, fields, rights: 3, position: size, ledger: [{ index: 1, seq: 0 }] });
  handle.receive({ type: 'SNAPSHOT', id: 1, position: size, fields: { 0: Array.from({ length: size }, (_, i) => kind.content(i)) } });
  return handle;
}

/** As useField does: each looks at the field and selects its own part of it. */
function read({ document }, kind, size) {
  const { [HOST]: host } = document.items;
  for (let i = 0; i < READERS; i++) {
    const key = keyOf(i % size);
    host.watch(host.look, () => kind.read(document.items, key));
  }
}

function timed(act) {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function measure(kind, size) {
  const handle = open(kind, size);
  const { document, session } = handle;
  read(handle, kind, size);
  const found = { edit: [], confirm: [] };
  for (let seq = 1; seq <= EDITS; seq++) {
    const text = `edit ${seq}`;
    const position = size + seq;
    found.edit.push(timed(() => kind.edit(document.items, text)));
    session.takeSends();
    const fields = { 0: kind.told(text, [1, seq, position]) };
    found.confirm.push(timed(() => {
      handle.receive({ type: 'ACK', id: 1, replica: null, seq, position, index: 1 });
      handle.receive({ type: 'UPDATE', id: 1, from: position - 1, to: position, fields });
    }));
  }
  return found;
}

const told = (values) => String(summary(values).median);
const rows = [['field', 'edit us', 'confirm us']];
for (const [name, kind] of Object.entries(kinds)) {
  for (const size of SIZES) {
    const { edit, confirm } = measure(kind, size);
    rows.push([`${name} of ${size}`, told(edit), told(confirm)]);
  }
}
printTable(rows);
