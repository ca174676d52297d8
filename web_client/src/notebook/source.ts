/** The tokens and colours of a widget, for one editor on it. */
import { type ChangeSet, TokenList } from "../client";
import { Emitter } from "../client/emitter";
import { HUES } from "../colour/palette";
import { automatic, bucketOf, bucketsOf, type Scale, scaleOf } from "../colour/scale";
import { MOST_STRIPES, type Stripe, type TokenPicture, type TokenSource, type TokenValue } from "../editor";
import { currentOf, tokensOf, valuesOf, type WidgetModel } from "./model";

/** After this long without an answer, values of an older text are drawn faded. Sooner, it would flicker at each key. */
const FADE_MS = 400;

export interface SourceEvents {
  picture: undefined;
  /** What is shown beside the text has changed. */
  change: undefined;
}

/** The shared state of a widget's editors: each neuron's hue and its largest value seen. */
export class Looks {
  readonly #hues = new Map<string, number>();
  readonly #widest = new Map<string, number>();

  /** A neuron keeps its hue while it is listed; a new one gets the least used hue. */
  hue(key: string, keys: readonly string[]): number {
    for (const gone of [...this.#hues.keys()].filter((old) => !keys.includes(old))) this.#hues.delete(gone);
    for (const each of keys) {
      if (this.#hues.has(each)) continue;
      const uses = new Array<number>(HUES).fill(0);
      for (const hue of this.#hues.values()) uses[hue] = (uses[hue] ?? 0) + 1;
      this.#hues.set(each, uses.indexOf(Math.min(...uses)));
    }
    return this.#hues.get(key) ?? 0;
  }

  widest(key: string, values: Float32Array): number {
    let widest = this.#widest.get(key) ?? 0;
    for (const value of values) if (Math.abs(value) > widest) widest = Math.abs(value);
    this.#widest.set(key, widest);
    return widest;
  }
}

/** The text of an editor, beside the widget's. */
export interface EditorText {
  /** The revision of the widget's text that the editor has. */
  readonly revision: number;
  /** What was typed on top of it, as one change; null when nothing was. */
  readonly unconfirmed: ChangeSet | null;
}

export class WidgetSource extends Emitter<SourceEvents> implements TokenSource {
  /** Spans in the editor's text. */
  #tokens = TokenList.empty;
  /** The widget's state belongs to a text that the editor does not have yet. */
  #ahead = false;
  #values: ReadonlyMap<string, Float32Array> = new Map();
  #scales: ReadonlyMap<string, Scale> = new Map();
  #current: Uint8Array = new Uint8Array(0);
  #hovered: number | null = null;
  #caret: number | null = null;
  #late = false;
  #lateTimer: ReturnType<typeof setTimeout> | null = null;
  readonly #read = (): void => {
    const { model, looks } = this;
    const { revision, unconfirmed } = this.editor();
    this.#ahead = revision !== model.get("_revision");
    if (this.#ahead) return;
    this.#tokens = tokensOf(model).map(unconfirmed ?? []);
    this.#values = valuesOf(model);
    this.#current = currentOf(model);
    this.#scales = new Map(model.get("_rows").map(({ key, statistics }) => {
      const widest = looks.widest(key, this.values(key));
      return [key, scaleOf({ known: statistics, widest, text: widest }, automatic)];
    }));
    this.redraw();
  };

  constructor(readonly model: WidgetModel, readonly looks: Looks, private readonly editor: () => EditorText) {
    super();
    model.on("change", this.#read);
  }

  /** The editor starts again from the widget's text. */
  begin(): void {
    this.#read();
  }

  /** The editor's text was changed, or the widget confirmed more of it. */
  edited(changes: ChangeSet): void {
    this.#tokens = this.#tokens.map(changes);
    if (this.#ahead) this.#read();
    else this.redraw();
  }

  destroy(): void {
    this.model.off("change", this.#read);
    if (this.#lateTimer !== null) clearTimeout(this.#lateTimer);
  }

  /** Keys, in row order; some may not have values yet. */
  get keys(): readonly string[] {
    return this.model.get("neurons");
  }

  get focus(): string | null {
    return this.model.get("focus");
  }

  hue(key: string): number {
    return this.looks.hue(key, this.keys);
  }

  /** Values of a neuron, [tokens]. */
  values(key: string): Float32Array {
    return this.#values.get(key) ?? new Float32Array(this.#tokens.length).fill(NaN);
  }

  /** The token to give values for: the one under the pointer, else the one at the caret. */
  get cursor(): number | null {
    const cursor = this.#hovered ?? this.#caret;
    return cursor !== null && cursor < this.#tokens.length ? cursor : null;
  }

  /** No answer has come for a while. */
  get late(): boolean {
    return this.#late;
  }

  get picture(): TokenPicture {
    const { keys, focus } = this;
    const tokens = this.#tokens;
    const drawn = keys.filter((key) => key !== focus).slice(0, MOST_STRIPES);
    return {
      tokens, marked: this.#hovered,
      hue: focus === null ? 0 : this.hue(focus),
      buckets: this.#buckets(focus ?? ""),
      stripes: drawn.map((key): Stripe => ({ key, hue: this.hue(key), buckets: this.#buckets(key) })),
      faded: this.#late ? this.#older() : null,
    };
  }

  valuesAt(token: number): readonly TokenValue[] {
    return this.keys.map((key) => {
      const value = this.values(key)[token] ?? NaN;
      return { key, hue: this.hue(key), value, bucket: bucketOf(value, this.#scale(key)), focused: key === this.focus };
    });
  }

  onPicture(listener: () => void): () => void {
    return this.on("picture", listener);
  }

  hover(token: number | null): void {
    if (token === this.#hovered) return;
    this.#hovered = token;
    this.redraw();
  }

  caret(token: number | null): void {
    if (token === this.#caret) return;
    this.#caret = token;
    this.emit("change", undefined);
  }

  private redraw(): void {
    this.#watch();
    this.emit("picture", undefined);
    this.emit("change", undefined);
  }

  #scale(key: string): Scale {
    return this.#scales.get(key) ?? { min: -1, max: 1 };
  }

  #buckets(key: string): Int8Array {
    return bucketsOf(this.values(key), this.#scale(key));
  }

  /** 1 at tokens whose values belong to an older text. */
  #older(): Uint8Array {
    const edited = this.editor().unconfirmed?.[0]?.from ?? Infinity;
    const { length, to } = this.#tokens;
    return Uint8Array.from({ length }, (_, i) => (this.#current[i] !== 1 || (to[i] as number) > edited ? 1 : 0));
  }

  /** Notice when an answer is late. */
  #watch(): void {
    const settled = this.model.get("status") === "ready" && this.editor().unconfirmed === null;
    if (settled) {
      if (this.#lateTimer !== null) clearTimeout(this.#lateTimer);
      this.#lateTimer = null;
      this.#late = false;
    } else if (!this.#late) {
      this.#lateTimer ??= setTimeout(() => {
        this.#late = true;
        this.redraw();
      }, FADE_MS);
    }
  }
}
