/**
 * Stripes: up to eight more neurons under each token, on one canvas under the text.
 *
 * The canvas lies in the scrolled area, so that it scrolls with the text by itself, and is drawn in the task that changed
 * the text: no frame shows the one without the other. CodeMirror's own layers are drawn a frame later when the change
 * came in a frame's callback, and its own notice of another width comes later still; hence the microtask and the observer.
 *
 * Where the pieces of the text are is measured only when the text or its layout changed; other values are drawn from what
 * was measured. Nothing is measured or drawn far outside of what is seen.
 */
import { type EditorState, type Extension } from "@codemirror/state";
import { EditorView, type PluginValue, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { buckets as allBuckets, css, stripeOf } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import { systemDark, themeOf } from "../colour/theme";
import { type Cell, cellsOf } from "./cells";
import { pictureField } from "./picture";
import { MOST_STRIPES, type Stripe, type TokenPicture } from "./source";

/** So much is drawn above and below of what is seen, in CSS pixels: a scroll shows stripes before it can be answered. */
const SLACK = 400;
/** From the text's own box to the first stripe: a mark's padding, and air. */
const UNDER_TEXT = 4;
const FADED = 0.4;

/** Height of one neuron's lane, its gap included: a few may be taller, and the fifth makes no line higher. */
export function laneHeight(lanes: number): number {
  return lanes > 4 ? 3 : 4;
}

/** Class of an editor with so many stripes, whose lines are higher by that much. */
export function lanesClass(lanes: number): string {
  return lanes === 0 ? "" : `neuro-lanes-${lanes}`;
}

/** A piece of one visual line and the tokens that it stands for; CSS pixels from the top left of the scrolled area. */
interface Piece {
  readonly left: number;
  readonly right: number;
  /** Where its first stripe begins. */
  readonly top: number;
  readonly first: number;
  readonly last: number;
}

/** What was measured: the pieces between `top` and `bottom`, for a text of this size. */
interface Layout {
  readonly pieces: readonly Piece[];
  readonly top: number;
  readonly bottom: number;
  readonly width: number;
  readonly contentWidth: number;
  readonly contentHeight: number;
}

class StripeLayer implements PluginValue {
  readonly #view: EditorView;
  readonly #canvas = document.createElement("canvas");
  #layout: Layout | null = null;
  /** Tells whether what is on the canvas is what should be there. */
  #drawn: readonly unknown[] = [];
  #planned = false;
  #alive = true;
  /** Height of the text's own box in a line, once seen. */
  #textHeight = 19;
  readonly #resized = new ResizeObserver(() => { this.#lookAgain(); });
  readonly #scrolled = (): void => { if (this.#layout !== null && !this.#covers(this.#layout, SLACK / 2)) this.#draw(); };
  readonly #plan = (): void => {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.#alive) this.#draw();
    });
  };
  #density: MediaQueryList | null = null;

  constructor(view: EditorView) {
    this.#view = view;
    this.#canvas.className = "neuro-stripes";
    this.#canvas.setAttribute("aria-hidden", "true");
    view.scrollDOM.append(this.#canvas);
    this.#resized.observe(view.contentDOM);
    this.#resized.observe(view.scrollDOM);
    view.scrollDOM.addEventListener("scroll", this.#scrolled, { passive: true });
    addEventListener("scroll", this.#scrolled, { passive: true, capture: true }); // an editor may be as high as its text
    systemDark.addEventListener("change", this.#plan);
    this.#watchDensity();
    this.#plan();
  }

  update({ docChanged, geometryChanged, viewportChanged, startState, state }: ViewUpdate): void {
    const before = startState.field(pictureField);
    const picture = state.field(pictureField);
    if (before === picture && !docChanged && !geometryChanged && !viewportChanged) return;
    if (docChanged || geometryChanged || viewportChanged || before.tokens !== picture.tokens || before.stripes.length !== picture.stripes.length) {
      this.#layout = null;
    }
    this.#plan();
  }

  /** The document's elements were changed, be it only for more of the text to be there. */
  docViewUpdate(): void {
    if (this.#layout === null) this.#plan();
  }

  destroy(): void {
    this.#alive = false;
    this.#resized.disconnect();
    this.#view.scrollDOM.removeEventListener("scroll", this.#scrolled);
    removeEventListener("scroll", this.#scrolled, { capture: true });
    systemDark.removeEventListener("change", this.#plan);
    this.#density?.removeEventListener("change", this.#plan);
    this.#canvas.remove();
  }

  /** The text was laid out anew, in this frame and not yet painted. */
  #lookAgain(): void {
    const { contentDOM } = this.#view;
    const layout = this.#layout;
    if (layout !== null && layout.contentWidth === contentDOM.clientWidth && layout.contentHeight === contentDOM.clientHeight
      && this.#covers(layout, 0)) return;
    this.#layout = null;
    this.#draw();
  }

  /** A window that moves to another screen has another density, which no other event tells. */
  #watchDensity(): void {
    this.#density?.removeEventListener("change", this.#plan);
    this.#density = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    this.#density.addEventListener("change", this.#plan);
  }

  // ------------------------------------------------------------------ where

  /** What is seen of the scrolled area, in its own coordinates. */
  #seen(): { readonly top: number; readonly bottom: number; readonly height: number } {
    const { contentDOM, scaleY, scrollDOM } = this.#view;
    const frame = scrollDOM.getBoundingClientRect();
    const at = (clientY: number): number => (clientY - frame.top) / scaleY + scrollDOM.scrollTop;
    return { top: at(Math.max(0, frame.top)), bottom: at(Math.min(innerHeight, frame.bottom)), height: contentDOM.offsetTop + contentDOM.offsetHeight };
  }

  /** Whether a layout reaches `slack` further than what is seen, as far as there is any text. */
  #covers(layout: Layout, slack: number): boolean {
    const { top, bottom, height } = this.#seen();
    return layout.top <= Math.max(0, top - slack) && layout.bottom >= Math.min(height, bottom + slack);
  }

  #measure(lanes: number): Layout {
    const { contentDOM, scaleX, scaleY, scrollDOM } = this.#view;
    const frame = scrollDOM.getBoundingClientRect();
    const seen = this.#seen();
    const top = Math.max(0, Math.floor(seen.top - SLACK));
    const bottom = Math.min(seen.height, Math.ceil(seen.bottom + SLACK));
    const toX = (clientX: number): number => (clientX - frame.left) / scaleX + scrollDOM.scrollLeft;
    const toY = (clientY: number): number => (clientY - frame.top) / scaleY + scrollDOM.scrollTop;
    const lines: LineLayout[] = [];
    for (const line of contentDOM.children) {
      if (!line.classList.contains("cm-line")) continue;
      const box = line.getBoundingClientRect();
      if (toY(box.bottom) < top - 2 * lanes * laneHeight(lanes)) continue;
      if (toY(box.top) > bottom) break;
      lines.push({ line, box });
    }
    const pieces: Piece[] = [];
    if (bottom > top) for (const line of lines) this.#measureLine(line, toX, toY, top, bottom, pieces);
    return {
      pieces, top, bottom, width: scrollDOM.clientWidth, contentWidth: contentDOM.clientWidth, contentHeight: contentDOM.clientHeight,
    };
  }

  #measureLine(
    { line, box }: LineLayout, toX: (x: number) => number, toY: (y: number) => number, top: number, bottom: number, pieces: Piece[],
  ): void {
    const { tokens } = this.#view.state.field(pictureField);
    const lineTop = toY(box.top);
    const lineHeight = parseFloat(getComputedStyle(line).lineHeight);
    const add = (rect: DOMRect, first: number, last: number): void => {
      if (rect.width === 0) return;
      const middle = (toY(rect.top) + toY(rect.bottom)) / 2;
      // Lanes of a visual line stand at one height, whatever stands in it.
      const row = Math.floor((middle - lineTop) / lineHeight);
      const under = lineTop + row * lineHeight + (lineHeight + this.#textHeight) / 2 + UNDER_TEXT;
      pieces.push({ left: toX(rect.left), right: toX(rect.right), top: under, first, last });
    };
    const parts = partsOf(this.#view, line);
    const range = document.createRange();
    // Of a line that is higher than the window, only what is seen is looked at.
    let index = lineTop >= top ? 0 : firstThat(parts, ({ node }) => {
      range.selectNode(node);
      return toY(range.getBoundingClientRect().bottom) >= top;
    });
    const texts = parts.slice(index).filter((part) => part.sign === null);
    const [begin, end] = [texts[0], texts.at(-1)];
    const cells: readonly Cell[] = begin === undefined || end === undefined ? [] : cellsOf(tokens, begin.from, end.to);
    let next = 0;
    for (; index < parts.length; index++) {
      const { node, from, to, sign } = parts[index] as Part;
      let rects: DOMRect | undefined;
      if (sign !== null) {
        rects = (node as Element).getBoundingClientRect();
        if (sign < tokens.length) add(rects, sign, sign);
      } else {
        while (next < cells.length && (cells[next] as Cell).to <= from) next++;
        for (let i = next; i < cells.length && (cells[i] as Cell).from < to; i++) {
          const cell = cells[i] as Cell;
          range.setStart(node, Math.max(cell.from, from) - from);
          range.setEnd(node, Math.min(cell.to, to) - from);
          for (const rect of range.getClientRects()) {
            this.#textHeight = (rect.bottom - rect.top) / this.#view.scaleY;
            add(rect, cell.first, cell.last);
            rects = rect;
          }
        }
      }
      if (rects !== undefined && toY(rects.top) > bottom) return;
    }
  }

  // ------------------------------------------------------------------ what

  #draw(): void {
    const picture = this.#view.state.field(pictureField);
    const { stripes } = picture;
    const canvas = this.#canvas;
    canvas.hidden = stripes.length === 0;
    if (stripes.length === 0 || this.#view.scrollDOM.clientWidth === 0) {
      this.#layout = null;
      this.#drawn = [];
      return;
    }
    if (this.#layout === null || !this.#covers(this.#layout, SLACK / 2)) this.#layout = this.#measure(stripes.length);
    const layout = this.#layout;
    const theme = themeOf(canvas);
    const wanted = [layout, theme, devicePixelRatio, picture.faded, ...stripes];
    if (same(wanted, this.#drawn)) return;
    this.#drawn = wanted;
    if (!this.#density?.matches) this.#watchDensity();

    const density = devicePixelRatio;
    const width = Math.round(layout.width * density);
    const height = Math.round((layout.bottom - layout.top) * density);
    const context = canvas.getContext("2d");
    if (context === null) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${width / density}px`;
      canvas.style.height = `${height / density}px`;
    } else {
      context.clearRect(0, 0, width, height);
    }
    canvas.style.top = `${layout.top}px`;
    const lane = laneHeight(stripes.length);
    const thickness = Math.max(1, Math.round((lane - 1) * density));
    stripes.forEach(({ hue, buckets }, i) => {
      // In advance, for there are thousands of tokens to 33 buckets.
      const colours = new Map(allBuckets.map((bucket) => {
        const { ink, opacity } = stripeOf(hue, bucket, theme);
        return [bucket, { ink: css(ink), opacity }] as const;
      }));
      for (const { left, right, top, first, last } of layout.pieces) {
        const y = Math.round((top - layout.top) * density) + Math.round(i * lane * density);
        const start = Math.round(left * density);
        const whole = Math.round(right * density) - start;
        const count = last - first + 1; // tokens that share a character share its width
        for (let token = first; token <= last; token++) {
          const colour = colours.get(buckets[token] ?? NO_VALUE);
          if (colour === undefined || colour.opacity === 0) continue;
          const x = start + Math.round((whole * (token - first)) / count);
          const end = start + Math.round((whole * (token - first + 1)) / count);
          const gap = end - x > 3 * density ? Math.round(density) : 0; // tokens are told apart
          context.fillStyle = colour.ink;
          context.globalAlpha = colour.opacity * (picture.faded?.[token] === 1 ? FADED : 1);
          context.fillRect(x, y, end - x - gap, thickness);
        }
      }
    });
  }
}

interface LineLayout {
  readonly line: Element;
  readonly box: DOMRect;
}

/** What stands in a line: a piece of text with its offsets, or the sign of a token. */
interface Part {
  readonly node: Node;
  readonly from: number;
  readonly to: number;
  readonly sign: number | null;
}

/** Texts and signs of a line, in order. */
function partsOf(view: EditorView, line: Element): Part[] {
  const parts: Part[] = [];
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  let position: number | null = view.posAtDOM(line);
  let node = walker.nextNode();
  while (node !== null) {
    let inside = true;
    if (node instanceof Text) {
      position ??= view.posAtDOM(node);
      parts.push({ node, from: position, to: position + node.data.length, sign: null });
      position += node.data.length;
    } else if (node instanceof HTMLElement && node.contentEditable === "false") {
      inside = false;
      if (!node.classList.contains("neuro-sign")) position = null; // it may stand for any number of characters
      else if (node.dataset.token !== undefined && !node.classList.contains("neuro-segment")) {
        parts.push({ node, from: 0, to: 0, sign: Number(node.dataset.token) });
      }
    }
    node = inside ? walker.nextNode() : walker.nextSibling() ?? after(walker, line);
  }
  return parts;
}

/** The next node after the walker's own, that is in none of its ancestors below `line`. */
function after(walker: TreeWalker, line: Element): Node | null {
  while (walker.parentNode() !== null && walker.currentNode !== line) {
    const next = walker.nextSibling();
    if (next !== null) return next;
  }
  return null;
}

/** Index of the first item that passes, where all after it do. */
function firstThat<T>(items: readonly T[], passes: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(items[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether two lists of what is drawn are the same to look at. */
function same(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, i) => alike(item, other[i]));
}

function alike(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (one instanceof Uint8Array && other instanceof Uint8Array) return equal(one, other);
  return isStripe(one) && isStripe(other) && one.hue === other.hue && equal(one.buckets, other.buckets);
}

function isStripe(item: unknown): item is Stripe {
  return typeof item === "object" && item !== null && "buckets" in item;
}

function equal(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Lines are as high as the stripes need, and no higher; the count of stripes does not change while typing. */
export const stripeTheme = EditorView.theme({
  ...Object.fromEntries(Array.from({ length: MOST_STRIPES }, (_, i) => i + 1).map((lanes) => [
    `&.${lanesClass(lanes)} .cm-scroller`, { lineHeight: `calc(1.9em + ${lanes * laneHeight(lanes)}px)` },
  ])),
  ".neuro-stripes": { position: "absolute", left: "0", zIndex: "-1", pointerEvents: "none" },
  ".neuro-stripes[hidden]": { display: "none" },
});

export const stripeLayer: Extension = [
  ViewPlugin.fromClass(StripeLayer),
  EditorView.editorAttributes.compute([pictureField], (state: EditorState) => ({ class: lanesClass((state.field(pictureField) satisfies TokenPicture).stripes.length) })),
  stripeTheme,
];
