/** A WebSocket with the hub's subprotocol. */
import { platformSocket } from '#socket';

export type SocketLike = {
  binaryType: string;
  readyState: number;
  send(bytes: Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code?: number; reason?: string }) => void) | null;
  onerror: ((event: never) => void) | null;
};
export type SocketConstructor = new (url: string, protocols: string) => SocketLike;

const SUBPROTOCOL = 'syncline.v1';

export async function dial(url: string, given?: SocketConstructor): Promise<SocketLike> {
  const Socket = given ?? await platformSocket();
  return new Socket(url, SUBPROTOCOL);
}

/** Closes it, and hears of it no more. */
export function discard(socket: SocketLike): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {}; // `ws` throws an error that nobody listens to
  socket.close();
}

const OPENING_MS = 2000;

/** As `discard`, but lets it open first: browsers print an error for a socket that is closed before. */
export function dismiss(socket: SocketLike): void {
  if (socket.readyState !== 0) return discard(socket);
  socket.onerror = () => {}; // as in `discard`; `onclose` follows
  const finish = (): void => {
    clearTimeout(timer);
    discard(socket);
  };
  const timer = setTimeout(finish, OPENING_MS);
  socket.onopen = socket.onclose = finish;
}
