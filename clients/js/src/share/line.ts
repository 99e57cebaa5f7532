/**
 * Lines: what runs between a tab and the one that holds the connection for all. A message is packets, or word of the line itself. A
 * MessagePort is one, and so is a BroadcastChannel that nobody else knows.
 */
import type { SocketLike } from '../transport/websocket.js';

export type LineMessage =
  | { readonly type: 'packets'; readonly bytes: Uint8Array }
  /** To the tab: it is heard, by who holds this lock. */
  | { readonly type: 'open'; readonly life: string }
  /** From either side: nothing follows. */
  | { readonly type: 'closed'; readonly code?: number; readonly reason?: string };

export type Line = {
  postMessage(message: LineMessage): void;
  onmessage: ((event: MessageEvent<LineMessage>) => void) | null;
  close(): void;
};

/** What a tab asks for: the hub, the name of those who share a connection to it, and the lock that it holds as long as it lives. */
export type Join = { readonly url: string; readonly key: string; readonly life: string };

/** A socket as the client knows it, over a line. It opens when it is heard. */
export type LineSocket = SocketLike & {
  /** The lock of who hears it. */
  readonly opened: Promise<string>;
  /** It was closed, from here or from there. */
  readonly ended: Promise<void>;
  /** Whoever held the connection is gone. */
  lost(): void;
};

function exact(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes;
  return (byteLength === buffer.byteLength ? buffer : bytes.slice().buffer) as ArrayBuffer;
}

export function socketOver(line: Line): LineSocket {
  let open = (_life: string) => {};
  let close = () => {};
  let onopen: SocketLike['onopen'] = null;

  function end(): void {
    socket.readyState = 3;
    line.close();
    close();
  }

  function closed(code?: number, reason?: string): void {
    if (socket.readyState === 3) return;
    end();
    socket.onclose?.({ ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) });
  }

  const socket: LineSocket = {
    binaryType: 'arraybuffer',
    readyState: 0,
    opened: new Promise<string>((resolve) => { open = resolve; }),
    ended: new Promise<void>((resolve) => { close = resolve; }),
    onmessage: null,
    onclose: null,
    onerror: null,
    get onopen() { return onopen; },
    /** Who asks late hears of it, too. */
    set onopen(listen) {
      onopen = listen;
      void this.opened.then(() => { if (onopen === listen && this.readyState === 1) onopen?.(undefined as never); });
    },
    send(bytes) {
      if (socket.readyState === 1) line.postMessage({ type: 'packets', bytes });
    },
    close() {
      if (socket.readyState === 3) return;
      line.postMessage({ type: 'closed' });
      end();
    },
    lost: () => closed(),
  };

  line.onmessage = ({ data }) => {
    if (data.type === 'open') {
      socket.readyState = 1;
      open(data.life);
    } else if (data.type === 'packets') {
      socket.onmessage?.({ data: exact(data.bytes) });
    } else {
      closed(data.code, data.reason);
    }
  };
  return socket;
}
