/**
 * How long to wait before connecting again: a random time up to a bound that doubles (full jitter, as AWS calls it), so that
 * clients that lost the hub together do not come back together.
 */
export type Backoff = { next(): number; reset(): void };

export function createBackoff(random: () => number, baseMs = 250, capMs = 15000): Backoff {
  let attempt = 0;
  return {
    next() {
      const bound = Math.min(capMs, baseMs * 2 ** attempt);
      attempt = Math.min(attempt + 1, 30);
      return Math.floor(random() * bound);
    },
    reset() { attempt = 0; },
  };
}
