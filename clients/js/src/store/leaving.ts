/** When a page may never run again: a phone's browser ends hidden ones without a word. In Node none of it happens. */

/** Answers the undo. */
export function whenLeft(act: () => void): () => void {
  const { document, addEventListener, removeEventListener } = globalThis as Partial<typeof globalThis>;
  const hidden = () => { if (document?.visibilityState === 'hidden') act(); };
  document?.addEventListener('visibilitychange', hidden);
  addEventListener?.('pagehide', act);
  return () => {
    document?.removeEventListener('visibilitychange', hidden);
    removeEventListener?.('pagehide', act);
  };
}
