/**
 * Positions of the tokens on the screen, measured in the editor's elements near the visible part.
 *
 * All coordinates are CSS pixels from the top left of the scrolled area, so that they stay valid while it scrolls.
 * Lines of thousands of tokens are common, so distant tokens are never visited one by one.
 */
import type { EditorView } from "@codemirror/view";
import type { TokenList } from "../client/tokens";
import { type Cell, cellsOf } from "./cells";

/** A piece of one visual line, and its tokens. */
export interface Piece {
  readonly left: number;
  readonly right: number;
  /** Bottom of the text's box. */
  readonly bottom: number;
  readonly first: number;
  readonly last: number;
}

/** From the window's coordinates to those of the scrolled area. */
export interface Frame {
  x(clientX: number): number;
  y(clientY: number): number;
}

export function frameOf({ scaleX, scaleY, scrollDOM }: EditorView): Frame {
  const { left, top } = scrollDOM.getBoundingClientRect();
  return {
    x: (clientX) => (clientX - left) / scaleX + scrollDOM.scrollLeft,
    y: (clientY) => (clientY - top) / scaleY + scrollDOM.scrollTop,
  };
}

/** The pieces of one line: coordinates relative to its top left, tokens to its first one. */
interface Found {
  readonly pieces: readonly Piece[];
  /** Measured range, relative to the line's top. */
  readonly top: number;
  readonly bottom: number;
  /** What it depends on. */
  readonly width: number;
  readonly height: number;
  readonly text: string;
  readonly spans: Int32Array;
}

/** Finds pieces, and caches those of unchanged lines: an edit mostly changes one. */
export class PieceFinder {
  readonly #view: EditorView;
  #known = new WeakMap<Element, Found>();

  constructor(view: EditorView) {
    this.#view = view;
  }

  /** The layout may have changed although the text and size of a line have not. */
  forget(): void {
    this.#known = new WeakMap();
  }

  /** The pieces between `top` and `bottom`. */
  find(tokens: TokenList, top: number, bottom: number): Piece[] {
    const view = this.#view;
    const frame = frameOf(view);
    const pieces: Piece[] = [];
    for (const line of view.contentDOM.children) {
      if (!line.classList.contains("cm-line")) continue;
      const box = line.getBoundingClientRect();
      const [left, start, end] = [frame.x(box.left), frame.y(box.top), frame.y(box.bottom)];
      if (end < top) continue;
      if (start > bottom) break;
      const { from, to } = view.state.doc.lineAt(view.posAtDOM(line));
      const first = tokens.firstEndingAt(from);
      const wanted = {
        top: Math.max(0, top - start), bottom: Math.min(end, bottom) - start, width: box.width, height: box.height,
        text: line.textContent, spans: spansOf(tokens, first, from, to),
      };
      let found = this.#known.get(line);
      if (found === undefined || !holds(found, wanted)) {
        found = { ...wanted, pieces: measureLine(view, tokens, line, wanted.top, wanted.bottom, first) };
        this.#known.set(line, found);
      }
      for (const piece of found.pieces) {
        pieces.push({
          left: left + piece.left, right: left + piece.right, bottom: start + piece.bottom, first: first + piece.first, last: first + piece.last,
        });
      }
    }
    return pieces;
  }
}

/** Starts and ends of the tokens of a line, relative to its start. */
function spansOf(tokens: TokenList, first: number, from: number, to: number): Int32Array {
  let end = first;
  while (end < tokens.length && (tokens.from[end] as number) <= to) end++;
  const spans = new Int32Array(2 * (end - first));
  for (let i = first; i < end; i++) {
    spans[2 * (i - first)] = (tokens.from[i] as number) - from;
    spans[2 * (i - first) + 1] = (tokens.to[i] as number) - from;
  }
  return spans;
}

function holds(found: Found, wanted: Omit<Found, "pieces">): boolean {
  return found.top <= wanted.top && found.bottom >= wanted.bottom && found.width === wanted.width && found.height === wanted.height
    && found.text === wanted.text && found.spans.length === wanted.spans.length && found.spans.every((edge, i) => edge === wanted.spans[i]);
}

/** The pieces of a line between `top` and `bottom`, relative to it and to the token `base`. */
function measureLine(view: EditorView, tokens: TokenList, line: Element, top: number, bottom: number, base: number): Piece[] {
  const { scaleX, scaleY } = view;
  const box = line.getBoundingClientRect();
  const lineHeight = parseFloat(getComputedStyle(line).lineHeight);
  const range = document.createRange();
  const pieces: { left: number; right: number; middle: number; first: number; last: number }[] = [];
  let textHeight: number | null = null;
  /** Adds a piece; false if it is below the wanted range. */
  const add = (rect: DOMRect, first: number, last: number): boolean => {
    const centre = ((rect.top + rect.bottom) / 2 - box.top) / scaleY;
    // Everything in one visual line has the same middle, including signs in another font.
    const middle = (Math.floor(centre / lineHeight) + 0.5) * lineHeight;
    if (rect.width > 0) {
      pieces.push({ left: (rect.left - box.left) / scaleX, right: (rect.right - box.left) / scaleX, middle, first: first - base, last: last - base });
    }
    return middle <= bottom;
  };
  const parts = partsOf(view, line);
  // Only the visible part of a line that is higher than the window is measured.
  const begin = top <= 0 ? 0 : firstThat(parts, ({ node }) => {
    range.selectNode(node);
    return (range.getBoundingClientRect().bottom - box.top) / scaleY >= top;
  });
  let cells: readonly Cell[] | null = null;
  let next = 0;
  for (const { node, from, to, sign } of parts.slice(begin)) {
    if (sign !== null) {
      if (sign < tokens.length && !add((node as Element).getBoundingClientRect(), sign, sign)) break;
      continue;
    }
    cells ??= cellsOf(tokens, from, view.state.sliceDoc(from, parts.findLast((part) => part.sign === null)?.to ?? to));
    while (next < cells.length && (cells[next] as Cell).to <= from) next++;
    let seen = true;
    for (let i = next; i < cells.length && (cells[i] as Cell).from < to; i++) {
      const cell = cells[i] as Cell;
      if (node instanceof Text) {
        range.setStart(node, Math.max(cell.from, from) - from);
        range.setEnd(node, Math.min(cell.to, to) - from);
      } else {
        range.selectNode(node);
      }
      for (const rect of range.getClientRects()) {
        textHeight ??= rect.height / scaleY;
        seen = add(rect, cell.first, cell.last);
      }
    }
    if (!seen) break;
  }
  // A line of signs alone has text of the usual size.
  const half = (textHeight ?? parseFloat(getComputedStyle(line).fontSize) * USUAL_BOX) / 2;
  return pieces.map(({ middle, ...piece }) => ({ ...piece, bottom: middle + half }));
}

/** Height of most fonts' text box, in their size. */
const USUAL_BOX = 1.17;

/** An item of a line: a piece of text with its offsets, its replacement, or the sign of a token. */
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
      if (node.dataset.text !== undefined) {
        position ??= view.posAtDOM(node);
        parts.push({ node, from: position, to: position + node.dataset.text.length, sign: null });
        position += node.dataset.text.length;
      } else if (!node.classList.contains("neuro-sign")) position = null; // it may replace any number of characters
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
