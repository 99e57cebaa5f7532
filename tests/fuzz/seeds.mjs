/**
 * Makes the seeds of tests/fuzz/corpus from the golden packets: `node tests/fuzz/seeds.mjs`, after packets.json has changed.
 * What fuzzers add to a corpus stays; its files are called by their hashes.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const golden = JSON.parse(readFileSync(new URL('../golden/packets.json', import.meta.url), 'utf8'));
const items = [...golden.packets, ...golden.malformed.map((item) => ({ ...item, name: `malformed ${item.name}` }))];

function seed(fuzzer, name, bytes, prefix = 'golden-') {
  const folder = new URL(`corpus/${fuzzer}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${prefix}${name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}`, folder), bytes);
}

for (const { name, hex } of items) {
  seed('fuzz_packet', name, Buffer.from(hex, 'hex'));
}

/** Long inputs from the start: choices that mean nothing yet, always the same. */
function noise(number, length) {
  const bytes = [];
  for (let i = 0; bytes.length < length; i++) bytes.push(...createHash('sha256').update(`${number} ${i}`).digest());
  return Buffer.from(bytes.slice(0, length));
}

for (const fuzzer of ['fuzz_hub', 'fuzz_session']) {
  for (let number = 0; number < 12; number++) seed(fuzzer, `noise ${number}`, noise(number, 300 + 50 * number), '');
}

/** As fuzz_hub.c reads it: connection 1 greets, then sends each packet raw. */
const [CONNECT, RAW] = [13, 11];
const asRaw = ({ hex }) => [RAW, 0, hex.length / 2, ...Buffer.from(hex, 'hex')];
const short = items.filter(({ from, hex }) => from !== 'hub' && hex.length <= 510);
seed('fuzz_hub', 'packets of clients', Buffer.from([0, CONNECT, 0, ...short.filter(({ from }) => from === 'client').flatMap(asRaw)]));
for (const item of short.filter(({ from }) => from === undefined)) {
  seed('fuzz_hub', item.name, Buffer.from([0, CONNECT, 0, ...asRaw(item)]));
}
