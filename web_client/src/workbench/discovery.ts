/**
 * Which neurons are worth a look: those that are highest at the caret, and those that the last edit changed most.
 *
 * While it is watched (`watch`), requests follow the text, the caret and the options. The caret's token is the one
 * before it; in a selection, the token at which the neuron in focus is strongest. An edit is everything written without
 * a pause: a word, not a letter.
 */
import type { NeuronsChangedParams, NeuronsChangedResult, NeuronsTopParams, NeuronsTopResult } from "../wire";
import { DisconnectedError, ErrorCode, type NeuroscopeClient, type NeuroscopeDocument, RequestError } from "../client";
import { Emitter } from "../client/emitter";
import type { TokenRange } from "../editor/source";
import { Latest } from "./latest";
import type { Notices } from "./notices";
import type { Rows } from "./rows";

export type TopNeuron = NeuronsTopResult["neurons"][number];
export type ChangedNeuron = NeuronsChangedResult["neurons"][number];

export interface DiscoveryOptions {
  /** The layer to search; null for all. */
  readonly layer: number | null;
  /** Rank by value and change, or by their share of the neuron's own maximum. */
  readonly by: "activation" | "ratio";
  /** How many neurons of each kind to find. */
  readonly count: number;
}

/** The part of the workbench that discovery builds on. */
export interface DiscoveryContext {
  readonly client: NeuroscopeClient;
  readonly document: NeuroscopeDocument;
  readonly rows: Rows;
  readonly notices: Notices;
  readonly caretToken: number | null;
  readonly selection: TokenRange | null;
  on(name: "change", listener: () => void): () => void;
}

/** A request, and the version of the text that it is about. */
interface Question<Params> {
  readonly version: number;
  readonly params: Params;
}

/** The server's limit on neurons per request. */
const MOST_TOP = 1000;
/** Too short to notice, longer than the interval of a repeated key. */
const CARET_MS = 60;
/** A comparison costs a pass, so none is requested while typing. */
const EDIT_MS = 250;
/** After a pause this long, another edit begins. */
const PAUSE_MS = 1000;

export class Discovery extends Emitter<{ change: undefined }> {
  readonly #workbench: DiscoveryContext;
  readonly #top: Latest<Question<NeuronsTopParams>, NeuronsTopResult>;
  readonly #changed: Latest<Question<NeuronsChangedParams>, NeuronsChangedResult>;
  #options: DiscoveryOptions = { layer: null, by: "activation", count: 10 };
  #watchers = 0;
  #editedAt = -Infinity;
  /** The version before the last edit; null before the first. */
  #since: number | null = null;
  /** The neuron that a selection is measured by after another was added from here: the list must not change under the
   * pointer. */
  #measure: { readonly key: string; readonly focus: string | null; readonly selection: TokenRange | null } | null = null;

  constructor(workbench: DiscoveryContext) {
    super();
    this.#workbench = workbench;
    const { client, document } = workbench;
    this.#top = new Latest({
      ask: ({ params }, signal) => client.top(params, { signal }),
      name: (question) => JSON.stringify(question), delayMs: CARET_MS, patient: false,
    });
    this.#changed = new Latest({
      ask: ({ params }, signal) => client.changed(params, { signal }),
      name: (question) => JSON.stringify(question), delayMs: EDIT_MS, patient: true,
    });
    for (const latest of [this.#top, this.#changed]) latest.on("change", () => { this.emit("change", undefined); });
    document.on("change", ({ version }) => {
      const now = performance.now();
      if (now - this.#editedAt > PAUSE_MS) this.#since = version - 1;
      this.#editedAt = now;
      // The answer would be about an old text.
      this.#top.stop();
      this.#changed.stop();
    });
    client.on("model", () => {
      this.#top.reset();
      this.#changed.reset();
      this.#since = null;
      if (!this.ranksByRatio) this.#options = { ...this.#options, by: "activation" };
      if (this.#options.layer !== null && this.#options.layer >= (client.model?.layers ?? 0)) this.#options = { ...this.#options, layer: null };
    });
    workbench.on("change", () => { this.#refresh(); });
  }

  // ------------------------------------------------------------------ options

  get options(): DiscoveryOptions {
    return this.#options;
  }

  set(change: Partial<DiscoveryOptions>): void {
    this.#options = { ...this.#options, ...change };
    this.#refresh();
    this.emit("change", undefined);
  }

  /** Whether the model has statistics with its neurons' maxima. */
  get ranksByRatio(): boolean {
    return this.#workbench.client.model?.hasStatistics === true;
  }

  /** Send requests until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    this.#refresh();
    return () => {
      this.#watchers -= 1;
      if (this.#watchers > 0) return;
      this.#top.stop();
      this.#changed.stop();
    };
  }

  // ------------------------------------------------------------------ at the caret

  /** The neuron whose strongest token in the selection counts: the one in focus; null without one or without a
   * selection. */
  get measure(): string | null {
    const { rows, selection } = this.#workbench;
    if (selection === null) return null;
    const kept = this.#measure;
    const holds = kept !== null && kept.focus === rows.focus && kept.selection === selection && rows.get(kept.key) !== null;
    return holds ? kept.key : rows.focus;
  }

  /** The token whose neurons are listed; null if there is none. */
  get token(): number | null {
    const { measure } = this;
    const { caretToken, document, selection } = this.#workbench;
    if (selection === null) return caretToken;
    const values = measure === null ? null : document.activations.values(measure);
    let strongest: number | null = null;
    let highest = -Infinity;
    for (let i = selection.from; i < Math.min(selection.to, document.tokens.length); i++) {
      if (document.tokens.infos[i]?.special === true) continue;
      const value = values?.[i] ?? NaN;
      if (strongest !== null && !(value > highest)) continue;
      strongest = i;
      if (value > highest) highest = value;
    }
    return strongest;
  }

  /** The highest neurons there; null before the first answer. */
  get top(): NeuronsTopResult | null {
    return this.#top.answer;
  }

  /** Whether `top` matches the current text, token and options. */
  get topIsCurrent(): boolean {
    return this.#top.current && this.#workbench.document.done;
  }

  // ------------------------------------------------------------------ the last edit

  /** What the last edit changed; null before the first answer. */
  get changed(): NeuronsChangedResult | null {
    return this.#changed.answer;
  }

  get changedIsCurrent(): boolean {
    return this.#changed.current && this.#workbench.document.done;
  }

  /** Whether there has been an edit. */
  get edited(): boolean {
    return this.#since !== null;
  }

  /** Why there is no answer, in words; null while one may come. */
  get problem(): string | null {
    for (const { problem } of [this.#top, this.#changed]) {
      if (problem instanceof DisconnectedError || problem === null) continue;
      // The text has changed: the next request follows.
      if (problem instanceof RequestError && problem.code === ErrorCode.cancelled) continue;
      return problem.message;
    }
    return null;
  }

  // ------------------------------------------------------------------ verbs

  /** Add neurons and focus the first. A notice shows what is refused. */
  async add(keys: readonly string[]): Promise<void> {
    const { measure } = this;
    const { notices, rows, selection } = this.#workbench;
    const [first] = keys;
    const refused = rows.add(keys);
    if (first !== undefined) rows.setFocus(first);
    if (measure !== null) this.#measure = { key: measure, focus: rows.focus, selection };
    this.#refresh();
    const [refusal] = await refused;
    if (refusal !== undefined) notices.notify(refusal);
  }

  /** Add the highest neurons at the caret. Resolves to their keys; rejects when they cannot be found. */
  async addTop(count: number, { layer, by }: Partial<DiscoveryOptions> = {}): Promise<readonly string[]> {
    const { token } = this;
    if (token === null) return [];
    const { neurons } = await this.#workbench.client.top({ ...this.#ranking({ layer: layer ?? null, by: by ?? "activation", count }), token });
    const keys = neurons.map(({ key }) => key);
    await this.add(keys);
    return keys;
  }

  /** Add the highest neuron at the caret that has no row yet. Resolves to its key, or to null when all have one. */
  async addNext(): Promise<string | null> {
    const { token } = this;
    if (token === null) return null;
    const { client, rows } = this.#workbench;
    const count = Math.min(MOST_TOP, rows.keys.length + 1);
    const { neurons } = await client.top({ ...this.#ranking({ layer: null, by: "activation", count }), token });
    const key = neurons.find((neuron) => rows.get(neuron.key) === null)?.key;
    if (key === undefined) return null;
    await this.add([key]);
    return key;
  }

  // ------------------------------------------------------------------ inside

  #ranking({ layer, by, count }: DiscoveryOptions): Omit<NeuronsTopParams, "token"> {
    return { uri: this.#workbench.document.uri, k: count, by, ...(layer === null ? {} : { layers: [layer] }) };
  }

  /** Send the current requests, but none while the text is ahead of its values: token indices are about to change. */
  #refresh(): void {
    const { client, document } = this.#workbench;
    if (this.#watchers === 0 || !client.ready || !document.done) return;
    const { token } = this;
    const { version } = document;
    const ranking = this.#ranking(this.#options);
    if (token !== null) this.#top.want({ version, params: { ...ranking, token } });
    if (this.#since !== null) this.#changed.want({ version, params: { ...ranking, since: this.#since } });
  }
}
