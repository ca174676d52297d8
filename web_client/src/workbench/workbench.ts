/**
 * What the page knows: a client, one document, the rows of its neurons, where pointer and caret are.
 *
 * Panels read it and call its verbs; the editor sees it as its `TokenSource`. `change` tells that something is different;
 * `picture` that the coloured tokens are. No DOM here.
 */
import { bucketOf, bucketsOf, NO_VALUE, type Scale, scaleOf } from "../colour/scale";
import { type Done, Freshness, type NeuroscopeClient, type NeuroscopeDocument, type ProgressValue, RequestError } from "../client";
import { Emitter } from "../client/emitter";
import { MOST_STRIPES, type Stripe, type TokenPicture, type TokenSource, type TokenValue } from "../editor/source";
import { Commands } from "./commands";
import { Notices } from "./notices";
import { Rows } from "./rows";
import { View } from "./view";

export interface WorkbenchEvents {
  change: undefined;
  picture: undefined;
  /** Put this text in the place of all there is, as an edit that can be undone. */
  replace: string;
  /** Bring this offset of the text into view. */
  reveal: number;
}

/** After this long without an answer, values of an older text are drawn faded. Sooner, it would flicker at each key. */
const FADE_MS = 400;

export class Workbench extends Emitter<WorkbenchEvents> implements TokenSource {
  readonly rows: Rows;
  readonly view = new View();
  readonly commands = new Commands();
  readonly notices = new Notices();
  #hovered: number | null = null;
  #caret: number | null = null;
  #late = false;
  #lateTimer: ReturnType<typeof setTimeout> | null = null;
  #lastDone: Done | null = null;
  #absentNotice: { readonly id: number; readonly keys: string } | null = null;
  #loading: { readonly model: string; readonly progress: ProgressValue | null; readonly abort: AbortController } | null = null;
  #picture: TokenPicture | null = null;

  constructor(readonly client: NeuroscopeClient, readonly document: NeuroscopeDocument) {
    super();
    const told = (): void => { this.#changed(); };
    const drawnElsewhere = (): void => { this.emit("change", undefined); };
    this.rows = new Rows(client);
    this.rows.on("change", () => { this.#watch(); told(); });
    this.view.on("change", drawnElsewhere);
    this.notices.on("change", drawnElsewhere);
    client.on("state", () => { this.#watch(); told(); });
    client.on("model", told);
    client.on("models", told);
    client.on("fault", (error) => {
      // What the server says is for the person; that a message was odd is for who looks into it.
      if (error instanceof RequestError) this.notices.notify(error.message);
      else console.info(`neuroscope: ${error.message}`);
    });
    client.subscriptions.on("refused", ({ key, error }) => {
      if (!this.rows.isAdding(key)) this.notices.notify(`${key}: ${error.message}`);
    });
    client.subscriptions.on("absent", (keys) => { this.#tellAbsent(keys); });
    for (const event of ["change", "tokens", "values", "done", "problem"] as const) {
      document.on(event, () => { this.#watch(); told(); });
    }
    for (const event of ["values", "done"] as const) document.on(event, () => { this.#answered(); });
    document.on("done", (done) => { if (done.roundTripMs !== null) this.#lastDone = done; });
  }

  // ------------------------------------------------------------------ colours

  scale(key: string): Scale {
    const statistics = this.client.subscriptions.neuron(key)?.statistics ?? null;
    return scaleOf(statistics, this.document.activations.widest(key), this.rows.range(key));
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
    return this.rows.list.map(({ key, hue }) => {
      const value = this.value(key, token);
      return { key, hue, value, bucket: bucketOf(value, this.scale(key)), focused: key === this.rows.focus };
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

  /** Put another text in the place of all there is; where there is an editor, as an edit that can be undone. */
  replaceText(text: string): void {
    if (this.listens("replace")) this.emit("replace", text);
    else this.document.change([{ from: 0, to: this.document.text.length, insert: text }]);
  }

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
    this.notices.clear(); // they are of the model as it was
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
        this.notices.notify(reasonOf(message), { title: `${title} could not be loaded` });
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
    const { tokens } = this.document;
    const { focus, list } = this.rows;
    const row = list.find(({ key, hidden }) => key === focus && !hidden);
    const drawn = list.filter(({ key, hidden }) => !hidden && key !== focus).slice(0, MOST_STRIPES);
    const stripes = drawn.map(({ key, hue }): Stripe => ({ key, hue, buckets: this.#buckets(key) }));
    return {
      tokens, stripes, hue: row?.hue ?? 0, marked: this.#hovered, faded: this.#fading(focus),
      buckets: row === undefined ? new Int8Array(tokens.length).fill(NO_VALUE) : this.#buckets(row.key),
    };
  }

  #buckets(key: string): Int8Array {
    return bucketsOf(this.document.activations.values(key), this.scale(key));
  }

  /** Which tokens are drawn as those of an older text. */
  #fading(key: string | null): Uint8Array | null {
    if (!this.#late) return null;
    const { activations, tokens, editedFrom } = this.document;
    const freshness = key === null ? null : activations.freshness(key);
    return Uint8Array.from({ length: tokens.length }, (_, i) => (i >= editedFrom || freshness?.[i] === Freshness.stale ? 1 : 0));
  }

  /** One notice for all that the model lacks, as long as that is true. */
  #tellAbsent(absent: readonly string[]): void {
    const keys = absent.join(", ");
    if (keys === (this.#absentNotice?.keys ?? "")) return;
    if (this.#absentNotice !== null) this.notices.dismiss(this.#absentNotice.id);
    const count = absent.length === 1 ? "1 neuron is" : `${absent.length} neurons are`;
    this.#absentNotice = keys === "" ? null : { id: this.notices.notify(`${count} not in this model: ${keys}`), keys };
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
