/**
 * JSON-RPC 2.0 over one transport: requests as promises, notifications both ways.
 *
 * Every request settles: with the answer, with the server's refusal (`RequestError`), or with `DisconnectedError`.
 * No incoming frame makes this throw: what cannot be read is told to `fault`.
 */
import type { ClientNotifications, Requests } from "../wire";
import { DecodeError, DisconnectedError, ErrorCode, NeuroscopeError, RequestError } from "./errors";
import type { CloseReason, Transport } from "./transport";

export interface RpcListener {
  notification(method: string, params: unknown): void;
  /** A frame that is no JSON-RPC message, or a listener that failed on one. */
  fault(error: Error): void;
  closed(reason: CloseReason): void;
}

export interface RequestOptions {
  /**
   * Asks the server to cancel. The promise still waits for the server's word: cancelled requests reject with the
   * signal's reason, those that were done before resolve.
   */
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly options: RequestOptions;
}

export class RpcConnection {
  readonly #transport: Transport;
  readonly #listener: RpcListener;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: CloseReason | null = null;

  constructor(transport: Transport, listener: RpcListener) {
    this.#transport = transport;
    this.#listener = listener;
    transport.listen({
      frame: (text) => { this.#frame(text); },
      closed: (reason) => { this.#ended(reason); },
    });
  }

  request<M extends keyof Requests>(method: M, params: Requests[M]["params"], options: RequestOptions = {}): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(new DisconnectedError(this.#closed.code, this.#closed.reason));
    if (options.signal?.aborted) return Promise.reject(options.signal.reason as Error);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = (): void => { this.notify("$/cancelRequest", { id }); };
      const settle = <T>(then: (value: T) => void) => (value: T): void => {
        options.signal?.removeEventListener("abort", cancel);
        then(value);
      };
      options.signal?.addEventListener("abort", cancel, { once: true });
      this.#pending.set(id, { method, resolve: settle(resolve), reject: settle(reject), options });
      this.#transport.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  notify<M extends keyof ClientNotifications>(method: M, params: ClientNotifications[M]): void {
    if (this.#closed === null) this.#transport.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  close(code = 1000, reason = ""): void {
    if (this.#closed !== null) return;
    this.#transport.close(code, reason);
    this.#ended({ code, reason });
  }

  #refuse(id: unknown, code: number, message: string): void {
    this.#transport.send(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } }));
  }

  #ended(reason: CloseReason): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new DisconnectedError(reason.code, reason.reason));
    this.#listener.closed(reason);
  }

  #frame(text: string): void {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      this.#listener.fault(new DecodeError("", "JSON"));
      return;
    }
    for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
      if (this.#closed !== null) return;
      try {
        this.#message(message);
      } catch (error) {
        this.#listener.fault(error instanceof Error ? error : new NeuroscopeError(String(error)));
      }
    }
  }

  #message(message: unknown): void {
    if (typeof message !== "object" || message === null) throw new DecodeError("", "a JSON-RPC message");
    const { id, method, params, result, error } = message as Record<string, unknown>;
    if (typeof method === "string") {
      if (id === undefined) this.#listener.notification(method, params);
      // This protocol gives a server nothing to ask; a later version may, and must not wait for ever.
      else this.#refuse(id, ErrorCode.methodNotFound, `The client does not know ${method}.`);
      return;
    }
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) {
      throw new DecodeError("id", "the id of an open request");
    }
    this.#pending.delete(id as number);
    if (error === undefined) {
      pending.resolve(result);
      return;
    }
    const { code, message: words, data } = (error ?? {}) as Record<string, unknown>;
    if (code === ErrorCode.cancelled && pending.options.signal?.aborted) {
      pending.reject(pending.options.signal.reason);
    } else {
      pending.reject(new RequestError(
        pending.method, typeof code === "number" ? code : ErrorCode.internal,
        typeof words === "string" ? words : "The server refused without a reason.", data,
      ));
    }
  }
}
