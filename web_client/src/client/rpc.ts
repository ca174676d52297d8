/**
 * JSON-RPC 2.0 over one transport: requests as promises, notifications both ways.
 *
 * Every request settles: with the answer, with the server's refusal (`RequestError`), with `TimeoutError`, or with
 * `DisconnectedError`. A server that does not answer a ping counts as disconnected (`SILENT`). No incoming frame makes
 * this throw: unreadable ones go to `fault`.
 */
import type { ClientNotifications, Requests } from "../wire";
import type { Clock } from "./clock";
import { DecodeError, DisconnectedError, ErrorCode, NeuroscopeError, RequestError, TimeoutError } from "./errors";
import { Liveness, type LivenessOptions } from "./liveness";
import type { CloseReason, Transport } from "./transport";

export interface RpcListener {
  notification(method: string, params: unknown): void;
  /** A frame that is not a JSON-RPC message, or a listener that failed on one. */
  fault(error: Error): void;
  closed(reason: CloseReason): void;
  /** Whether something besides an open request waits for the server. */
  waiting(): boolean;
  /** Whether somebody may be looking: otherwise an idle connection is not tested. */
  visible(): boolean;
}

export interface RequestOptions {
  /**
   * Asks the server to cancel. The promise still waits for the answer: cancelled requests reject with the signal's
   * reason, finished ones resolve.
   */
  readonly signal?: AbortSignal | undefined;
  /** Time limit in ms. When it is over, the promise rejects with TimeoutError, and the server is asked to cancel. */
  readonly timeoutMs?: number | undefined;
}

/** The close code of a connection that was ended because the server did not answer. */
export const SILENT = 4000;

interface Pending {
  readonly method: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class RpcConnection {
  readonly #transport: Transport;
  readonly #listener: RpcListener;
  readonly #clock: Clock;
  readonly #liveness: Liveness;
  readonly #pending = new Map<number, Pending>();
  /** Ids of requests that timed out and may still be answered. */
  readonly #abandoned = new Set<number>();
  #nextId = 1;
  #closed: CloseReason | null = null;

  constructor(transport: Transport, listener: RpcListener, clock: Clock, liveness?: LivenessOptions) {
    this.#transport = transport;
    this.#listener = listener;
    this.#clock = clock;
    this.#liveness = new Liveness(clock, {
      waiting: () => this.#pending.size > 0 || listener.waiting(),
      visible: () => listener.visible(),
      ping: () => { this.#send({ id: this.#ping(), method: "ping", params: {} }); },
      silent: (ms) => { this.close(SILENT, `no sign of life for ${(ms / 1000).toFixed()} s`); },
    }, liveness);
    transport.listen({
      frame: (text) => { this.#frame(text); },
      closed: (reason) => { this.#ended(reason); },
    });
  }

  /** Resolves to `read(answer)` as soon as it comes; rejects if `read` throws. */
  request<M extends keyof Requests, T>(
    method: M, params: Requests[M]["params"], read: (result: unknown) => T, { signal, timeoutMs = Infinity }: RequestOptions = {},
  ): Promise<T> {
    if (this.#closed !== null) return Promise.reject(new DisconnectedError(this.#closed.code, this.#closed.reason));
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = (): void => { this.notify("$/cancelRequest", { id }); };
      const timer = timeoutMs === Infinity ? null : this.#clock.after(timeoutMs, () => {
        this.#pending.delete(id);
        this.#abandoned.add(id);
        cancel();
        fail(new TimeoutError(method, timeoutMs));
      });
      const end = (): void => {
        signal?.removeEventListener("abort", cancel);
        timer?.cancel();
      };
      const fail = (error: unknown): void => {
        end();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason may be anything
        reject(error);
      };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#pending.set(id, {
        method, signal, reject: fail,
        resolve: (result) => {
          end();
          try {
            resolve(read(result));
          } catch (error) {
            fail(error);
          }
        },
      });
      this.#send({ id, method, params });
    });
  }

  notify<M extends keyof ClientNotifications>(method: M, params: ClientNotifications[M]): void {
    if (this.#closed === null) this.#send({ method, params });
  }

  /** The network or the person is back: find out at once whether the server is there. */
  probe(): void {
    if (this.#closed === null) this.#liveness.probe();
  }

  close(code = 1000, reason = ""): void {
    if (this.#closed !== null) return;
    this.#transport.close(code, reason);
    this.#ended({ code, reason });
  }

  #send(message: object): void {
    const frame = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#transport.send(frame);
    this.#liveness.sent(frame.length);
  }

  /** Id of a ping: that an answer comes is all there is to it, so it counts as abandoned from the start. */
  #ping(): number {
    const id = this.#nextId++;
    this.#abandoned.add(id);
    return id;
  }

  #ended(reason: CloseReason): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.#liveness.stop();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new DisconnectedError(reason.code, reason.reason));
    this.#listener.closed(reason);
  }

  #frame(text: string): void {
    if (this.#closed !== null) return;
    this.#liveness.heard();
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      this.#listener.fault(new DecodeError("", "JSON"));
      return;
    }
    for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
      try {
        this.#message(message);
      } catch (error) {
        this.#listener.fault(NeuroscopeError.of(error));
      }
    }
  }

  #message(message: unknown): void {
    if (this.#closed !== null) return; // by what came before it in a batch
    if (typeof message !== "object" || message === null) throw new DecodeError("", "a JSON-RPC message");
    const { id, method, params, result, error } = message as Record<string, unknown>;
    if (typeof method === "string") {
      if (id === undefined) this.#listener.notification(method, params);
      // This protocol gives a server nothing to ask; a later version may, and must not wait for ever.
      else this.#send({ id, error: { code: ErrorCode.methodNotFound, message: `The client does not know ${method}.` } });
      return;
    }
    if (this.#abandoned.delete(id as number)) return;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) throw new DecodeError("id", "the id of an open request");
    this.#pending.delete(id as number);
    if (error === undefined) {
      pending.resolve(result);
      return;
    }
    const { code, message: words, data } = (error ?? {}) as Record<string, unknown>;
    if (code === ErrorCode.cancelled && pending.signal?.aborted) {
      pending.reject(pending.signal.reason);
    } else {
      pending.reject(new RequestError(
        pending.method, typeof code === "number" ? code : ErrorCode.internal,
        typeof words === "string" ? words : "The server refused without a reason.", data,
      ));
    }
  }
}
