/**
 * What the page knows: a client, one document, which neuron is in focus, typed ranges, where pointer and caret are.
 *
 * Panels read it and call its verbs; the editor sees it as its `TokenSource`. `change` tells that something is different;
 * `picture` that the coloured tokens are. No DOM here.
 */
import { automatic, bucketOf, bucketsOf, type Scale, scaleOf, type TypedRange } from "../colour/scale";
import {
  DisconnectedError, type Done, Freshness, neuronKey, neuronName, type NeuroscopeClient, type NeuroscopeDocument,
  type ProgressValue, RequestError,
} from "../client";
import { Emitter } from "../client/emitter";
import type { TokenPicture, TokenSource, TokenValue } from "../editor/source";

export interface Notice {
  readonly id: number;
  /** What it is about, where the text alone does not say. */
  readonly title?: string;
  readonly text: string;
}

export interface WorkbenchEvents {
  change: undefined;
  picture: undefined;
  /** Bring this offset of the text into view. */
  reveal: number;
}

/** After this long without an answer, values of an older text are drawn faded. Sooner, it would flicker at each key. */
const FADE_MS = 400;
const NOTICE_MS = 8000;
const MOST_NOTICES = 3;

export class Workbench extends Emitter<WorkbenchEvents> implements TokenSource {
  #focus: string | null = null;
  /** The neuron that a person focused; another one stands in while the model lacks it. */
  #chosen: string | null = null;
  /** Being added: whoever asked for them is told of a refusal. */
  readonly #adding = new Set<string>();
  readonly #ranges = new Map<string, TypedRange>();
  #hovered: number | null = null;
  #caret: number | null = null;
  #late = false;
  #lateTimer: ReturnType<typeof setTimeout> | null = null;
  #lastDone: Done | null = null;
  #notices: readonly Notice[] = [];
  #nextNotice = 1;
  #absentNotice: { readonly id: number; readonly keys: string } | null = null;
  #loading: { readonly model: string; readonly progress: ProgressValue | null; readonly abort: AbortController } | null = null;
  #picture: TokenPicture | null = null;

  constructor(readonly client: NeuroscopeClient, readonly document: NeuroscopeDocument) {
    super();
    const told = (): void => { this.#changed(); };
    client.on("state", () => { this.#watch(); told(); });
    client.on("model", told);
    client.on("models", told);
    client.on("fault", (error) => {
      // What the server says is for the person; that a message was odd is for who looks into it.
      if (error instanceof RequestError) this.notify(error.message);
      else console.info(`neuroscope: ${error.message}`);
    });
    client.subscriptions.on("change", () => { this.#keepFocus(); this.#watch(); told(); });
    client.subscriptions.on("refused", ({ key, error }) => {
      if (!this.#adding.has(key)) this.notify(`${key}: ${error.message}`);
    });
    client.subscriptions.on("absent", (keys) => { this.#tellAbsent(keys); });
    for (const event of ["change", "tokens", "values", "done", "problem"] as const) {
      document.on(event, () => { this.#watch(); told(); });
    }
    for (const event of ["values", "done"] as const) document.on(event, () => { this.#answered(); });
    document.on("done", (done) => { if (done.roundTripMs !== null) this.#lastDone = done; });
    this.#keepFocus();
  }

  // ------------------------------------------------------------------ neurons

  /** Keys of the rows, in order. */
  get keys(): readonly string[] {
    return this.client.subscriptions.rows.map(({ key }) => key);
  }

  /** Keys of the neurons that are wanted and that this model lacks. */
  get absent(): readonly string[] {
    return this.client.subscriptions.absent;
  }

  /** Key of the neuron that colours the text. */
  get focus(): string | null {
    return this.#focus;
  }

  setFocus(key: string): void {
    if (!this.keys.includes(key)) return;
    this.#chosen = key;
    if (key === this.#focus) return;
    this.#focus = key;
    this.#changed();
  }

  /** Focus the row `step` rows further. */
  moveFocus(step: number): void {
    const { keys } = this;
    const next = keys[Math.max(0, Math.min(keys.length - 1, keys.indexOf(this.#focus ?? "") + step))];
    if (next !== undefined) this.setFocus(next);
  }

  /** Why the model has no such neuron, in words; null when it has, or is not known yet. */
  outside(layer: number, neuron: number): string | null {
    const { model } = this.client;
    const within = (value: number, count: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
    if (model === null || (within(layer, model.layers) && within(neuron, model.neuronsPerLayer))) return null;
    return `This model has layers 0 to ${model.layers - 1}, with neurons 0 to ${model.neuronsPerLayer - 1}.`;
  }

  /** Add neurons and focus the last. Resolves to what the server said of those it refused. */
  async add(keys: readonly string[]): Promise<string[]> {
    const { subscriptions } = this.client;
    for (const key of keys) this.#adding.add(key);
    const added = keys.map((key) => subscriptions.add([key]));
    this.setFocus(keys.at(-1) ?? "");
    const refusals: string[] = [];
    for (const [i, outcome] of (await Promise.allSettled(added)).entries()) {
      const key = keys[i] as string;
      this.#adding.delete(key);
      if (outcome.status === "rejected") refusals.push(`${key}: ${(outcome.reason as Error).message}`);
    }
    return refusals;
  }

  remove(key: string): void {
    const { keys } = this;
    const index = keys.indexOf(key);
    const next = keys[index + 1] ?? keys[index - 1] ?? null;
    if (this.#focus === key && next !== null) this.setFocus(next);
    this.client.subscriptions.remove([key]);
  }

  /** Give those up that this model lacks. */
  removeAbsent(): void {
    this.client.subscriptions.remove(this.absent);
  }

  /** Put another neuron of this model in a row. One that has a row already is just focused; one out of range is not there. */
  async replace(key: string, layer: number, neuron: number): Promise<void> {
    if (this.outside(layer, neuron) !== null) return;
    const next = neuronKey({ layer, neuron });
    if (this.keys.includes(next)) {
      this.setFocus(next);
      return;
    }
    const focused = this.#focus === key;
    const done = this.client.subscriptions.replace(key, next);
    if (focused) this.setFocus(next);
    await this.#quietly(done);
  }

  /**
   * Step a row to a neighbouring neuron, or to the same neuron of a neighbouring layer; over those that have a row of
   * their own.
   */
  step(key: string, { neurons = 0, layers = 0 }: { neurons?: number; layers?: number }): void {
    const name = neuronName(key);
    if (name === null || (neurons === 0 && layers === 0)) return;
    let { layer, neuron } = name;
    do {
      layer += layers;
      neuron += neurons;
    } while (this.keys.includes(neuronKey({ layer, neuron })));
    void this.replace(key, layer, neuron);
  }

  // ------------------------------------------------------------------ colours

  typedRange(key: string): TypedRange {
    return this.#ranges.get(key) ?? automatic;
  }

  setTypedRange(key: string, range: TypedRange): void {
    if (range.min === null && range.max === null) this.#ranges.delete(key);
    else this.#ranges.set(key, range);
    this.#changed();
  }

  scale(key: string): Scale {
    const statistics = this.client.subscriptions.neuron(key)?.statistics ?? null;
    return scaleOf(statistics, this.document.activations.widest(key), this.typedRange(key));
  }

  /** Value of a neuron at a token; NaN where there is none. */
  value(key: string, token: number): number {
    return this.document.activations.values(key)[token] ?? NaN;
  }

  // ------------------------------------------------------------------ the editor's view (TokenSource)

  get picture(): TokenPicture {
    this.#picture ??= this.#draw();
    return this.#picture;
  }

  valuesAt(token: number): readonly TokenValue[] {
    return this.keys.map((key) => {
      const value = this.value(key, token);
      return { key, value, bucket: bucketOf(value, this.scale(key)), focused: key === this.#focus };
    });
  }

  onPicture(listener: () => void): () => void {
    return this.on("picture", listener);
  }

  hover(token: number | null): void {
    if (token === this.#hovered) return;
    this.#hovered = token;
    this.#changed();
  }

  caret(token: number | null): void {
    if (token === this.#caret) return;
    this.#caret = token;
    this.emit("change", undefined);
  }

  /** The token to give values for: the one under the pointer, else the one at the caret. */
  get cursor(): number | null {
    const cursor = this.#hovered ?? this.#caret;
    return cursor !== null && cursor < this.document.tokens.length ? cursor : null;
  }

  get hovered(): number | null {
    return this.#hovered;
  }

  /** Bring a token into view, and the caret to its end. */
  reveal(token: number): void {
    if (token < this.document.tokens.length) this.emit("reveal", this.document.tokens.at(token).to);
  }

  // ------------------------------------------------------------------ state

  /** Every wanted value of the newest text is here. */
  get settled(): boolean {
    return this.client.ready && this.document.done && this.client.subscriptions.settled && this.document.activations.complete;
  }

  /** The answer is late: what is shown belongs to an older text. */
  get late(): boolean {
    return this.#late;
  }

  /** The last change that was answered completely. */
  get lastDone(): Done | null {
    return this.#lastDone;
  }

  get notices(): readonly Notice[] {
    return this.#notices;
  }

  /** Say something for a while; returns the notice's id. */
  notify(text: string, title?: string): number {
    const notice: Notice = { id: this.#nextNotice++, text, ...(title === undefined ? {} : { title }) };
    this.#notices = [...this.#notices.filter((other) => other.text !== text), notice].slice(-MOST_NOTICES);
    setTimeout(() => { this.dismiss(notice.id); }, NOTICE_MS);
    this.#changed();
    return notice.id;
  }

  dismiss(id: number): void {
    this.#notices = this.#notices.filter((notice) => notice.id !== id);
    this.#changed();
  }

  /** The model that is being loaded on request. */
  get loading(): { readonly model: string; readonly progress: ProgressValue | null } | null {
    return this.#loading;
  }

  /** Change to another model; a second call gives the first up. */
  async loadModel(id: string): Promise<void> {
    this.#loading?.abort.abort();
    const abort = new AbortController();
    const current = (): boolean => this.#loading?.abort === abort;
    this.#loading = { model: id, progress: null, abort };
    this.#notices = []; // they are of the model as it was
    this.#changed();
    try {
      await this.client.loadModel(id, {
        signal: abort.signal,
        onProgress: (progress) => {
          if (current()) this.#loading = { model: id, progress, abort };
          this.#changed();
        },
      });
    } catch (error) {
      if (!abort.signal.aborted) {
        const message = error instanceof Error ? error.message : String(error);
        console.info(`neuroscope: ${message}`);
        const title = this.client.models.find((model) => model.id === id)?.title ?? id;
        this.notify(reasonOf(message), `${title} could not be loaded`);
      }
    } finally {
      if (current()) this.#loading = null;
      this.#changed();
    }
  }

  cancelLoading(): void {
    this.#loading?.abort.abort();
  }

  /** What things look like changed elsewhere: the theme. */
  redraw(): void {
    this.#changed();
  }

  // ------------------------------------------------------------------ inside

  #changed(): void {
    this.#picture = null;
    this.emit("picture", undefined);
    this.emit("change", undefined);
  }

  #draw(): TokenPicture {
    const { activations, tokens, editedFrom } = this.document;
    const key = this.#focus;
    let faded: Uint8Array | null = null;
    if (this.#late) {
      const freshness = key === null ? null : activations.freshness(key);
      faded = Uint8Array.from({ length: tokens.length }, (_, i) => (i >= editedFrom || freshness?.[i] === Freshness.stale ? 1 : 0));
    }
    const values = key === null ? new Float32Array(tokens.length).fill(NaN) : activations.values(key);
    return { tokens, faded, marked: this.#hovered, buckets: bucketsOf(values, key === null ? { min: -1, max: 1 } : this.scale(key)) };
  }

  #keepFocus(): void {
    const { keys } = this;
    if (this.#chosen !== null && keys.includes(this.#chosen)) this.#focus = this.#chosen;
    else if (this.#focus === null || !keys.includes(this.#focus)) this.#focus = keys[0] ?? null;
  }

  /** One notice for all that the model lacks, as long as that is true. */
  #tellAbsent(absent: readonly string[]): void {
    const keys = absent.join(", ");
    if (keys === (this.#absentNotice?.keys ?? "")) return;
    if (this.#absentNotice !== null) this.dismiss(this.#absentNotice.id);
    const count = absent.length === 1 ? "1 neuron is" : `${absent.length} neurons are`;
    this.#absentNotice = keys === "" ? null : { id: this.notify(`${count} not in this model: ${keys}`), keys };
  }

  /** Answers come: none is late. */
  #answered(): void {
    if (this.#lateTimer !== null) clearTimeout(this.#lateTimer);
    this.#lateTimer = null;
    this.#late = false;
    this.#watch();
  }

  /** Notice when nothing comes though something is due. */
  #watch(): void {
    if (this.settled) {
      if (this.#late || this.#lateTimer !== null) this.#answered();
    } else if (!this.#late) {
      this.#lateTimer ??= setTimeout(() => {
        this.#late = true;
        this.#changed();
      }, FADE_MS);
    }
  }

  /** A refusal has its notice already; a lost connection brings the rows back by itself. */
  async #quietly(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      if (!(error instanceof DisconnectedError)) this.#changed();
    }
  }
}

const LONGEST_REASON = 140;

/** The first sentence of why a model could not be loaded, without saying again that it could not. */
function reasonOf(message: string): string {
  const reason = message.replace(/^.*? could not be loaded: /s, "");
  const line = reason.split("\n", 1)[0] ?? "";
  const sentence = /^.*?[.!?](?=\s|$)/.exec(line)?.[0] ?? line;
  const short = sentence.length > LONGEST_REASON ? `${sentence.slice(0, LONGEST_REASON - 1).trimEnd()}…` : sentence;
  return short.charAt(0).toUpperCase() + short.slice(1);
}
