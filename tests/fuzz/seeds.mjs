/**
 * Makes the seeds of tests/fuzz/corpus from the golden packets: `node tests/fuzz/seeds.mjs`, after packets.json has changed.
 * What fuzzers add to a corpus stays; its files are called by their hashes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const golden = JSON.parse(readFileSync(new URL('../golden/packets.json', import.meta.url), 'utf8'));
const items = [...golden.packets, ...golden.malformed.map((item) => ({ ...item, name: `malformed ${item.name}` }))];

function seed(fuzzer, name, bytes) {
  const folder = new URL(`corpus/${fuzzer}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`golden-${name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}`, folder), bytes);
}

for (const { name, hex } of items) {
  seed('fuzz_packet', name, Buffer.from(hex, 'hex'));
}
