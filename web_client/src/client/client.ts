/**
 * A session with a server, as a frontend sees it: connection, model, documents, subscriptions.
 *
 * Reconnects by itself: when the connection is lost, the client waits, connects, resumes the session if the server
 * still has it, opens the documents again and restores the subscriptions. Documents and subscriptions can be used
 * meanwhile.
 */
import type {
  InitializeParams, InitializeResult, LimitsInfo, ModelInfo, ModelSummary, Neuron, NeuronsChangedParams, NeuronsChangedResult,
  NeuronsTopParams, NeuronsTopResult, ProgressValue, Requests, Resume,
} from "../wire";
import { Backoff, type BackoffOptions } from "./backoff";
import { type Clock, systemClock, type Timer } from "./clock";
import { decodeParams, decodeResult } from "./decode";
import { NeuroscopeDocument } from "./document";
import { Emitter } from "./emitter";
import { DisconnectedError, NeuroscopeError, RequestError, TimeoutError, TooLargeError } from "./errors";
import type { LivenessOptions } from "./liveness";
import type { NeuronRef } from "./neuron";
import { presence, type Presence } from "./presence";
import { type RequestOptions, RpcConnection } from "./rpc";
import { Subscriptions } from "./subscriptions";
import type { CloseReason, Connector, Transport } from "./transport";
import { limited, unless, until } from "./wait";

export type ConnectionState =
  /** Not started, or closed. */
  | { readonly kind: "closed" }
  /** `cause`: why there is no connection, or why the last attempt failed; null at the first. */
  | { readonly kind: "connecting"; readonly attempt: number; readonly cause: Error | null }
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
  /** The preferred one first. */
  readonly activationEncodings?: ("base64" | "json")[];
  readonly backoff?: BackoffOptions;
  /** Time limit of a request in ms, where the request does not have its own; Infinity for none. Default: 60 s. Loading a model has none. */
  readonly requestTimeoutMs?: number;
  /** Time limit of an attempt to connect, in ms. Default: 10 s. */
  readonly connectTimeoutMs?: number;
  /** When a silent server is sent a ping, and how long it may take to answer. */
  readonly liveness?: LivenessOptions;
  /** Default: of the page that this runs in. */
  readonly presence?: Presence;
  readonly clock?: Clock;
}

export interface ClientEvents {
  state: ConnectionState;
  /** The session has a new model. */
  model: ModelInfo | null;
  models: readonly ModelSummary[];
  /** An error that no promise rejects with: an unreadable message, or a `$/error` of the server. */
  fault: Error;
}

/** A connection with a session, and the result of `initialize`. */
interface Opened {
  readonly rpc: RpcConnection;
  readonly facts: InitializeResult;
}

/** The close code of a connection whose session is resumed by another one. */
const RESUMED_ELSEWHERE = 1000;

const REQUEST_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export class NeuroscopeClient extends Emitter<ClientEvents> {
  readonly subscriptions: Subscriptions;
  readonly #documents = new Map<string, NeuroscopeDocument>();
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #presence: Presence;
  /** Started and not closed. */
  #running = false;
  #state: ConnectionState = { kind: "closed" };
  /** Number of the attempt to connect, from 1. */
  #attempt = 0;
  /** The current attempt. */
  #connecting: AbortController | null = null;
  #retry: Timer | null = null;
  #stopWatching: () => void = () => undefined;
  #session: Opened | null = null;
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
    this.#presence = options.presence ?? presence;
    this.subscriptions = new Subscriptions(this.#clock);
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
    if (this.#running) return;
    this.#running = true;
    this.#stopWatching = this.#presence.onReturn(() => { this.probe(); });
    void this.#connect(null);
  }

  /**
   * Resolves when the session is there; rejects when the client is closed, with the reason of an aborted `signal`, or with
   * TimeoutError.
   */
  connected(options: RequestOptions = {}): Promise<void> {
    return limited("connecting", this.#clock, options, (signal) => until(() => {
      this.#orThrow();
      return this.ready;
    }, (again) => [this.on("state", again)], signal));
  }

  /** Whether all values of the wanted neurons for the newest text of `document` have come. */
  isSettled(document: NeuroscopeDocument): boolean {
    return this.ready && document.done && this.subscriptions.settled && document.activations.complete(this.subscriptions.present);
  }

  /**
   * Resolves when `isSettled(document)`. Rejects when the client is closed, with the document's `problem` or `failure`,
   * with the reason of an aborted `signal`, or with TimeoutError. A lost connection only delays it.
   */
  settled(document: NeuroscopeDocument, options: RequestOptions = {}): Promise<void> {
    return limited("the values", this.#clock, options, (signal) => until(() => {
      this.#orThrow();
      const problem = document.problem ?? document.failure;
      if (problem !== null) throw problem;
      return this.isSettled(document);
    }, (again) => [
      this.on("state", again), this.subscriptions.on("change", again),
      ...(["values", "done", "failed", "problem"] as const).map((event) => document.on(event, again)),
    ], signal));
  }

  get #timeoutMs(): number { return this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS; }

  #orThrow(): void {
    if (!this.#running) throw new NeuroscopeError("The client is closed; start() opens it.");
  }

  /** Close the client. Pending requests reject with DisconnectedError. */
  close(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#stopWatching();
    this.#retry?.cancel();
    this.#stopConnecting(new NeuroscopeError("The client was closed."));
    (this.#session?.rpc ?? this.#opening)?.close(1000, "the client leaves");
    this.#resume = null;
    this.#setState({ kind: "closed" });
  }

  /** While waiting to reconnect: try now. */
  retryNow(): void {
    if (this.#state.kind === "waiting") this.#connectAnew(this.#state.cause);
  }

  /**
   * The network or the user is back: connect at once if there is no connection, otherwise check that the server is
   * still alive. Pages call this automatically.
   */
  probe(): void {
    const { state } = this;
    if (state.kind === "waiting" || state.kind === "connecting") this.#connectAnew(state.cause);
    else (this.#session?.rpc ?? this.#opening)?.probe();
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

  /** Open a closed document again, with its current text. All its values are sent again. */
  reopen(document: NeuroscopeDocument): void {
    if (this.#documents.has(document.uri)) throw new NeuroscopeError(`The document ${document.uri} is open already.`);
    this.#documents.set(document.uri, document);
    this.#alignRows();
    document.modelChanged(); // the model may have changed while it was closed
    if (this.#session !== null) this.#attachDocument(document, this.#session);
  }

  /** Close a document, here and on the server. */
  async closeDocument(document: NeuroscopeDocument): Promise<void> {
    if (!this.#documents.delete(document.uri)) return;
    document.detach();
    if (this.#session !== null) await this.#request("document/close", { uri: document.uri }, {});
  }

  /** Give the session another model. Cancelled by `signal` while it loads; the session then keeps its model. */
  async loadModel(id: string, options: RequestOptions & { onProgress?: (progress: ProgressValue) => void } = {}): Promise<ModelInfo> {
    const token = this.#progressToken(options.onProgress ?? (() => undefined));
    try {
      const model = await this.#request("model/load", { model: id, workDoneToken: token }, {
        ...options, timeoutMs: options.timeoutMs ?? Infinity,
      }, (loaded) => {
        this.#setModel(loaded); // before the next frame is read, which may be of the new model already
        this.subscriptions.modelChanged();
      });
      await this.refreshModels();
      return model;
    } finally {
      this.#progress.delete(token);
    }
  }

  /** Update the list of models. */
  async refreshModels(options: RequestOptions = {}): Promise<readonly ModelSummary[]> {
    this.#models = (await this.#request("models/list", {}, options)).models;
    this.emit("models", this.#models);
    return this.#models;
  }

  /** The neurons that are highest at one token. */
  top(params: NeuronsTopParams, options: RequestOptions = {}): Promise<NeuronsTopResult> {
    return this.#request("neurons/top", params, options);
  }

  /** The neurons whose values changed most between the document's newest tokens and those of an earlier version. */
  changed(params: NeuronsChangedParams, options: RequestOptions = {}): Promise<NeuronsChangedResult> {
    return this.#request("neurons/changed", params, options);
  }

  /**
   * Waits for a connection if necessary; the time limit covers both. `accept` is called with the answer before any
   * later frame is read.
   */
  async #request<M extends keyof Requests>(
    method: M, params: Requests[M]["params"], options: RequestOptions, accept?: (result: Requests[M]["result"]) => void,
  ): Promise<Requests[M]["result"]> {
    if (!this.#running) throw new DisconnectedError(1000, "the client is closed");
    const { timeoutMs = this.#timeoutMs } = options;
    const begun = this.#clock.now();
    if (this.#session === null) await this.connected({ ...options, timeoutMs });
    if (this.#session === null) throw new DisconnectedError(1006, "not connected"); // lost again meanwhile
    return this.#session.rpc.request(method, params, (result) => {
      const read = decodeResult(method, result);
      accept?.(read);
      return read;
    }, { ...options, timeoutMs: timeoutMs - (this.#clock.now() - begun) });
  }

  #connectAnew(cause: Error | null): void {
    this.#retry?.cancel();
    this.#stopConnecting(new NeuroscopeError("Another attempt is made."));
    void this.#connect(cause);
  }

  #stopConnecting(reason: Error): void {
    const attempt = this.#connecting;
    this.#connecting = null;
    attempt?.abort(reason);
  }

  async #connect(cause: Error | null): Promise<void> {
    const attempt = new AbortController();
    const { signal } = attempt;
    this.#connecting = attempt;
    this.#attempt += 1;
    this.#setState({ kind: "connecting", attempt: this.#attempt, cause });
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const limit = this.#clock.after(timeoutMs, () => { attempt.abort(new TimeoutError("connecting", timeoutMs)); });
    let transport: Transport;
    try {
      const opening = this.#options.connect(signal);
      transport = await unless(signal, opening, () => {
        opening.then((late) => { late.close(1000); }, () => undefined);
      });
    } catch (error) {
      if (this.#connecting === attempt) this.#wait(NeuroscopeError.of(error));
      return;
    } finally {
      limit.cancel();
    }
    if (this.#connecting !== attempt) {
      transport.close(1000);
      return;
    }
    this.#connecting = null;
    await this.#initialize(transport);
  }

  async #initialize(transport: Transport): Promise<void> {
    const rpc = new RpcConnection(transport, {
      notification: (method, params) => { this.#notification(method, params); },
      fault: (error) => { this.emit("fault", error); },
      closed: (reason) => { this.#closed(rpc, reason); },
      waiting: () => this.documents.some(({ waiting }) => waiting),
      visible: () => this.#presence.visible,
    }, this.#clock, this.#options.liveness);
    this.#opening = rpc;
    const token = this.#progressToken((progress) => {
      if (this.#opening === rpc) this.#setState({ kind: "initializing", progress });
    });
    this.#setState({ kind: "initializing", progress: null });
    try {
      // No limit, as the model may load for long: a dead server is noticed by its silence.
      const facts = await rpc.request("initialize", this.#initializeParams(token), (result) => decodeResult("initialize", result));
      if (this.#opening !== rpc) return;
      if (facts.positionEncoding !== "utf-16") throw new NeuroscopeError("The server does not count in UTF-16 units, as this client must.");
      this.#begin({ rpc, facts });
    } catch (error) {
      if (error instanceof DisconnectedError || this.#opening !== rpc) return; // `closed` has handled it
      this.#opening = null;
      rpc.close(1000, "initialize failed");
      this.#wait(NeuroscopeError.of(error));
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

  #begin(session: Opened): void {
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
    const ask = (method: "neurons/subscribe" | "neurons/unsubscribe", neurons: NeuronRef[]): Promise<Neuron[]> =>
      rpc.request(method, { neurons }, (result) => decodeResult(method, result).neurons, { timeoutMs: this.#timeoutMs });
    this.subscriptions.attach({
      subscribe: (neurons) => {
        for (const document of this.#documents.values()) document.subscribing();
        return ask("neurons/subscribe", neurons);
      },
      unsubscribe: (neurons) => ask("neurons/unsubscribe", neurons),
    }, facts.subscriptions);
    this.#setState({ kind: "ready" });
    // A new session starts with the server's default model: load the one that was chosen here.
    if (chosen !== null && chosen.id !== facts.model?.id && this.#models.some(({ id }) => id === chosen.id)) {
      this.loadModel(chosen.id).catch((error: unknown) => {
        if (!(error instanceof DisconnectedError)) this.emit("fault", error as Error);
      });
    }
  }

  #attachDocument(document: NeuroscopeDocument, { rpc }: Opened): void {
    document.attach({
      open: (params) => {
        const error = this.#tooLong(params.text) ?? this.#tooLarge(params);
        return error === null ? rpc.request("document/open", params, () => undefined, { timeoutMs: this.#timeoutMs }) : Promise.reject(error);
      },
      change: (params) => {
        const error = this.#tooLong(document.text) ?? this.#tooLarge(params);
        if (error !== null) throw error;
        rpc.notify("document/change", params);
      },
    });
  }

  /** Whether the text exceeds the server's limit, in code points. */
  #tooLong(text: string): TooLargeError | null {
    const maximum = this.#limits?.documentCharacters;
    if (maximum === undefined || text.length <= maximum) return null;
    const pairs = text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
    const length = text.length - pairs;
    return length <= maximum ? null : new TooLargeError(length, maximum, "characters");
  }

  /** Whether these params exceed the frame limit, which would end the connection (close code 1009). */
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
    // Another connection resumed the session. Resuming it here would take it away from there, and so on: start a new one.
    if (reason.code === RESUMED_ELSEWHERE) this.#resume = null;
    this.subscriptions.detach();
    for (const document of this.#documents.values()) document.detach();
    if (this.#running) this.#wait(new DisconnectedError(reason.code, reason.reason));
  }

  #wait(cause: Error): void {
    const retryMs = this.#backoff.next();
    this.#connecting = null;
    this.#retry = this.#clock.after(retryMs, () => { void this.#connect(cause); });
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

  /** The document that a message is about; none if it names another model than the session's. */
  #addressee({ uri, model }: { readonly uri: string; readonly model?: string }): NeuroscopeDocument | undefined {
    return model === undefined || model === this.#model?.id ? this.#documents.get(uri) : undefined;
  }

  #notification(method: string, params: unknown): void {
    switch (method) {
      case "document/tokens": {
        const message = decodeParams(method, params);
        this.#addressee(message)?.receiveTokens(message);
        return;
      }
      case "activations/update": {
        const message = decodeParams(method, params);
        this.#addressee(message)?.receiveValues(message);
        return;
      }
      case "activations/done": {
        const message = decodeParams(method, params);
        this.#addressee(message)?.receiveDone(message);
        return;
      }
      case "document/resync": {
        const message = decodeParams(method, params);
        this.emit("fault", new NeuroscopeError(`The whole text is sent again: ${message.reason}`));
        this.#documents.get(message.uri)?.resync();
        return;
      }
      case "$/progress": {
        const message = decodeParams(method, params);
        this.#progress.get(message.token)?.(message.value);
        return;
      }
      case "$/error": {
        const message = decodeParams(method, params);
        const error = new RequestError(message.method, message.code, message.message, message.data);
        const { uri, version } = message.data ?? {};
        if (typeof uri === "string" && typeof version === "number") this.#documents.get(uri)?.receiveError(version, error);
        this.emit("fault", error);
        return;
      }
      default: // a newer server may send what this client does not know
    }
  }
}
