/**
 * What happens to a page that matters to its connection. In Node, and in workers, most of it never happens.
 *
 * A page with a connection or a lock is not kept for the back button by some browsers, so one that may be kept lets go of both.
 */
export type PageEvents = {
  /** There may be a network again. */
  online(): void;
  /** It is looked at again, or woken up: what it holds may be gone. */
  shown(): void;
  /** It is put away, perhaps for ever. */
  hidden(): void;
  /** It is back from where it was put away. */
  restored(): void;
};

/** Answers the undo. */
export function watchPage(events: PageEvents): () => void {
  const page = globalThis as Partial<Pick<typeof globalThis, 'addEventListener' | 'removeEventListener' | 'document'>>;
  const undo: (() => void)[] = [];

  function listen(target: typeof page | undefined, name: string, act: (event: Event) => void): void {
    target?.addEventListener?.(name, act);
    undo.push(() => target?.removeEventListener?.(name, act));
  }

  listen(page, 'online', events.online);
  listen(page.document, 'visibilitychange', () => { if (page.document?.visibilityState === 'visible') events.shown(); });
  listen(page.document, 'resume', events.shown);
  listen(page, 'pagehide', (event) => { if ((event as PageTransitionEvent).persisted) events.hidden(); });
  listen(page, 'pageshow', (event) => { if ((event as PageTransitionEvent).persisted) events.restored(); });
  return () => { for (const one of undo) one(); };
}
