/** The last five minutes as series: counters become rates by their differences, everything else stays what it is. */
import type { Stats } from './hub.js';

export const WINDOW_MS = 300000;
/** Beyond it nobody looked: the line has a gap, not a slope that nobody saw. */
const GAP_MS = 5000;

export type Rates = {
  readonly updates: number; readonly rejected: number; readonly batches: number; readonly messages_out: number;
  readonly bytes_in: number; readonly bytes_out: number;
};
/** `rates` is null where there is nothing to compare with: the first one, and after a gap or a restart of the hub. */
export type Sample = { readonly at: number; readonly stats: Stats; readonly rates: Rates | null };

function ratesOf(stats: Stats, before: Stats | undefined): Rates | null {
  if (before === undefined || before.started_ms !== stats.started_ms) return null;
  const elapsedMs = stats.now_ms - before.now_ms;
  if (elapsedMs <= 0 || elapsedMs > GAP_MS) return null;
  const rate = (name: keyof Rates) => Math.max(0, ((stats[name] - before[name]) * 1000) / elapsedMs);
  return {
    updates: rate('updates'), rejected: rate('rejected'), batches: rate('batches'), messages_out: rate('messages_out'),
    bytes_in: rate('bytes_in'), bytes_out: rate('bytes_out'),
  };
}

export type History = { readonly samples: readonly Sample[]; add(stats: Stats, at: number): Sample };

/** `at` is the time on this page's own clock. */
export function createHistory(): History {
  const samples: Sample[] = [];
  return {
    samples,
    add(stats, at) {
      const sample = { at, stats, rates: ratesOf(stats, samples.at(-1)?.stats) };
      samples.push(sample);
      while ((samples[0]?.at ?? at) < at - WINDOW_MS - GAP_MS) samples.shift();
      return sample;
    },
  };
}

export type Point = { readonly at: number; readonly value: number | null };

/** A gap shows as a point without a value. */
export function pointsOf(samples: readonly Sample[], valueOf: (sample: Sample) => number | null): Point[] {
  return samples.flatMap((sample, i) => {
    const before = samples[i - 1];
    const point = { at: sample.at, value: valueOf(sample) };
    return before !== undefined && sample.at - before.at > GAP_MS ? [{ at: before.at + 1, value: null }, point] : [point];
  });
}
