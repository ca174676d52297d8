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

function addTokens(view: EditorView, picture: TokenPicture, start: number, stop: number, ranges: Range<Decoration>[]): void {
  const { tokens, buckets, faded, marked } = picture;
  const { doc } = view.state;
  let painted = start; // end of what has a mark
  let last: { from: number; to: number; bucket: number; faded: boolean } | null = null;
  const put = (): void => {
    if (last === null) return;
    const mark = marks.get(last.bucket);
    if (mark !== undefined) ranges.push((last.faded ? mark.faded : mark.plain).range(last.from, last.to));
    last = null;
  };
  for (let i = tokens.firstEndingAt(start); i < tokens.length; i++) {
    const from = tokens.from[i] as number;
    const to = Math.min(tokens.to[i] as number, stop);
    if (from > stop) break;
    const info = tokens.infos[i];
    const bucket = buckets[i] ?? NO_VALUE;
    if (info === undefined) break;
    if (info.special || info.segment) {
      put();
      addSign(view, picture, i, ranges);
    }
    if (marked === i && to > from) ranges.push(markedToken.range(Math.max(from, start), to));
    // Tokens that share a character (byte-level BPE) share its mark, which wears the strongest of their colours.
    const begin = Math.max(from, painted);
    if (begin >= to) {
      if (last !== null && to > from && Math.abs(bucket) > Math.abs(last.bucket) && bucket !== NO_VALUE) last.bucket = bucket;
      continue;
    }
    put();
    last = { from: begin, to, bucket, faded: faded?.[i] === 1 };
    painted = to;
    if (info.text.includes("\n")) {
      for (let line = doc.lineAt(begin); line.to < to; line = doc.line(line.number + 1)) {
        ranges.push(Decoration.widget({ widget: new SignWidget("↵", "neuro-break", i, bucket), side: 1 }).range(line.to));
      }
    }
  }
  put();
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
