/**
 * An in-memory transport, so that clients are tested without a socket.
 *
 * The test holds the far end: it reads the frames that the client sent and sends its own.
 * Delivery is synchronous unless the test holds frames back itself.
 */
import type { CloseReason, Connector, Transport, TransportListener } from "./transport";

/** One JSON-RPC message, parsed. */
export interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: { code: number; message: string; data?: unknown };
}

/** The server's end of one connection. */
export class FakePeer {
  /** Every message that the client sent on this connection and that was not taken yet. */
  readonly received: Message[] = [];
  closed: CloseReason | null = null;
  /** Called with each message as it arrives, in place of `received`. */
  onMessage: ((message: Message) => void) | null = null;
  #listener: TransportListener | null = null;

  readonly transport: Transport = {
    listen: (listener) => { this.#listener = listener; },
    send: (frame) => {
      if (this.closed !== null) return;
      const parsed = JSON.parse(frame) as Message | Message[];
      for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
        if (this.onMessage === null) this.received.push(message);
        else this.onMessage(message);
      }
    },
    close: (code = 1000, reason = "") => { this.drop(code, reason); },
  };

  /** The oldest message of this method not yet taken; throws if there is none. */
  take(method: string): Message {
    const index = this.received.findIndex((message) => message.method === method);
    const [message] = index < 0 ? [] : this.received.splice(index, 1);
    if (message === undefined) {
      throw new Error(`the client sent no ${method}; it sent ${JSON.stringify(this.received.map((m) => m.method))}`);
    }
    return message;
  }

  sendText(frame: string): void {
    if (this.closed === null) this.#listener?.frame(frame);
  }

  notify(method: string, params: object): void {
    this.sendText(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  answer(request: Message, result: unknown): void {
    this.sendText(JSON.stringify({ jsonrpc: "2.0", id: request.id, result }));
  }

  refuse(request: Message, code: number, message: string, data?: unknown): void {
    this.sendText(JSON.stringify({ jsonrpc: "2.0", id: request.id, error: { code, message, data } }));
  }

  /** End the connection as the network or the server does. */
  drop(code = 1006, reason = ""): void {
    if (this.closed !== null) return;
    this.closed = { code, reason };
    this.#listener?.closed(this.closed);
  }
}

/** A place to connect to: each connection gives a new `FakePeer`; `down` makes connecting fail. */
export class FakeNetwork {
  readonly peers: FakePeer[] = [];
  down = false;
  /** Called with each new peer before the client gets it. */
  onConnect: ((peer: FakePeer) => void) | null = null;

  readonly connector: Connector = (signal) => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.down) return Promise.reject(new Error("the fake network is down"));
    const peer = new FakePeer();
    this.peers.push(peer);
    this.onConnect?.(peer);
    return Promise.resolve(peer.transport);
  };

  /** The newest connection. */
  get peer(): FakePeer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error("nobody connected yet");
    return peer;
  }
}
