/**
 * A session with a server, as a frontend sees it: connection, model, documents, subscriptions.
 *
 * Keeps the connection up by itself: when it drops, it waits, connects, resumes the session where the server still has
 * it, opens the documents again and brings the subscriptions back. Documents and subscriptions can be used all the while.
 */
import type {
  InitializeParams, InitializeResult, LimitsInfo, ModelInfo, ModelSummary, Neuron, NeuronsChangedParams, NeuronsChangedResult,
  NeuronsTopParams, NeuronsTopResult, ProgressValue, Requests, Resume,
} from "../wire";
import { Backoff, type BackoffOptions } from "./backoff";
import { type Clock, systemClock, type Timer } from "./clock";
import * as decode from "./decode";
import { NeuroscopeDocument } from "./document";
import { Emitter } from "./emitter";
import { DisconnectedError, NeuroscopeError, RequestError, TooLargeError } from "./errors";
import type { NeuronRef } from "./neuron";
import { type RequestOptions, RpcConnection } from "./rpc";
import { Subscriptions } from "./subscriptions";
import type { CloseReason, Connector, Transport } from "./transport";
import { until } from "./wait";

export type ConnectionState =
  /** Not started, or closed for good. */
  | { readonly kind: "closed" }
  | { readonly kind: "connecting"; readonly attempt: number }
  /** Connected; the server is still loading the model. */
  | { readonly kind: "initializing"; readonly progress: ProgressValue | null }
  | { readonly kind: "ready" }
  /** The connection is lost, or was never there; the next attempt comes in `retryMs`. */
  | { readonly kind: "waiting"; readonly retryMs: number; readonly cause: Error };

export interface ClientOptions {
  readonly connect: Connector;
  /** How this frontend names itself to the server. */
  readonly name?: string;
  readonly version?: string;
  /** In order of preference. */
  readonly activationEncodings?: ("base64" | "json")[];
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
}

export interface ClientEvents {
  state: ConnectionState;
  /** The session has this model now. */
  model: ModelInfo | null;
  models: readonly ModelSummary[];
  /** A fault that needs no answer: a message nobody understands, a `$/error` of the server. */
  fault: Error;
}

/** A fresh connection to a session: what `initialize` told. */
interface Session {
  readonly rpc: RpcConnection;
  readonly facts: InitializeResult;
}

/** The close code of a connection whose session is resumed by another one. */
const RESUMED_ELSEWHERE = 1000;

export class NeuroscopeClient extends Emitter<ClientEvents> {
  readonly subscriptions = new Subscriptions();
  readonly #documents = new Map<string, NeuroscopeDocument>();
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #state: ConnectionState = { kind: "closed" };
  #attempt = 0;
  #retry: Timer | null = null;
  #stop = new AbortController();
  #session: Session | null = null;
  #opening: RpcConnection | null = null;
  #resume: Resume | null = null;
  #models: readonly ModelSummary[] = [];
  #model: ModelInfo | null = null;
  #limits: LimitsInfo | null = null;
  #server: InitializeResult["server"] | null = null;
  readonly #progress = new Map<string | number, (progress: ProgressValue) => void>();
  #nextToken = 1;

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff(this.#clock, options.backoff);
    this.subscriptions.on("change", () => { this.#alignRows(); });
  }

  get state(): ConnectionState { return this.#state; }
  get ready(): boolean { return this.#state.kind === "ready"; }
  get models(): readonly ModelSummary[] { return this.#models; }
  get model(): ModelInfo | null { return this.#model; }
  get limits(): LimitsInfo | null { return this.#limits; }
  get server(): InitializeResult["server"] | null { return this.#server; }
  get documents(): readonly NeuroscopeDocument[] { return [...this.#documents.values()]; }

  /** Connect, and stay connected until `close()`. */
  start(): void {
    if (this.#state.kind !== "closed") return;
    this.#stop = new AbortController();
    void this.#connect();
  }

  /** Resolves when the session is there; rejects when the client is closed, or with the reason of an aborted `signal`. */
  connected(options: RequestOptions = {}): Promise<void> {
    return until(() => {
      this.#orThrow();
      return this.ready;
    }, (again) => [this.on("state", again)], options);
  }

  /** Whether the server's values for all wanted neurons on the newest text of `document` are there. */
  isSettled(document: NeuroscopeDocument): boolean {
    return this.ready && document.done && this.subscriptions.settled && document.activations.complete(this.subscriptions.present);
  }

  /**
   * Resolves when `isSettled(document)`. Rejects when the client is closed, with the document's `problem` where it has
   * one, or with the reason of an aborted `signal`. A lost connection is waited for.
   */
  settled(document: NeuroscopeDocument, options: RequestOptions = {}): Promise<void> {
    return until(() => {
      this.#orThrow();
      if (document.problem !== null) throw document.problem;
      return this.isSettled(document);
    }, (again) => [
      this.on("state", again), this.subscriptions.on("change", again),
      ...(["values", "done", "problem"] as const).map((event) => document.on(event, again)),
    ], options);
  }

  #orThrow(): void {
    if (this.#state.kind === "closed") throw new NeuroscopeError("The client is closed; start() opens it.");
  }

  /** Leave for good. Requests under way reject with DisconnectedError. */
  close(): void {
    this.#stop.abort(new NeuroscopeError("The client was closed."));
    this.#retry?.cancel();
    this.#setState({ kind: "closed" });
    (this.#session?.rpc ?? this.#opening)?.close(1000, "the client leaves");
    this.#resume = null;
  }

  /** While waiting to reconnect: try now. */
  retryNow(): void {
    if (this.#state.kind !== "waiting") return;
    this.#retry?.cancel();
    void this.#connect();
  }

  /** Open a document; its text goes to the server as soon as there is a connection. */
  open(uri: string, text: string): NeuroscopeDocument {
    if (this.#documents.has(uri)) throw new NeuroscopeError(`The document ${uri} is open already.`);
    const document = new NeuroscopeDocument(uri, text, this.#clock);
    this.#documents.set(uri, document);
    this.#alignRows();
    if (this.#session !== null) this.#attachDocument(document, this.#session);
    return document;
  }

  /** Take a document up again that was closed, with the text that it has now; its values come anew. */
  reopen(document: NeuroscopeDocument): void {
    if (this.#documents.has(document.uri)) throw new NeuroscopeError(`The document ${document.uri} is open already.`);
    this.#documents.set(document.uri, document);
    this.#alignRows();
    document.modelChanged(); // it may be another one meanwhile
    if (this.#session !== null) this.#attachDocument(document, this.#session);
  }

  /** Close a document here and on the server. */
  async closeDocument(document: NeuroscopeDocument): Promise<void> {
    if (!this.#documents.delete(document.uri)) return;
    document.detach();
    if (this.#session !== null) await this.#request("document/close", { uri: document.uri });
  }

  /** Give the session another model. Cancelled by `signal` while it loads; the session then keeps the one it has. */
  async loadModel(id: string, options: RequestOptions & { onProgress?: (progress: ProgressValue) => void } = {}): Promise<ModelInfo> {
    const token = this.#progressToken(options.onProgress ?? (() => undefined));
    try {
      const model = decode.results["model/load"](await this.#request("model/load", { model: id, workDoneToken: token }, options), "");
      this.#setModel(model);
      this.subscriptions.modelChanged();
      await this.refreshModels();
      return model;
    } finally {
      this.#progress.delete(token);
    }
  }

  /** Ask which models there are. */
  async refreshModels(options: RequestOptions = {}): Promise<readonly ModelSummary[]> {
    this.#models = decode.results["models/list"](await this.#request("models/list", {}, options), "").models;
    this.emit("models", this.#models);
    return this.#models;
  }

  /** The neurons that are highest at one token. */
  async top(params: NeuronsTopParams, options: RequestOptions = {}): Promise<NeuronsTopResult> {
    return decode.results["neurons/top"](await this.#request("neurons/top", params, options), "");
  }

  /** The neurons whose values moved most between the document's newest tokens and those of an earlier version. */
  async changed(params: NeuronsChangedParams, options: RequestOptions = {}): Promise<NeuronsChangedResult> {
    return decode.results["neurons/changed"](await this.#request("neurons/changed", params, options), "");
  }

  #request<M extends keyof Requests>(method: M, params: Requests[M]["params"], options: RequestOptions = {}): Promise<unknown> {
    if (this.#session === null) return Promise.reject(new DisconnectedError(1006, "not connected"));
    return this.#session.rpc.request(method, params, options);
  }

  async #connect(): Promise<void> {
    this.#attempt += 1;
    this.#setState({ kind: "connecting", attempt: this.#attempt });
    const { signal } = this.#stop;
    let transport: Transport;
    try {
      transport = await this.#options.connect(signal);
    } catch (error) {
      if (!signal.aborted) this.#wait(error instanceof Error ? error : new NeuroscopeError(String(error)));
      return;
    }
    if (signal.aborted) {
      transport.close(1000);
      return;
    }
    const rpc = new RpcConnection(transport, {
      notification: (method, params) => { this.#notification(method, params); },
      fault: (error) => { this.emit("fault", error); },
      closed: (reason) => { this.#closed(rpc, reason); },
    });
    this.#opening = rpc;
    this.#setState({ kind: "initializing", progress: null });
    const token = this.#progressToken((progress) => {
      if (this.#opening === rpc) this.#setState({ kind: "initializing", progress });
    });
    try {
      const facts = decode.results.initialize(await rpc.request("initialize", this.#initializeParams(token)), "");
      if (this.#opening !== rpc) return;
      if (facts.positionEncoding !== "utf-16") throw new NeuroscopeError("The server does not count in UTF-16 units, as this client must.");
      this.#begin({ rpc, facts });
    } catch (error) {
      if (error instanceof DisconnectedError || this.#opening !== rpc) return; // `closed` saw to it
      this.#opening = null;
      rpc.close(1000, "initialize failed");
      this.#wait(error instanceof Error ? error : new NeuroscopeError(String(error)));
    } finally {
      this.#progress.delete(token);
    }
  }

  #initializeParams(workDoneToken: string): InitializeParams {
    const { name = "neuroscope-client", version, activationEncodings = ["base64", "json"] } = this.#options;
    return {
      protocolVersion: 1,
      client: version === undefined ? { name } : { name, version },
      positionEncodings: ["utf-16"],
      activationEncodings,
      workDoneToken,
      ...(this.#resume === null ? {} : { resume: this.#resume }),
    };
  }

  #begin(session: Session): void {
    const { facts, rpc } = session;
    const chosen = this.#model;
    this.#opening = null;
    this.#session = session;
    this.#resume = { session: facts.session, resumeToken: facts.resumeToken };
    this.#backoff.reset();
    this.#attempt = 0;
    this.#limits = facts.limits;
    this.#server = facts.server;
    this.#models = facts.models;
    this.#setModel(facts.model);
    this.emit("models", this.#models);
    for (const document of this.#documents.values()) this.#attachDocument(document, session);
    const ask = async (method: "neurons/subscribe" | "neurons/unsubscribe", neurons: NeuronRef[]): Promise<Neuron[]> =>
      decode.results[method](await rpc.request(method, { neurons }), "").neurons;
    this.subscriptions.attach({
      subscribe: (neurons) => ask("neurons/subscribe", neurons),
      unsubscribe: (neurons) => ask("neurons/unsubscribe", neurons),
    }, facts.subscriptions);
    this.#setState({ kind: "ready" });
    // A new session starts with the server's default model; bring back the one that was chosen here.
    if (chosen !== null && chosen.id !== facts.model?.id && this.#models.some(({ id }) => id === chosen.id)) {
      this.loadModel(chosen.id).catch((error: unknown) => {
        if (!(error instanceof DisconnectedError)) this.emit("fault", error as Error);
      });
    }
  }

  #attachDocument(document: NeuroscopeDocument, { rpc }: Session): void {
    document.attach({
      open: (params) => {
        const error = this.#tooLong(params.text) ?? this.#tooLarge(params);
        return error === null ? rpc.request("document/open", params) : Promise.reject(error);
      },
      change: (params) => {
        const error = this.#tooLong(document.text) ?? this.#tooLarge(params);
        if (error !== null) throw error;
        rpc.notify("document/change", params);
      },
    });
  }

  /** Whether the server would refuse this text for its length, which it counts in code points. */
  #tooLong(text: string): TooLargeError | null {
    const maximum = this.#limits?.documentCharacters;
    if (maximum === undefined || text.length <= maximum) return null;
    const pairs = text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
    const length = text.length - pairs;
    return length <= maximum ? null : new TooLargeError(length, maximum, "characters");
  }

  /** Whether these params would end the connection for their size (close code 1009). */
  #tooLarge(params: object): TooLargeError | null {
    const maximum = this.#limits?.frameBytes;
    if (maximum === undefined) return null;
    const text = JSON.stringify(params);
    // UTF-16 units are 1 to 3 bytes of UTF-8 each; only a text near the limit needs counting.
    const room = maximum - 200; // the envelope
    if (text.length * 3 <= room) return null;
    const bytes = new TextEncoder().encode(text).length;
    return bytes <= room ? null : new TooLargeError(bytes, maximum, "bytes");
  }

  #setModel(model: ModelInfo | null): void {
    const old = this.#model;
    this.#model = model;
    if (model !== null) this.subscriptions.fit(model);
    if (old?.id === model?.id && old?.revision === model?.revision) return;
    if (old !== null) for (const document of this.#documents.values()) document.modelChanged();
    this.emit("model", model);
  }

  #closed(rpc: RpcConnection, reason: CloseReason): void {
    if (rpc !== this.#opening && rpc !== this.#session?.rpc) return;
    this.#opening = null;
    this.#session = null;
    // Another connection has it now, and would lose it again to this one, and so on for ever; a new one is begun.
    if (reason.code === RESUMED_ELSEWHERE) this.#resume = null;
    this.subscriptions.detach();
    for (const document of this.#documents.values()) document.detach();
    if (!this.#stop.signal.aborted) this.#wait(new DisconnectedError(reason.code, reason.reason));
  }

  #wait(cause: Error): void {
    const retryMs = this.#backoff.next();
    this.#retry = this.#clock.after(retryMs, () => { void this.#connect(); });
    this.#setState({ kind: "waiting", retryMs, cause });
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.emit("state", state);
  }

  #progressToken(listener: (progress: ProgressValue) => void): string {
    const token = `progress-${this.#nextToken++}`;
    this.#progress.set(token, listener);
    return token;
  }

  #alignRows(): void {
    const { keys } = this.subscriptions;
    for (const document of this.#documents.values()) document.activations.setRows(keys);
  }

  #notification(method: string, params: unknown): void {
    switch (method) {
      case "document/tokens": {
        const message = decode.serverNotifications[method](params, "");
        this.#documents.get(message.uri)?.receiveTokens(message);
        return;
      }
      case "activations/update": {
        const message = decode.serverNotifications[method](params, "");
        this.#documents.get(message.uri)?.receiveValues(message);
        return;
      }
      case "activations/done": {
        const message = decode.serverNotifications[method](params, "");
        this.#documents.get(message.uri)?.receiveDone(message);
        return;
      }
      case "document/resync": {
        const message = decode.serverNotifications[method](params, "");
        this.emit("fault", new NeuroscopeError(`The server lost track of the text and gets it again: ${message.reason}`));
        this.#documents.get(message.uri)?.resync();
        return;
      }
      case "$/progress": {
        const message = decode.serverNotifications[method](params, "");
        this.#progress.get(message.token)?.(message.value);
        return;
      }
      case "$/error": {
        const message = decode.serverNotifications[method](params, "");
        this.emit("fault", new RequestError(message.method, message.code, message.message, message.data));
        return;
      }
      default: // a newer server may tell more than this client knows
    }
  }
}
