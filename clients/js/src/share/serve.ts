/** The relay's end of a line: a tab that joins, and that leaves with a word or without. */
import { whenFree } from '../locks.js';
import type { Line } from './line.js';
import type { Relay } from './relay.js';

/** `life`: the lock of who serves; `tab`: that of the tab at the other end. */
export function serveLine(relay: Relay, line: Line, locks: LockManager, life: string, tab: string): void {
  const attached = relay.attach({
    send: (bytes) => line.postMessage({ type: 'packets', bytes }),
    closed(code, reason) {
      line.postMessage({ type: 'closed', ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) });
      end();
    },
  });

  function end(): void {
    unwatch();
    line.onmessage = null;
    line.close();
  }

  function gone(): void {
    attached.gone();
    end();
  }

  const unwatch = whenFree(locks, tab, gone);
  line.onmessage = ({ data }) => {
    if (data.type === 'packets') attached.receive(data.bytes);
    else gone();
  };
  line.postMessage({ type: 'open', life });
}

/** Where those who share a connection hear of each other. */
export const channelName = (key: string): string => `syncline ${key}`;
export const lifeName = (): string => `syncline life ${crypto.randomUUID()}`;
