/**
 * Which sessions of a store are alive. A session holds a lock of its name for its life, which ends with its page however that ends.
 * Without Web Locks (a page that is not secure) it answers those who ask for it; one that does not within a short time counts as
 * dead. If it was only slow, both flush the same outboxes, which the hub takes once.
 */
const ANSWER_MS = 250;

export type Life = {
  /** From then on the others find this session alive. */
  readonly begun: Promise<void>;
  dead(sessions: readonly string[]): Promise<readonly string[]>;
  end(): void;
};

type Locks = Pick<LockManager, 'request' | 'query'>;

function withLocks(locks: Locks, prefix: string, session: string): Life {
  let end = () => {};
  const ended = new Promise<void>((resolve) => { end = resolve; });
  const begun = new Promise<void>((resolve, reject) => {
    locks.request(prefix + session, () => {
      resolve();
      return ended;
    }).catch(reject);
  });
  return {
    begun,
    async dead(sessions) {
      const { held = [] } = await locks.query();
      const names = new Set(held.map(({ name }) => name));
      return sessions.filter((one) => !names.has(prefix + one));
    },
    end: () => end(),
  };
}

function withChannel(channel: BroadcastChannel, session: string): Life {
  const alive = new Set<string>();
  (channel as { unref?: () => void }).unref?.();
  channel.onmessage = ({ data }: MessageEvent<{ ask?: readonly string[]; alive?: string }>) => {
    if (data.ask?.includes(session)) channel.postMessage({ alive: session });
    if (data.alive !== undefined) alive.add(data.alive);
  };
  return {
    begun: Promise.resolve(),
    async dead(sessions) {
      channel.postMessage({ ask: sessions });
      await new Promise((resolve) => { setTimeout(resolve, ANSWER_MS); });
      return sessions.filter((one) => !alive.has(one));
    },
    end: () => channel.close(),
  };
}

/** `store`: its name. */
export function liveIn(store: string, session: string): Life {
  const { navigator, BroadcastChannel: Channel } = globalThis as Partial<typeof globalThis>;
  const prefix = `syncline ${store} `;
  if (navigator?.locks !== undefined) return withLocks(navigator.locks, prefix, session);
  if (Channel !== undefined) return withChannel(new Channel(prefix), session);
  return { begun: Promise.resolve(), dead: async (sessions) => sessions, end() {} };
}
