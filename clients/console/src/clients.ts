/** How a connection is called and how fast it goes, wherever connections are shown. */
import { cut } from './format.js';
import type { ConnectionRow } from './hub.js';

export type RatedRow = ConnectionRow & { readonly rate: number };
export type RateOf = (row: ConnectionRow, now: number) => number;

const NAME_MAX = 48;

export function nameOf({ id, client, agent }: Pick<ConnectionRow, 'id' | 'client' | 'agent'>, self: string): string {
  if (client === self) return `${id} · this page`;
  return `${id} · ${cut(client || agent || 'no name', NAME_MAX)}`;
}

export function stateText({ blocked, paused, pending, behind }: ConnectionRow): string {
  if (blocked) return 'reads too slowly';
  if (paused) return 'paused by the hub';
  if (pending > 0) return 'waits for the disk';
  return behind > 0 ? 'is catching up' : 'up to date';
}

const SMOOTH = 0.4;

/** Updates per second since the row was seen last, smoothed, so that an order by it does not jump about. */
export function createRateOf(): { of: RateOf; keep(rows: readonly ConnectionRow[]): void } {
  const seen = new Map<number, { updates: number; at: number; rate: number }>();
  return {
    of({ id, updates }, now) {
      const before = seen.get(id);
      const isSame = before !== undefined && updates >= before.updates && now > before.at;
      const latest = isSame ? ((updates - before.updates) * 1000) / (now - before.at) : 0;
      const rate = isSame ? before.rate + SMOOTH * (latest - before.rate) : 0;
      seen.set(id, { updates, at: now, rate });
      return rate;
    },
    keep(rows) {
      const alive = new Set(rows.map(({ id }) => id));
      for (const id of seen.keys()) if (!alive.has(id)) seen.delete(id);
    },
  };
}

export function withRates(rows: readonly ConnectionRow[], rates: ReturnType<typeof createRateOf>): RatedRow[] {
  const now = performance.now();
  rates.keep(rows);
  return rows.map((row) => ({ ...row, rate: rates.of(row, now) }));
}
