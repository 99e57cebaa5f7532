/** Tokens: the app is asked for one, and for a fresh one on a connection that lives; however it answers, the client goes on. */
import { createBackoff } from './backoff.js';

/** A text, or a function that is asked at each connect and whenever a token is about to expire; undefined: there is none. */
export type TokenOption = string | (() => string | undefined | Promise<string | undefined>);

/** The app's function has failed, or does not answer. */
export class TokenError extends Error {}

const PATIENCE_MS = 30000;

/** Fails with a TokenError, at the latest when the patience is at its end. */
export async function askToken(option: TokenOption | undefined): Promise<string | undefined> {
  if (typeof option !== 'function') return option;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the function token has not answered for 30 seconds')), PATIENCE_MS);
    (timer as { unref?: () => void }).unref?.();
  });
  try {
    const text: unknown = await Promise.race([option(), patience]);
    if (text !== undefined && typeof text !== 'string') throw new TypeError('the function token has answered with no text');
    return text;
  } catch (error) {
    throw new TokenError(error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

export type Renewal = {
  /** The hub wants a fresh token. */
  begin(): void;
  /** The connection is gone. */
  stop(): void;
};

export function createRenewal(
  { token, auth, random, failed }: {
    token: TokenOption | undefined;
    /** Sends it; fails unless the hub has taken it. */
    auth: (text: string) => Promise<unknown>;
    random: () => number;
    /** It is tried again, as long as there is a connection. */
    failed: (error: unknown) => void;
  },
): Renewal {
  const backoff = createBackoff(random, 1000);
  let turn = 0; // another one begins with each token that is wanted, and with each connection
  let retry: ReturnType<typeof setTimeout> | undefined;

  async function renew(mine: number): Promise<void> {
    try {
      const text = await askToken(token);
      if (mine !== turn || text === undefined) return;
      await auth(text);
      if (mine === turn) backoff.reset();
    } catch (error) {
      if (mine !== turn) return;
      retry = setTimeout(() => void renew(mine), backoff.next());
      failed(error);
    }
  }

  function stop(): void {
    turn += 1;
    clearTimeout(retry);
  }

  return {
    begin() {
      if (typeof token !== 'function') return; // the same again would help nobody
      stop();
      void renew(turn);
    },
    stop,
  };
}
