/**
 * The look of tokens in the text: one mark per token, made for the visible part only.
 *
 * Each bucket has one prebuilt mark, so a repaint compares pointers and touches only the tokens whose bucket changed.
 * Borders are shadows and special tokens are in the margin, so nothing moves the text.
 */
import { type Range, StateEffect } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, type PluginValue, ViewPlugin, type ViewUpdate, WidgetType } from "@codemirror/view";
import { buckets as allBuckets, classOf } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import type { TokenInfo } from "../client/tokens";
import { type Cell, cellsOf, strongest } from "./cells";
import { hiddenIn, type Span } from "./characters";
import { contextOf } from "./explain";
import { pictureField } from "./picture";
import { Kin, type TokenPicture } from "./source";

/** Inclusive, so that it also wraps a sign that replaces its first or last character. */
const markOf = (name: string): Decoration => Decoration.mark({ class: name, inclusive: true });
const marks = new Map([NO_VALUE, ...allBuckets].map((bucket) => [bucket, {
  plain: markOf(`neuro-token ${classOf(bucket)}`),
  faded: markOf(`neuro-token neuro-faded ${classOf(bucket)}`),
}]));
const markedToken = markOf("neuro-marked");
/** Tokens that the other text does not have, by their `Kin`. */
const unlike = new Map<number, Decoration>([
  [Kin.replaced, markOf("neuro-replaced")], [Kin.alone, markOf("neuro-alone")],
]);
/** A character made of several tokens. */
const parted = markOf("neuro-parted");
const contextStart = (label: string): Decoration => Decoration.line({ class: "neuro-context", attributes: { "data-context": label } });

/** A special token or a line break: it has a value but no character to colour. */
class SignWidget extends WidgetType {
  constructor(readonly sign: string, readonly kind: string, readonly token: number, readonly bucket: number) {
    super();
  }

  override eq(other: SignWidget): boolean {
    return other.sign === this.sign && other.kind === this.kind && other.token === this.token && other.bucket === this.bucket;
  }

  override toDOM(): HTMLElement {
    const dom = document.createElement("span");
    dom.setAttribute("aria-hidden", "true");
    this.updateDOM(dom);
    return dom;
  }

  override updateDOM(dom: HTMLElement): boolean {
    dom.className = `neuro-sign ${this.kind} ${classOf(this.bucket)}`;
    dom.textContent = this.sign;
    dom.dataset.token = String(this.token);
    return true;
  }

  override ignoreEvent(): boolean {
    return false;
  }
}

/** A longer line is marked only in its visible part: with thousands of marks, every key would take a tenth of a second.
 * */
const LONG_LINE = 4000;
/** Margins around the visible part in which a long line is marked: the least, and that of new marks; CSS pixels. */
const NEAR = 400;
const AHEAD = 800;

const setNear = StateEffect.define<Span>();

class TokenMarks implements PluginValue {
  decorations: DecorationSet;
  /** The marked part of a long line. */
  #near: Span = { from: 0, to: LONG_LINE };
  #isLong = false;
  readonly #view: EditorView;
  readonly #look = (): void => {
    if (this.#isLong) this.#view.requestMeasure({ key: this, read: () => this.#wanted(), write: (wanted) => { this.#move(wanted); } });
  };

  constructor(view: EditorView) {
    this.#view = view;
    this.decorations = this.#decorate();
    this.#look();
    view.scrollDOM.addEventListener("scroll", this.#look, { passive: true });
    addEventListener("scroll", this.#look, { passive: true, capture: true }); // an editor may be as high as its text
  }

  update({ changes, docChanged, geometryChanged, startState, state, transactions, viewportChanged }: ViewUpdate): void {
    const near = this.#near;
    if (docChanged) {
      const moved = (at: number, side: number): number => changes.mapPos(Math.min(at, changes.length), side);
      this.#near = { from: moved(near.from, -1), to: moved(near.to, 1) };
    }
    for (const { effects } of transactions) for (const effect of effects) if (effect.is(setNear)) this.#near = effect.value;
    if (docChanged || viewportChanged || near !== this.#near || startState.field(pictureField) !== state.field(pictureField)) {
      this.decorations = this.#decorate();
    }
    if (docChanged || viewportChanged || geometryChanged) this.#look();
  }

  destroy(): void {
    this.#view.scrollDOM.removeEventListener("scroll", this.#look);
    removeEventListener("scroll", this.#look, { capture: true });
  }

  /** The text within `slack` of the visible part. */
  #around(slack: number): Span {
    const { contentDOM, scrollDOM } = this.#view;
    const { left, top, right, bottom } = scrollDOM.getBoundingClientRect();
    const at = (x: number, y: number): number => this.#view.posAtCoords({ x, y }, false);
    const { direction } = getComputedStyle(contentDOM);
    const [start, end] = direction === "rtl" ? [right + slack, left - slack] : [left - slack, right + slack];
    return { from: at(start, Math.max(0, top) - slack), to: at(end, Math.min(innerHeight, bottom) + slack) };
  }

  /** Where the marks should be; null if they are there. */
  #wanted(): Span | null {
    const near = this.#near;
    const needed = this.#around(NEAR);
    const ahead = this.#around(AHEAD);
    const fits = needed.from >= near.from && needed.to <= near.to && near.to - near.from <= 2 * (ahead.to - ahead.from);
    return fits ? null : ahead;
  }

  #move(wanted: Span | null): void {
    if (wanted === null) return;
    // In the same frame, but not in the middle of a measurement.
    queueMicrotask(() => { this.#view.dispatch({ effects: setNear.of(wanted) }); });
  }

  #decorate(): DecorationSet {
    const view = this.#view;
    const { doc } = view.state;
    const ranges: Range<Decoration>[] = [];
    const add = (from: number, to: number): void => { if (from < to || from === doc.length) addTokens(view, from, to, ranges); };
    this.#isLong = false;
    for (const { from, to } of view.visibleRanges) {
      let begin = from;
      for (let at = from; at < to;) {
        const line = doc.lineAt(at);
        const end = Math.min(line.to, to);
        if (end - at > LONG_LINE) {
          this.#isLong = true;
          add(begin, at);
          add(Math.max(at, this.#near.from), Math.min(end, this.#near.to));
          begin = end;
        }
        at = line.to + 1;
      }
      add(begin, to);
    }
    return Decoration.set(ranges, true);
  }
}

export const tokenMarks = ViewPlugin.fromClass(TokenMarks, { decorations: (plugin) => plugin.decorations });

/** The marks of the text `[start, stop)`, including those at the end of the text. */
function addTokens(view: EditorView, start: number, stop: number, ranges: Range<Decoration>[]): void {
  const picture = view.state.field(pictureField);
  const { tokens } = picture;
  for (let i = tokens.firstEndingAt(start); i < tokens.length; i++) {
    const from = tokens.from[i] as number;
    if (from >= stop && stop < view.state.doc.length) break;
    const { special, segment } = tokens.infos[i] as TokenInfo;
    if ((special || segment) && from >= start) addSign(view, picture, i, ranges);
  }
  for (const cell of cellsOf(tokens, start, view.state.sliceDoc(start, stop))) addCell(view, picture, cell, ranges);
}

/** The marks of a cell. A line break gets a sign instead of colour, as it has no width. */
function addCell({ state: { doc } }: EditorView, picture: TokenPicture, cell: Cell, ranges: Range<Decoration>[]): void {
  const { tokens, buckets, faded, marked, kin } = picture;
  const { from, to, first, last } = cell;
  const bucket = strongest(buckets, cell);
  const both = marks.get(bucket);
  if (both === undefined) return;
  const mark = faded?.[first] === 1 ? both.faded : both.plain;
  if (first < last) ranges.push(parted.range(from, to));
  if (marked !== null && marked >= first && marked <= last) ranges.push(markedToken.range(from, to));
  const unliked = unlike.get(kin?.subarray(first, last + 1).find((one) => one !== Kin.same) ?? Kin.same);
  if (unliked !== undefined) ranges.push(unliked.range(from, to));
  if (tokens.infos[first]?.text.includes("\n") !== true) {
    ranges.push(mark.range(from, to));
    return;
  }
  for (let line = doc.lineAt(from); ; line = doc.line(line.number + 1)) {
    const begin = Math.max(from, line.from);
    const end = Math.min(to, line.to);
    if (begin < end) ranges.push(mark.range(begin, end));
    if (to <= line.to) return;
    ranges.push(Decoration.widget({ widget: new SignWidget("↵", "neuro-break", first, bucket), side: 1 }).range(line.to));
  }
}

/** The sign of a special token, and of the start of a context in a document longer than the model's. */
function addSign(view: EditorView, { tokens, buckets }: TokenPicture, index: number, ranges: Range<Decoration>[]): void {
  const { special, segment } = tokens.at(index);
  const at = Math.min(tokens.from[index] as number, view.state.doc.length);
  const line = view.state.doc.lineAt(at);
  const inMargin = line.from === at;
  const context = segment ? `context ${contextOf(tokens, index)} · token ${index}` : "";
  if (segment && inMargin) ranges.push(contextStart(context).range(at));
  const kind = `${special ? "neuro-special" : "neuro-segment"} ${inMargin ? "neuro-margin" : ""}`;
  const sign = special ? "BOS" : "⋯";
  ranges.push(Decoration.widget({
    widget: new SignWidget(inMargin ? sign : `${sign} ${context}`.trimEnd(), kind, index, special ? buckets[index] ?? NO_VALUE : 0), side: -1,
  }).range(at));
}

/** Replaces a character without width, so that its token can be seen and pointed at. */
class HiddenWidget extends WidgetType {
  constructor(readonly sign: string, readonly text: string) {
    super();
  }

  override eq(other: HiddenWidget): boolean {
    return other.text === this.text;
  }

  override toDOM(): HTMLElement {
    const dom = document.createElement("span");
    dom.className = "neuro-hidden";
    dom.textContent = this.sign;
    dom.dataset.text = this.text;
    return dom;
  }

  override ignoreEvent(): boolean {
    return false;
  }
}

const tab = Decoration.mark({ class: "neuro-tab" });
/** Context in UTF-16 units that decides whether a character has a width. */
const AROUND = 16;

function addHidden({ state: { doc } }: EditorView, start: number, stop: number, ranges: Range<Decoration>[]): void {
  const begin = Math.max(0, start - AROUND);
  const text = doc.sliceString(begin, stop + AROUND);
  for (const { from, to, sign } of hiddenIn(text)) {
    if (begin + from < start || begin + to > stop) continue;
    ranges.push(Decoration.replace({ widget: new HiddenWidget(sign, text.slice(from, to)) }).range(begin + from, begin + to));
  }
  for (let at = text.indexOf("\t"); at >= 0; at = text.indexOf("\t", at + 1)) {
    if (begin + at >= start && begin + at < stop) ranges.push(tab.range(begin + at, begin + at + 1));
  }
}

/** Signs for characters without width, and for tabs. Bidirectional controls are shown and have no effect. */
class HiddenMarks implements PluginValue {
  decorations: DecorationSet;

  constructor(view: EditorView) {
    this.decorations = this.#find(view);
  }

  update({ docChanged, viewportChanged, view }: ViewUpdate): void {
    if (docChanged || viewportChanged) this.decorations = this.#find(view);
  }

  #find(view: EditorView): DecorationSet {
    const ranges: Range<Decoration>[] = [];
    for (const { from, to } of view.visibleRanges) addHidden(view, from, to, ranges);
    return Decoration.set(ranges, true);
  }
}

export const hiddenMarks = ViewPlugin.fromClass(HiddenMarks, { decorations: (plugin) => plugin.decorations });
