/** The WebSocket of browsers, and of whatever else has one. */
import type { SocketConstructor } from './websocket.js';

export async function platformSocket(): Promise<SocketConstructor> {
  return globalThis.WebSocket as unknown as SocketConstructor;
}
