/** Sharing as the core has it: its code is loaded by who has something to share by, when there is a connection to be made. */
import type { SocketLike } from '../transport/websocket.js';
import type { ClientMode, Share, ShareOptions } from './share.js';

/** Null: this place has nothing that tabs could share by. Without the code, too, a tab has a socket of its own. */
export function shareLater(options: ShareOptions): Share | null {
  const { navigator, BroadcastChannel: Channel, document } = globalThis as Partial<typeof globalThis>;
  const locks = navigator?.locks;
  if (document === undefined || locks === undefined || Channel === undefined) return null;
  let share: Share | undefined;
  let wanted = 0;

  async function dial(): Promise<SocketLike> {
    wanted += 1;
    const mine = wanted;
    const code = share === undefined ? await import('./share.js').catch(() => null) : null;
    if (code !== null) share ??= code.createShare(options, locks as LockManager);
    if (mine !== wanted) throw new Error('it was hung up'); // before anything was held
    return share?.dial() ?? options.dial();
  }

  return {
    get mode(): ClientMode { return share?.mode ?? 'own'; },
    dial,
    hangUp() {
      wanted += 1;
      share?.hangUp();
    },
  };
}
