/** From an address to a client. */
import { plainAddress, socketAddress } from "./address";
import { type ClientOptions, NeuroscopeClient } from "./client";
import { explained } from "./refusal";
import type { RequestOptions } from "./rpc";
import { type Connector, webSocket, type WebSocketConstructor } from "./transport";

export interface ServerOptions {
  /** The access token, if the server requires one. */
  readonly token?: string | undefined;
  /** Used instead of the global one, which Node has from version 22: that of the package `ws`, for instance. */
  readonly WebSocket?: WebSocketConstructor | undefined;
}

export type ConnectOptions = ServerOptions & RequestOptions & Omit<ClientOptions, "connect">;

/**
 * A connector to the server at `url`, the address of its page or of its websocket.
 * Throws TypeError for an address that no server can have.
 */
export function serverAt(url: string | URL, { token, WebSocket }: ServerOptions = {}): Connector {
  const address = socketAddress(url, token);
  const plain = plainAddress(address);
  const connector = webSocket(address, WebSocket);
  // A page may only read answers from its own origin; its browser logs an error when it tries to read others.
  const here = (globalThis as { location?: { readonly origin: string } }).location;
  return here === undefined || here.origin === plain.origin ? explained(connector, plain) : connector;
}

/**
 * A client that is connected to the server at `url`, and stays so until `close()`.
 *
 * Rejects when the first attempt fails: with the cause, with the reason of `signal` when that is aborted before, or with
 * TimeoutError. A connection that is lost later is made again.
 */
export async function connect(
  url: string | URL, { token, WebSocket, signal, timeoutMs, ...options }: ConnectOptions = {},
): Promise<NeuroscopeClient> {
  const client = new NeuroscopeClient({ ...options, connect: serverAt(url, { token, WebSocket }) });
  const failed = new AbortController();
  const stop = client.on("state", (state) => { if (state.kind === "waiting") failed.abort(state.cause); });
  try {
    client.start();
    await client.connected({ timeoutMs, signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]) });
    return client;
  } catch (error) {
    client.close();
    throw error;
  } finally {
    stop();
  }
}
