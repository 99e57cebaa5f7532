/**
 * What TLS costs: memory of a connection that has said HELLO and is idle, and processor time to let one in, with it and without.
 *
 *   SYNCLINE_BIN=build/release/bin node tests/bench/tls.mjs [CONNECTIONS]
 */
import { readFileSync } from 'node:fs';
import { makeAuthority } from '../e2e/certificates.mjs';
import { Peer, frame, hello, processor } from '../e2e/socket.mjs';
import { startHub } from '../e2e/support.mjs';

const connections = Number(process.argv[2] ?? 2000);
const AT_ONCE = 50;
const cleaning = [];
const t = { after: (hook) => cleaning.unshift(hook) };
const memory = (hub) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${hub.process.pid}/status`, 'utf8'))[1]) * 1024;

async function measure(name, options) {
  const hub = await startHub(t, options);
  const enter = async () => {
    const peer = await new Peer(hub).upgraded();
    peer.write(frame(hello));
    await peer.messages(1);
    return peer;
  };
  const peers = await Promise.all(Array.from({ length: AT_ONCE }, enter)); // what is made once is made
  const before = { memory: memory(hub), processor: processor(hub) };
  while (peers.length < connections + AT_ONCE) peers.push(...await Promise.all(Array.from({ length: AT_ONCE }, enter)));
  const grown = (memory(hub) - before.memory) / connections;
  const taken = (processor(hub) - before.processor) * 1000 / connections;
  console.log(`${name}: ${(grown / 1024).toFixed(1)} KiB and ${taken.toFixed(0)} µs of processor time for each of ${connections} connections`);
  for (const peer of peers) peer.socket.destroy();
  await hub.kill();
}

const authority = makeAuthority(t);
await measure('TCP', {});
for (const kind of ['ec', 'rsa']) {
  const { certificate, key } = authority.issue({ kind });
  const config = `tls: {certificate_file: ${certificate}, key_file: ${key}}`;
  await measure(`TLS 1.3, ${kind === 'ec' ? 'P-256' : 'RSA 2048'}`, { config, tls: authority.trust });
}
for (const hook of cleaning) await hook();
