/**
 * The transport interface: carries text frames both ways.
 *
 * Knows nothing about JSON. `webSocket` is the real one; `fake.ts` has the one for tests.
 */

/** Why a connection ended: a WebSocket close code and the reason given. */
export interface CloseReason {
  readonly code: number;
  readonly reason: string;
}

export interface TransportListener {
  frame(text: string): void;
  /** Called once; no frame follows. */
  closed(reason: CloseReason): void;
}

export interface Transport {
  /** Name the one listener. Frames that came earlier may be lost, so call it at once. */
  listen(listener: TransportListener): void;
  /** Send one frame; silently dropped once the connection is gone (see `closed`). */
  send(frame: string): void;
  close(code?: number, reason?: string): void;
}

/** Opens a new transport; rejects when that fails or `signal` is aborted. */
export type Connector = (signal: AbortSignal) => Promise<Transport>;

/** The part of the WebSocket interface that is used here: browsers and Node (from 22 on) have it, the `ws` package too. */
export interface WebSocketLike {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

const SUBPROTOCOL = "neuroscope.v1";
const OPEN = 1;

/** A connector for `url` (`ws:` or `wss:`). Node 20 has no WebSocket: pass an implementation. */
export function webSocket(url: string, Implementation?: WebSocketConstructor): Connector {
  return (signal) => new Promise((resolve, reject) => {
    const Socket = Implementation ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    if (Socket === undefined) throw new TypeError("there is no WebSocket here: pass an implementation to webSocket()");
    if (signal.aborted) throw signal.reason;
    const socket = new Socket(url, SUBPROTOCOL);
    const abort = (): void => { socket.close(1000); };
    signal.addEventListener("abort", abort, { once: true });
    let listener: TransportListener | undefined;
    let opened = false;
    socket.onmessage = (event: { data: unknown }) => {
      if (typeof event.data === "string") listener?.frame(event.data);
    };
    socket.onerror = () => undefined; // `close` follows; an error that nobody hears would end a process that uses `ws`
    socket.onclose = (event: { code: number; reason: string }) => {
      signal.removeEventListener("abort", abort);
      if (opened) listener?.closed({ code: event.code, reason: event.reason });
      else reject(new Error(`no connection to ${url.replace(/\?.*/, "")}`)); // without a token
    };
    socket.onopen = () => {
      opened = true;
      signal.removeEventListener("abort", abort);
      resolve({
        listen: (heard) => { listener = heard; },
        send: (frame) => { if (socket.readyState === OPEN) socket.send(frame); },
        close: (code = 1000, reason = "") => { socket.close(code, reason); },
      });
    };
  });
}
