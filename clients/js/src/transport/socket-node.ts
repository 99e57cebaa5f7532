/** The WebSocket of Node: its own where it has one, else that of `ws`. Package.json's `#socket` keeps it out of browsers. */
import type { SocketConstructor } from './websocket.js';

export async function platformSocket(): Promise<SocketConstructor> {
  const { WebSocket } = typeof globalThis.WebSocket === 'function' ? globalThis : await import('ws');
  return WebSocket as unknown as SocketConstructor;
}
