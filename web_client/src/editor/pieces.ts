/**
 * Where the tokens' pieces of the text are on the screen: measured in the editor's elements, near what is seen.
 *
 * All coordinates are CSS pixels from the top left of the scrolled area, so that they hold while it scrolls. Texts of
 * thousands of tokens in one line are common, so nothing here is looked at one by one that is far from what is seen.
 */
import type { EditorView } from "@codemirror/view";
import type { TokenList } from "../client/tokens";
import { type Cell, cellsOf } from "./cells";

/** A piece of one visual line, and the tokens that it stands for. */
export interface Piece {
  readonly left: number;
  readonly right: number;
  /** Middle of its visual line. */
  readonly middle: number;
  readonly first: number;
  readonly last: number;
}

export interface Pieces {
  readonly list: readonly Piece[];
  /** Height of the text's own box in a line; null where no text was seen. */
  readonly textHeight: number | null;
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

/** The pieces between `top` and `bottom`. */
export function measurePieces(view: EditorView, tokens: TokenList, top: number, bottom: number): Pieces {
  const frame = frameOf(view);
  const list: Piece[] = [];
  let textHeight: number | null = null;
  for (const line of view.contentDOM.children) {
    if (!line.classList.contains("cm-line")) continue;
    const box = line.getBoundingClientRect();
    if (frame.y(box.bottom) < top) continue;
    if (frame.y(box.top) > bottom) break;
    textHeight = measureLine(view, tokens, line, frame, top, bottom, list) ?? textHeight;
  }
  return { list, textHeight };
}

function measureLine(
  view: EditorView, tokens: TokenList, line: Element, frame: Frame, top: number, bottom: number, list: Piece[],
): number | null {
  const start = frame.y(line.getBoundingClientRect().top);
  const lineHeight = parseFloat(getComputedStyle(line).lineHeight);
  const range = document.createRange();
  let textHeight: number | null = null;
  /** Adds a piece; false when it lies below what is seen. */
  const add = (rect: DOMRect, first: number, last: number): boolean => {
    const centre = (frame.y(rect.top) + frame.y(rect.bottom)) / 2;
    // What stands in one visual line has one middle, signs in another type included.
    const middle = start + (Math.floor((centre - start) / lineHeight) + 0.5) * lineHeight;
    if (rect.width > 0) list.push({ left: frame.x(rect.left), right: frame.x(rect.right), middle, first, last });
    return middle <= bottom;
  };
  const parts = partsOf(view, line);
  const begin = start >= top ? 0 : firstThat(parts, ({ node }) => {
    range.selectNode(node);
    return frame.y(range.getBoundingClientRect().bottom) >= top;
  });
  let cells: readonly Cell[] | null = null;
  let next = 0;
  for (const { node, from, to, sign } of parts.slice(begin)) {
    if (sign !== null) {
      if (sign < tokens.length && !add((node as Element).getBoundingClientRect(), sign, sign)) break;
      continue;
    }
    cells ??= cellsOf(tokens, from, parts.findLast((part) => part.sign === null)?.to ?? to);
    while (next < cells.length && (cells[next] as Cell).to <= from) next++;
    let seen = true;
    for (let i = next; i < cells.length && (cells[i] as Cell).from < to; i++) {
      const cell = cells[i] as Cell;
      range.setStart(node, Math.max(cell.from, from) - from);
      range.setEnd(node, Math.min(cell.to, to) - from);
      for (const rect of range.getClientRects()) {
        textHeight = rect.height / view.scaleY;
        seen = add(rect, cell.first, cell.last);
      }
    }
    if (!seen) break;
  }
  return textHeight;
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
