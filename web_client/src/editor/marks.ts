/**
 * How tokens look in the text: one mark a token, made for the visible part only.
 *
 * Marks of a bucket are one object made in advance, so a repaint compares pointers and touches only the tokens whose
 * bucket changed. Borders are shadows and special tokens stand in the margin: nothing moves the text.
 */
import type { Range } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate, WidgetType } from "@codemirror/view";
import { buckets as allBuckets, classOf } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import { pictureField } from "./picture";
import type { TokenInfo } from "../client/tokens";
import type { TokenPicture } from "./source";

const marks = new Map([NO_VALUE, ...allBuckets].map((bucket) => [bucket, {
  plain: Decoration.mark({ class: `neuro-token ${classOf(bucket)}` }),
  faded: Decoration.mark({ class: `neuro-token neuro-faded ${classOf(bucket)}` }),
}]));
const markedToken = Decoration.mark({ class: "neuro-marked" });
const contextStart = Decoration.line({ class: "neuro-context" });

/** A special token or a line break: something that has a value but no character of its own to colour. */
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

export const tokenMarks = ViewPlugin.fromClass(class {
  decorations: DecorationSet;

  constructor(view: EditorView) {
    this.decorations = decorate(view);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.viewportChanged || update.startState.field(pictureField) !== update.state.field(pictureField)) {
      this.decorations = decorate(update.view);
    }
  }
}, { decorations: (plugin) => plugin.decorations });

function decorate(view: EditorView): DecorationSet {
  const picture = view.state.field(pictureField);
  const ranges: Range<Decoration>[] = [];
  for (const { from, to } of view.visibleRanges) addTokens(view, picture, from, to, ranges);
  return Decoration.set(ranges, true);
}

/** What gets one mark: a token, or several that share their characters. */
interface Cell {
  readonly from: number;
  readonly to: number;
  readonly token: number;
  readonly faded: boolean;
  bucket: number;
}

function addTokens(view: EditorView, picture: TokenPicture, start: number, stop: number, ranges: Range<Decoration>[]): void {
  const { tokens, buckets, faded, marked } = picture;
  let cell: Cell | null = null;
  for (let i = tokens.firstEndingAt(start); i < tokens.length; i++) {
    const from = Math.max(tokens.from[i] as number, start);
    const to = Math.min(tokens.to[i] as number, stop);
    if ((tokens.from[i] as number) > stop) break;
    const bucket = buckets[i] ?? NO_VALUE;
    const { special, segment } = tokens.infos[i] as TokenInfo;
    if (special || segment) addSign(view, picture, i, ranges);
    if (to <= from) continue;
    if (marked === i) ranges.push(markedToken.range(from, to));
    // Tokens that share a character (byte-level BPE) share its mark, which wears the strongest of their colours.
    const begin: number = Math.max(from, cell?.to ?? start);
    if (begin < to) {
      if (cell !== null) addCell(view, picture, cell, ranges);
      cell = { from: begin, to, token: i, bucket, faded: faded?.[i] === 1 };
    } else if (cell !== null && bucket !== NO_VALUE && Math.abs(bucket) > Math.abs(cell.bucket)) {
      cell.bucket = bucket;
    }
  }
  if (cell !== null) addCell(view, picture, cell, ranges);
}

/** The mark of a cell. A line break in it gets a sign in place of colour, for it has no width to colour. */
function addCell({ state: { doc } }: EditorView, { tokens }: TokenPicture, cell: Cell, ranges: Range<Decoration>[]): void {
  const { from, to, bucket, token } = cell;
  const both = marks.get(bucket);
  if (both === undefined) return;
  const mark = cell.faded ? both.faded : both.plain;
  if (tokens.infos[token]?.text.includes("\n") !== true) {
    ranges.push(mark.range(from, to));
    return;
  }
  for (let line = doc.lineAt(from); ; line = doc.line(line.number + 1)) {
    const begin = Math.max(from, line.from);
    const end = Math.min(to, line.to);
    if (begin < end) ranges.push(mark.range(begin, end));
    if (to <= line.to) return;
    ranges.push(Decoration.widget({ widget: new SignWidget("↵", "neuro-break", token, bucket), side: 1 }).range(line.to));
  }
}

/** The sign of a special token, and of the start of a context in a document longer than the model's. */
function addSign(view: EditorView, { tokens, buckets }: TokenPicture, index: number, ranges: Range<Decoration>[]): void {
  const { special, segment } = tokens.at(index);
  const at = Math.min(tokens.from[index] as number, view.state.doc.length);
  const line = view.state.doc.lineAt(at);
  const inMargin = line.from === at;
  if (segment && inMargin) ranges.push(contextStart.range(at));
  const kind = `${special ? "neuro-special" : "neuro-segment"} ${inMargin ? "neuro-margin" : ""}`;
  ranges.push(Decoration.widget({
    widget: new SignWidget(special ? "BOS" : "⋯", kind, index, special ? buckets[index] ?? NO_VALUE : 0), side: -1,
  }).range(at));
}
