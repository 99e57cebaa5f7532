/**
 * Whether who is at the other end still lives: silence for too long, a probe that nobody answers, and a clock that has jumped, which
 * means that the machine slept and the connection may be gone without a word. The hub pings who is silent, not who hears nothing: who
 * only speaks has to ask before the silence counts.
 */
export type Liveness = {
  heard(): void;
  /** Something has to be heard soon, or the other end is dead. */
  probe(): void;
  stop(): void;
};

const STEP_MS = 1000;
/** A clock that moved so much more than the timer has slept. */
const SLEEP_MS = 5000;
const PROBE_MS = 4000;

export function createLiveness(
  { now, silenceMs, ping, dead }: {
    now: () => number;
    /** How long it may be silent. */
    silenceMs: () => number;
    /** Asks for an answer. */
    ping: () => void;
    /** Called once. */
    dead: () => void;
  },
): Liveness {
  let heardAt = now();
  let steppedAt = heardAt;
  let answerBy = Infinity;
  let hadSlept = false;

  function probe(): void {
    if (answerBy !== Infinity) return;
    answerBy = now() + PROBE_MS;
    ping();
  }

  function end(): void {
    clearInterval(timer);
    dead();
  }

  function wake(at: number): void {
    // Each step of a page that nobody looks at is one: what was asked at the last is overdue.
    if (hadSlept && answerBy !== Infinity) return end();
    hadSlept = true;
    heardAt = at; // what was sent meanwhile may be waiting to be read
    answerBy = Infinity;
    probe();
  }

  function step(): void {
    const at = now();
    const passed = at - steppedAt;
    steppedAt = at;
    if (passed < 0 || passed > STEP_MS + SLEEP_MS) return wake(at);
    hadSlept = false;
    const silentMs = at - heardAt;
    if (silentMs > silenceMs() || at > answerBy) end();
    else if (silentMs > Math.max(silenceMs() - PROBE_MS, silenceMs() / 2)) probe();
  }

  const timer = setInterval(step, STEP_MS);
  (timer as { unref?: () => void }).unref?.();

  return {
    heard() {
      heardAt = now();
      answerBy = Infinity;
    },
    probe,
    stop: () => clearInterval(timer),
  };
}
