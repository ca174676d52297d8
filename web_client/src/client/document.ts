/**
 * One document of a session: its text and versions here, its tokens and activations as the server sent them.
 *
 * The text here is authoritative. Every change gets a version and is kept in a log until the server has answered it, so
 * that an answer for an older version is mapped through what was typed since. No network here: a `DocumentLink` carries
 * the messages, and the client attaches a new one after each (re)connection.
 */
import type {
  ActivationsDone, ActivationsUpdate, DocumentChangeParams, DocumentOpenParams, DocumentTokens, Token,
} from "../wire";
import { ActivationTable } from "./activations";
import { applyChanges, type ChangeSet, normalize } from "./changes";
import { decodeValues } from "./encoding";
import { Emitter } from "./emitter";
import { DisconnectedError, NeuroscopeError, type RequestError, TimeoutError } from "./errors";
import type { Clock, Timer } from "./clock";
import { TokenList } from "./tokens";

/** What a document needs from a connection. */
export interface DocumentLink {
  open(params: DocumentOpenParams): Promise<unknown>;
  /** Throws TooLargeError for a message that the server would not accept. */
  change(params: DocumentChangeParams): void;
}

/** The server has answered a version completely. */
export interface Done extends ActivationsDone {
  /** From sending the change to its `activations/done`, in ms; null where this version was not a change made here. */
  readonly roundTripMs: number | null;
}

export interface DocumentEvents {
  /** The text changed here. */
  change: { readonly version: number; readonly changes: ChangeSet };
  /** The token list has changed. */
  tokens: { readonly version: number };
  /** New values of these rows, in these columns. */
  values: { readonly keys: readonly string[]; readonly start: number; readonly count: number };
  done: Done;
  /** The server cannot evaluate the newest version: no more of its values come. See `failure`. */
  failed: RequestError;
  /** The server cannot take this text (it is too large, for instance), or can again (null). */
  problem: Error | null;
}

interface LogEntry {
  readonly version: number;
  readonly changes: ChangeSet;
}

/** Time between attempts to open a text that was refused, and between resynchronisations. */
const RETRY_MS = 500;

export class NeuroscopeDocument extends Emitter<DocumentEvents> {
  readonly activations = new ActivationTable();
  #text: string;
  #version = 0;
  #link: DocumentLink | null = null;
  #opened = false; // an open is sent and not refused: changes go to the server
  #firstVersion = Infinity; // of the newest open: messages of older versions are about a token list that is gone
  #fullListExpected = true;
  /** The parts of an incomplete splice. */
  #part: DocumentTokens | null = null;
  #log: LogEntry[] = [];
  #sentAt = new Map<number, number>();
  #base = TokenList.empty; // spans in the text of #tokensVersion
  #tokens = TokenList.empty; // spans in the current text
  #tokensVersion = -1;
  #doneVersion = -1;
  #editedFrom = Infinity; // first token that a change in the log touches
  #problem: Error | null = null;
  #failure: RequestError | null = null;
  #retry: Timer | null = null;
  #lastOpen = -Infinity;

  constructor(readonly uri: string, text: string, private readonly clock: Clock) {
    super();
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  /** Version of the text here; increases with every change. */
  get version(): number {
    return this.#version;
  }

  /** The tokens with their spans in the current text, including unanswered changes. */
  get tokens(): TokenList {
    return this.#tokens;
  }

  /** Index of the first token that newer changes touch: values from there on belong to an older text. */
  get editedFrom(): number {
    return Math.min(this.#editedFrom, this.#tokens.length);
  }

  /** Whether the server has answered the newest text. */
  get done(): boolean {
    return this.#doneVersion === this.#version;
  }

  /** Whether an answer is still to come from the server. */
  get waiting(): boolean {
    return this.#opened && !this.done && this.#failure === null;
  }

  /** Why the server cannot take this text; null while it can. */
  get problem(): Error | null {
    return this.#problem;
  }

  /** Why the server could not evaluate the newest version; null if it could, and after the next edit or subscription.
   * */
  get failure(): Error | null {
    return this.#failure;
  }

  /**
   * Change the text. Offsets refer to the text before all of `changes`; they must not overlap (RangeError).
   * Returns the new version.
   */
  change(changes: ChangeSet): number {
    const normal = normalize(changes, this.#text.length);
    this.#text = applyChanges(this.#text, normal);
    this.#version += 1;
    this.#failure = null;
    this.#log.push({ version: this.#version, changes: normal });
    this.#tokens = this.#touch(this.#tokens, normal);
    if (this.#link !== null) {
      if (this.#opened) this.#send(this.#link, { uri: this.uri, version: this.#version, changes: [...normal] });
      else this.#openLater();
    }
    this.emit("change", { version: this.#version, changes: normal });
    return this.#version;
  }

  /** The connection is there: open the document on it. */
  attach(link: DocumentLink): void {
    this.#link = link;
    this.#open();
  }

  /** The connection is lost; the text can still be changed. */
  detach(): void {
    this.#link = null;
    this.#opened = false;
    this.#retry?.cancel();
    this.#retry = null;
    this.activations.doubt();
  }

  /** The model has changed: all values are invalid. Its tokens come as usual. */
  modelChanged(): void {
    this.#doneVersion = -1;
    this.#failure = null;
    this.#part = null;
    this.activations.reset();
    this.emit("tokens", { version: this.#tokensVersion });
  }

  /** The server lost track of this document. */
  resync(): void {
    if (this.#link === null) return;
    this.#opened = false;
    if (this.clock.now() - this.#lastOpen < RETRY_MS) this.#openLater();
    else this.#open();
  }

  /** A splice of the tokens, or a part of a long one: what is shown changes with the last part. */
  receiveTokens(params: DocumentTokens): void {
    const { version } = params;
    if (!this.#opened || version < Math.max(this.#firstVersion, this.#tokensVersion) || version > this.#version) return;
    const part = this.#part;
    this.#part = null;
    if (part !== null && (part.version !== version || part.start + part.tokens.length !== params.start || params.deleteCount !== 0)) {
      this.resync();
      return;
    }
    const whole = part === null ? params : { ...part, tokens: [...part.tokens, ...params.tokens], tokenCount: params.tokenCount };
    if (params.more === true) this.#part = whole;
    else this.#splice(whole);
  }

  #splice({ version, start, deleteCount, tokens, shift, tokenCount }: DocumentTokens): void {
    const old = this.#fullListExpected ? TokenList.empty : this.#base;
    if (start + deleteCount > old.length || old.length - deleteCount + tokens.length !== tokenCount) {
      this.resync();
      return;
    }
    if (this.#fullListExpected) {
      this.#fullListExpected = false;
      this.#replaceAll(tokens);
    } else {
      this.#base = old.splice(start, deleteCount, tokens, shift);
      this.#spliceActivations(start, deleteCount, tokens);
    }
    this.#tokensVersion = version;
    this.#log = this.#log.filter((entry) => entry.version > version);
    this.#editedFrom = Infinity;
    this.#tokens = this.#log.reduce((list, entry) => this.#touch(list, entry.changes), this.#base);
    this.emit("tokens", { version });
  }

  receiveValues(params: ActivationsUpdate): void {
    if (!this.#opened || this.#fullListExpected || params.version !== this.#tokensVersion) return;
    if (params.start + params.count > this.#base.length) {
      this.resync();
      return;
    }
    const rows = decodeValues(params);
    params.neurons.forEach((key, i) => { this.activations.write(key, params.start, rows[i] as Float32Array); });
    this.emit("values", { keys: params.neurons, start: params.start, count: params.count });
  }

  receiveDone(params: ActivationsDone): void {
    if (!this.#opened || this.#fullListExpected || params.version !== this.#tokensVersion) return;
    const sentAt = this.#sentAt.get(params.version);
    for (const version of this.#sentAt.keys()) if (version <= params.version) this.#sentAt.delete(version);
    this.#doneVersion = params.version;
    this.#failure = null;
    this.activations.settle();
    this.emit("done", { ...params, roundTripMs: sentAt === undefined ? null : this.clock.now() - sentAt });
  }

  /** The server gave up on everything up to this version. */
  receiveError(version: number, error: RequestError): void {
    if (!this.#opened || version < Math.max(this.#firstVersion, this.#version)) return;
    this.#failure = error;
    this.emit("failed", error);
  }

  /** More neurons are subscribed: the server evaluates the text again. */
  subscribing(): void {
    this.#failure = null;
  }

  /** Map tokens through a change that is not answered yet, and note which of them it touches. */
  #touch(tokens: TokenList, changes: ChangeSet): TokenList {
    const [first] = changes;
    if (first !== undefined) this.#editedFrom = Math.min(this.#editedFrom, tokens.firstEndingAt(first.from));
    return tokens.map(changes);
  }

  #send(link: DocumentLink, params: DocumentChangeParams): void {
    this.#sentAt.set(params.version, this.clock.now());
    try {
      link.change(params);
    } catch (error) {
      this.#refused(error);
    }
  }

  #open(): void {
    const link = this.#link;
    if (link === null) return;
    this.#retry?.cancel();
    this.#retry = null;
    this.#version += 1; // so that no answer to an earlier message is mistaken for one to this
    this.#failure = null;
    const version = this.#version;
    this.#firstVersion = version;
    this.#fullListExpected = true;
    this.#part = null;
    this.#log = [];
    this.#opened = true;
    this.#lastOpen = this.clock.now();
    this.#sentAt.set(version, this.#lastOpen);
    link.open({ uri: this.uri, version, text: this.#text }).then(
      () => { if (this.#firstVersion === version) this.#setProblem(null); },
      (error: unknown) => {
        // A newer open has an answer of its own, and a lost connection is not a problem of the text.
        if (this.#firstVersion !== version || error instanceof DisconnectedError) return;
        this.#refused(error);
        if (error instanceof TimeoutError && this.#link === link) this.#openLater();
      },
    );
  }

  #openLater(): void {
    this.#retry?.cancel();
    this.#retry = this.clock.after(RETRY_MS, () => { this.#open(); });
  }

  #refused(error: unknown): void {
    this.#opened = false;
    this.activations.doubt();
    this.#setProblem(NeuroscopeError.of(error));
  }

  #setProblem(problem: Error | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.emit("problem", problem);
  }

  /**
   * The whole list after an open. The common start and end keep their (stale) values, so that a reconnection does not
   * blank the page.
   */
  #replaceAll(tokens: readonly Token[]): void {
    const old = this.#base.infos;
    const same = (i: number, j: number): boolean => old[i]?.id === tokens[j]?.id && old[i]?.text === tokens[j]?.text;
    const shortest = Math.min(old.length, tokens.length);
    let head = 0;
    while (head < shortest && same(head, head)) head++;
    let tail = 0;
    while (tail < shortest - head && same(old.length - 1 - tail, tokens.length - 1 - tail)) tail++;
    this.activations.doubt();
    this.activations.splice(
      head, old.length - head - tail, tokens.slice(head, tokens.length - tail).map((token) => token.special === true), 0,
    );
    this.#base = TokenList.of(tokens);
  }

  #spliceActivations(start: number, deleteCount: number, tokens: readonly Token[]): void {
    // In a causal model a change reaches to the end of its context.
    let staleTo = start + tokens.length;
    while (staleTo < this.#base.length && this.#base.infos[staleTo]?.segment !== true) staleTo++;
    this.activations.splice(start, deleteCount, tokens.map((token) => token.special === true), staleTo);
  }
}
