/**
 * A server for tests: it tokenizes into words, computes a causal value for every token, and speaks the protocol.
 *
 * Nothing is sent until the test says so (`tokenize`, `compute`), so that a test decides what overtakes what.
 */
import { applyChanges, normalize } from "../src/client";
import type { FakePeer, Message } from "../src/client/testing";
import type {
  DocumentChangeParams,
  DocumentCloseParams,
  DocumentOpenParams,
  InitializeResult,
  ModelInfo,
  Neuron,
  NeuronsParams,
  Token,
} from "../src/wire";

export const model: ModelInfo = {
  id: "tiny",
  revision: null,
  architecture: "GPT2LMHeadModel",
  layers: 4,
  neuronsPerLayer: 64,
  contextTokens: 16,
  vocabulary: 256,
  dtype: "float32",
  device: "cpu",
  prependsBos: true,
  hooks: ["blocks.{layer}.mlp.hook_post"],
  hasStatistics: false,
};

interface ServedDocument {
  text: string;
  version: number;
  sent: Token[];
  sentVersion: number;
  /** How many leading tokens of the list as sent have values at the client, per neuron. */
  known: Map<string, number>;
}

/** Tokens of a text: BOS, then words with the space before them; a new context every `contextTokens`. */
export function tokenize(text: string, contextTokens = model.contextTokens): Token[] {
  const tokens: Token[] = [{ id: 0, text: "<bos>", from: 0, to: 0, special: true }];
  let inContext = 1;
  for (const match of text.matchAll(/ ?[\p{L}\p{N}]+|[^\p{L}\p{N}]/gu)) {
    if (inContext === contextTokens) {
      tokens.push({ id: 0, text: "<bos>", from: match.index, to: match.index, special: true, segment: true });
      inContext = 1;
    }
    tokens.push({ id: identity(match[0]), text: match[0], from: match.index, to: match.index + match[0].length });
    inContext += 1;
  }
  return tokens;
}

function identity(text: string): number {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) as number)) % 65521;
  return hash;
}

/** Value of a neuron at every token: it depends on the token and on those before it in its context. */
export function activations(key: string, tokens: readonly Token[]): number[] {
  let state = identity(key);
  return tokens.map((token) => {
    if (token.special === true) state = identity(key);
    state = (state * 33 + token.id) % 10007;
    return Math.fround(state / 5000 - 1);
  });
}

export class ScriptedServer {
  readonly documents = new Map<string, ServedDocument>();
  subscribed: string[] = [];
  encoding: "json" | "base64" = "json";
  initialize: Partial<InitializeResult> = {};
  /** Requests not to answer by itself. */
  readonly hold = new Set<string>();
  readonly held: Message[] = [];
  maximumSubscriptions = 100;
  /** Id of the model that messages name. */
  modelId = model.id;
  /** Most tokens in one message. */
  tokensPerMessage = Infinity;

  constructor(readonly peer: FakePeer) {
    peer.onMessage = (message) => {
      this.#receive(message);
    };
  }

  #receive(message: Message): void {
    if (this.hold.has(message.method ?? "")) this.held.push(message);
    else this.handle(message);
  }

  handle(message: Message): void {
    const params = message.params as unknown;
    switch (message.method) {
      case "initialize":
        this.peer.answer(message, {
          protocolVersion: 1,
          server: { name: "scripted", version: "0" },
          session: "session-1",
          resumeToken: "secret",
          resumed: false,
          positionEncoding: "utf-16",
          activationEncoding: this.encoding,
          models: [{ id: "tiny", title: "Tiny", loaded: true, default: true }],
          model,
          subscriptions: this.subscribed.map(describe),
          documents: [],
          limits: {
            sessions: 8,
            frameBytes: 150_000,
            documents: 4,
            documentCharacters: 100_000,
            documentTokens: 1000,
            subscriptions: 64,
            messagesPerSecond: 1000,
          },
          ...this.initialize,
        } satisfies InitializeResult);
        return;
      case "document/open": {
        const { uri, version, text } = params as DocumentOpenParams;
        this.documents.set(uri, { text, version, sent: [], sentVersion: -1, known: new Map() });
        this.peer.answer(message, { uri, version, tokenCount: tokenize(text).length });
        return;
      }
      case "document/close": {
        this.documents.delete((params as DocumentCloseParams).uri);
        this.peer.answer(message, {});
        return;
      }
      case "document/change": {
        const { uri, version, changes } = params as DocumentChangeParams;
        const document = this.document(uri);
        document.text = applyChanges(document.text, normalize(changes, document.text.length));
        document.version = version;
        return;
      }
      case "neurons/subscribe": {
        const keys = (params as NeuronsParams).neurons.map(String);
        const unknown = keys.find((key) => !/^L[0-3]N([0-9]|[1-5][0-9]|6[0-3])$/.test(key));
        const wanted = [...new Set([...this.subscribed, ...keys])];
        if (unknown !== undefined) {
          this.peer.refuse(message, -32602, `There is no neuron ${unknown}.`);
        } else if (wanted.length > this.maximumSubscriptions) {
          this.peer.refuse(message, -32013, "Too many.", {
            limit: "subscriptions",
            maximum: this.maximumSubscriptions,
          });
        } else {
          this.subscribed = wanted;
          this.peer.answer(message, { neurons: wanted.map(describe) });
        }
        return;
      }
      case "neurons/unsubscribe": {
        const gone = (params as NeuronsParams).neurons.map(String);
        this.subscribed = this.subscribed.filter((key) => !gone.includes(key));
        for (const document of this.documents.values()) for (const key of gone) document.known.delete(key);
        this.peer.answer(message, { neurons: this.subscribed.map(describe) });
        return;
      }
      default:
        if (message.id !== undefined) this.peer.refuse(message, -32601, "unknown method");
    }
  }

  document(uri: string): ServedDocument {
    const document = this.documents.get(uri);
    if (document === undefined) throw new Error(`${uri} is not open`);
    return document;
  }

  /** Send the tokens of the newest text. */
  tokenize(uri: string): void {
    const document = this.document(uri);
    const old = document.sent;
    const tokens = tokenize(document.text);
    const same = (a: Token | undefined, b: Token | undefined): boolean =>
      a?.id === b?.id && a?.text === b?.text && a?.segment === b?.segment;
    const shortest = Math.min(old.length, tokens.length);
    let start = 0;
    while (start < shortest && same(old[start], tokens[start]) && old[start]?.from === tokens[start]?.from) start++;
    let tail = 0;
    while (tail < shortest - start && same(old[old.length - 1 - tail], tokens[tokens.length - 1 - tail])) tail++;
    const shift =
      tail === 0 ? 0 : (tokens[tokens.length - tail] as Token).from - (old[old.length - tail] as Token).from;
    document.sent = tokens;
    document.sentVersion = document.version;
    for (const [key, known] of document.known) document.known.set(key, Math.min(known, start));
    const fresh = tokens.slice(start, tokens.length - tail);
    const deleteCount = old.length - start - tail;
    let sent = 0;
    do {
      const part = fresh.slice(sent, sent + this.tokensPerMessage);
      const last = sent + part.length === fresh.length;
      this.peer.notify("document/tokens", {
        uri,
        version: document.version,
        model: this.modelId,
        start: start + sent,
        deleteCount: sent === 0 ? deleteCount : 0,
        tokens: part,
        shift: sent === 0 ? shift : 0,
        tokenCount: old.length - deleteCount + sent + part.length,
        ...(last ? {} : { more: true }),
      });
      sent += part.length;
    } while (sent < fresh.length);
  }

  /** Send the values that the client lacks, at most `count` tokens of them, and `done` when that was all. */
  compute(uri: string, count = Infinity): void {
    const document = this.document(uri);
    if (document.sentVersion < 0) return;
    let complete = true;
    for (const key of this.subscribed) {
      const start = document.known.get(key) ?? 0;
      const stop = Math.min(document.sent.length, start + count);
      complete &&= stop === document.sent.length;
      if (stop <= start) continue;
      const values = activations(key, document.sent).slice(start, stop);
      document.known.set(key, stop);
      this.peer.notify("activations/update", {
        uri,
        version: document.sentVersion,
        model: this.modelId,
        start,
        count: stop - start,
        neurons: [key],
        values:
          this.encoding === "json" ? [values] : { dtype: "float32", shape: [1, stop - start], data: base64(values) },
      });
    }
    if (complete && document.sentVersion === document.version) {
      this.peer.notify("activations/done", {
        uri,
        version: document.version,
        model: this.modelId,
        computedTokens: 1,
        reusedTokens: 0,
        forwardPasses: 1,
        timing: { queueMs: 0, tokenizeMs: 0, forwardMs: 1, totalMs: 1 },
      });
    }
  }

  /** Everything there is to send. */
  answer(uri: string): void {
    this.tokenize(uri);
    this.compute(uri);
  }
}

export function describe(key: string): Neuron {
  const [, layer, neuron] = /^L(\d+)N(\d+)$/.exec(key) as RegExpExecArray;
  return { key, layer: Number(layer), neuron: Number(neuron), hook: `blocks.${layer}.mlp.hook_post`, statistics: null };
}

export function base64(values: readonly number[]): string {
  return Buffer.from(Float32Array.from(values).buffer).toString("base64");
}

/** Let every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
