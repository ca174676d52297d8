/**
 * One text of the page: its document, its pointer and caret, and its coloured tokens as an editor shows them.
 *
 * Rows and scales belong to the page and are the same for all texts. No DOM here.
 */
import { bucketOf, bucketsOf, NO_VALUE, type Scale } from "../colour/scale";
import { type Done, Freshness, type NeuroscopeClient, type NeuroscopeDocument } from "../client";
import { Emitter } from "../client/emitter";
import { type Compared, MOST_STRIPES, type Stripe, type TokenPicture, type TokenRange, type TokenSource, type TokenValue } from "../editor/source";
import { type Latency, latencyOf } from "./latency";
import type { Rows } from "./rows";

export interface PassageEvents {
  /** An edit is shown with all its values. Not a `change`: nothing else has changed. */
  latency: undefined;
  change: undefined;
  picture: undefined;
  /** Values, or whether they are current, may have changed. */
  restate: undefined;
  /** Pointer or caret moved to another token. */
  cursor: "pointer" | "caret";
  /** Replace the whole text, as an edit that can be undone. */
  replace: string;
  /** Bring this offset of the text into view. */
  reveal: number;
  /** This token was brought into view. */
  revealed: number;
  /** Open the editor's search. */
  find: undefined;
}

/** How the page shows its texts. */
export interface PassageLook {
  /** The scale of a neuron's colours. */
  scale(key: string): Scale;
  /** Whether neurons beside the one in focus are drawn as stripes. */
  stripes(): boolean;
}

/** What a passage shows because of the other text. */
export interface Lens {
  /** What is shown instead of a neuron's values, [tokens]; null for the values. */
  values(key: string): Float32Array | null;
  /** Whether it belongs to an older state of the other text. */
  late(): boolean;
  /** `Kin` of each token. */
  kin(): Uint8Array;
  compared(key: string, token: number): Compared | null;
  note(token: number): string | null;
}

/** After this long without an answer, values of an older text are drawn faded. Earlier, each key would flicker. */
const FADE_MS = 400;

/**
 * How long the text keeps its colours while the values of a newly focused neuron are pending. They take a few
 * milliseconds, and painting the text without colours in between would take longer.
 */
const HOLD_MS = 60;

export class Passage extends Emitter<PassageEvents> implements TokenSource {
  #hovered: number | null = null;
  #caret: number | null = null;
  #selection: TokenRange | null = null;
  #late = false;
  #lateTimer: ReturnType<typeof setTimeout> | null = null;
  #lastDone: Done | null = null;
  /** The answer whose values are about to be painted, and when it came. */
  #unpainted: { readonly done: Done; readonly at: number } | null = null;
  #latency: Latency | null = null;
  #picture: TokenPicture | null = null;
  #drawn: TokenPicture | null = null;
  #holding: { readonly key: string; over: boolean } | null = null;
  #lens: Lens | null = null;

  constructor(
    readonly document: NeuroscopeDocument, private readonly client: NeuroscopeClient, private readonly rows: Rows,
    private readonly page: PassageLook,
  ) {
    super();
    const changed = (): void => { this.#watch(); this.redraw(); };
    rows.on("change", changed);
    client.on("state", changed);
    for (const event of ["change", "tokens", "values", "done", "problem"] as const) {
      document.on(event, () => { this.emit("restate", undefined); });
      document.on(event, changed);
    }
    for (const event of ["values", "done"] as const) document.on(event, () => { this.#answered(); });
    document.on("done", (done) => {
      this.#unpainted = { done, at: performance.now() };
      if (done.roundTripMs !== null) this.#lastDone = done;
    });
  }

  /** Set or remove the lens. */
  look(lens: Lens | null): void {
    this.#lens = lens;
    this.restate();
  }

  /** Value of a neuron at a token; NaN if there is none. */
  value(key: string, token: number): number {
    return this.document.activations.values(key)[token] ?? NaN;
  }

  /** Values that a neuron's colours show, [tokens]; NaN if there is none. A view: copy it to keep it. */
  values(key: string): Float32Array {
    return this.#lens?.values(key) ?? this.document.activations.values(key);
  }

  /** 1 at tokens whose value is drawn as outdated; null if there are none. */
  fading(key: string | null): Uint8Array | null {
    const { activations, tokens, editedFrom } = this.document;
    if (this.#lens?.late() === true) return new Uint8Array(tokens.length).fill(1);
    if (!this.#late) return null;
    const freshness = key === null ? null : activations.freshness(key);
    return Uint8Array.from({ length: tokens.length }, (_, i) => (i >= editedFrom || freshness?.[i] === Freshness.stale ? 1 : 0));
  }

  // ------------------------------------------------------------------ the editor's view (TokenSource)

  get picture(): TokenPicture {
    this.#picture ??= this.#held() ?? this.#draw();
    this.#drawn = this.#picture;
    return this.#picture;
  }

  valuesAt(token: number): readonly TokenValue[] {
    return this.rows.list.map(({ key, hue }) => {
      const value = this.value(key, token);
      const bucket = bucketOf(value, this.page.scale(key));
      const compared = this.#lens === null ? {} : { compared: this.#lens.compared(key, token) };
      return { key, hue, value, bucket, focused: key === this.rows.focus, ...compared };
    });
  }

  note(token: number): string | null {
    return this.#lens?.note(token) ?? null;
  }

  onPicture(listener: () => void): () => void {
    return this.on("picture", listener);
  }

  painted(picture: TokenPicture): void {
    if (this.#unpainted === null || picture !== this.#picture) return;
    const { done, at } = this.#unpainted;
    this.#unpainted = null;
    const latency = latencyOf(done, performance.now() - at);
    if (latency === null) return;
    this.#latency = latency;
    this.emit("latency", undefined);
  }

  hover(token: number | null): void {
    if (token === this.#hovered) return;
    this.#hovered = token;
    this.redraw();
    this.emit("cursor", "pointer");
  }

  caret(token: number | null, selection: TokenRange | null = null): void {
    if (token === this.#caret && selection?.from === this.#selection?.from && selection?.to === this.#selection?.to) return;
    this.#caret = token;
    this.#selection = selection;
    this.emit("change", undefined);
    this.emit("cursor", "caret");
  }

  /** The token at the caret. */
  get caretToken(): number | null {
    return this.#caret !== null && this.#caret < this.document.tokens.length ? this.#caret : null;
  }

  /** The selected tokens; null if there are none. */
  get selection(): TokenRange | null {
    return this.#selection;
  }

  /** The token whose values are shown: the one under the pointer, else the one at the caret. */
  get cursor(): number | null {
    const cursor = this.#hovered ?? this.#caret;
    return cursor !== null && cursor < this.document.tokens.length ? cursor : null;
  }

  get hovered(): number | null {
    return this.#hovered;
  }

  /** Bring a token into view, and the caret to its end. */
  reveal(token: number): void {
    if (token >= this.document.tokens.length) return;
    this.emit("reveal", this.document.tokens.at(token).to);
    this.emit("revealed", token);
  }

  /** Open the search, if there is an editor. */
  find(): void {
    this.emit("find", undefined);
  }

  // ------------------------------------------------------------------ state

  /** Replace the whole text; with an editor, as an edit that can be undone. */
  replaceText(text: string): void {
    if (this.listens("replace")) this.emit("replace", text);
    else this.document.change([{ from: 0, to: this.document.text.length, insert: text }]);
  }

  /** Whether every value of the newest text has come. */
  get settled(): boolean {
    return this.client.isSettled(this.document);
  }

  /** Whether the answer is late, so that an older text's values are shown. */
  get late(): boolean {
    return this.#late;
  }

  /** The last change that was answered completely. */
  get lastDone(): Done | null {
    return this.#lastDone;
  }

  /** How long the newest completely shown text took; null while a newer one takes long. */
  get latency(): Latency | null {
    const { ready } = this.client;
    const stands = this.#latency?.version === this.document.version || (ready && !this.settled && !this.late) || this.#unpainted !== null;
    return stands ? this.#latency : null;
  }

  /** The lens has changed. */
  restate(): void {
    this.emit("restate", undefined);
    this.redraw();
  }

  /** Something that the picture depends on has changed. */
  redraw(): void {
    this.#picture = null;
    this.emit("picture", undefined);
    this.emit("change", undefined);
  }

  // ------------------------------------------------------------------ inside

  #draw(): TokenPicture {
    const { tokens } = this.document;
    const { focus, list } = this.rows;
    const row = list.find(({ key, hidden }) => key === focus && !hidden);
    const drawn = !this.page.stripes() ? [] : list.filter(({ key, hidden }) => !hidden && key !== focus).slice(0, MOST_STRIPES);
    const stripes = drawn.map(({ key, hue }): Stripe => ({ key, hue, buckets: this.#buckets(key) }));
    return {
      tokens, stripes, hue: row?.hue ?? 0, marked: this.#hovered, faded: this.fading(row?.key ?? drawn[0]?.key ?? null),
      buckets: row === undefined ? new Int8Array(tokens.length).fill(NO_VALUE) : this.#buckets(row.key),
      kin: this.#lens?.kin() ?? null,
    };
  }

  /** The previous picture, while waiting briefly for the values of a newly focused neuron; otherwise null. */
  #held(): TokenPicture | null {
    const { tokens, activations } = this.document;
    const { focus } = this.rows;
    const before = this.#drawn;
    const held = focus !== null && this.client.ready && !activations.known(focus) && before?.tokens.infos === tokens.infos ? before : null;
    if (held === null || focus === null) {
      this.#holding = null;
      return null;
    }
    if (this.#holding?.key !== focus) {
      const holding = { key: focus, over: false };
      this.#holding = holding;
      setTimeout(() => {
        holding.over = true;
        if (this.#holding === holding) this.redraw();
      }, HOLD_MS);
    }
    return this.#holding.over ? null : { ...held, tokens, marked: this.#hovered };
  }

  #buckets(key: string): Int8Array {
    return bucketsOf(this.values(key), this.page.scale(key));
  }

  /** An answer came: none is late. */
  #answered(): void {
    if (this.#lateTimer !== null) clearTimeout(this.#lateTimer);
    this.#lateTimer = null;
    this.#late = false;
    this.#watch();
  }

  /** Notice when an expected answer does not come. */
  #watch(): void {
    if (this.settled) {
      if (this.#late || this.#lateTimer !== null) this.#answered();
    } else if (!this.#late) {
      this.#lateTimer ??= setTimeout(() => {
        this.#late = true;
        this.restate();
      }, FADE_MS);
    }
  }
}
