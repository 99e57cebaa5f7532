/** Those who behave: a pair, of whom one edits and the other sees it, and one who comes meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodePacket } from 'syncline/internal/protocol/every';
import { delta, hubClient, writePlan } from '../bench/plan.mjs';
import { load } from '../bench/servers.mjs';
import { dial, openFresh } from '../bench/wire.mjs';
import { folder } from '../e2e/support.mjs';

const RATE = 50;
const LEAVE_MS = 30000;

/** Edits at a steady rate for so long; answers how late the other sees them, as `{count, p50, p99, most}` in ms. Fails if they do not come. */
export async function pair(scope, hub, seconds, token) {
  const updates = Array.from({ length: RATE * seconds + RATE }, (_, i) => delta({ first: i + 1, field: 0, change: i + 1 }));
  const clients = [hubClient(['post/pair'], updates), hubClient(['post/pair'])];
  if (token !== undefined) {
    for (const { join } of clients) join[0] = encodePacket({ type: 'HELLO', id: 0, version: 1, token });
  }
  const plan = writePlan(`${folder(scope)}/plan`, 'syncline', clients);
  const found = await load({ port: hub.port, pid: hub.process.pid }, plan, { rate: RATE, seconds });
  if (!found.complete || found.all_ms.count < RATE * seconds / 2) throw new Error(`edits do not arrive: ${JSON.stringify(found)}`);
  return found.all_ms;
}

/** How long it takes to come in and see a document, in ms; a text: why it cannot. */
export async function newcomer(hub, token) {
  const start = Date.now();
  const come = async () => {
    const client = await dial(hub, token);
    await openFresh(client, 1, 'post/newcomer');
    client.close();
    return Date.now() - start;
  };
  const late = sleep(LEAVE_MS, `nothing came in ${LEAVE_MS} ms`, { ref: false });
  return Promise.race([come().catch((error) => error.message), late]);
}
