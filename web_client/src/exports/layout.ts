/**
 * Pieces of text on a grid: rows with a limited number of columns, broken where a browser would break them.
 *
 * A line that does not fit is broken after its last space (spaces stay at the row's end), after a hyphen within a word,
 * between characters of scripts without spaces, or else anywhere.
 */
import { charactersOf, hiddenIn } from "../editor/characters";
import { breaksBetween, columnsOf, visualOrder } from "./columns";
import type { Line, Piece } from "./pieces";

/** A part of a piece on one row. */
export interface Placed {
  readonly piece: Piece;
  /** For a sign, empty. */
  readonly text: string;
  readonly row: number;
  /** First column; negative in the margin. */
  readonly column: number;
  readonly columns: number;
}

export interface Layout {
  readonly rows: number;
  readonly placed: readonly Placed[];
  /** Rows at which a second or later context of a long document begins. */
  readonly contexts: readonly number[];
}

/** Columns of the signs of line breaks, and of tokens that the server added. */
export const BREAK = 2;
export const SIGN = 4;

interface Box {
  readonly piece: Piece;
  readonly text: string;
}

export function layOut(lines: readonly Line[], columns: number): Layout {
  const placed: Placed[] = [];
  const contexts: number[] = [];
  let row = 0;
  for (const { pieces, context } of lines) {
    if (context) contexts.push(row);
    row = layLine(pieces, row, Math.max(1, columns), placed);
  }
  return { rows: row, placed, contexts };
}

/** Lays one line from row `row` on; returns the row after it. */
function layLine(pieces: readonly Piece[], row: number, columns: number, placed: Placed[]): number {
  const boxes: Box[] = pieces.flatMap((piece) => (
    piece.kind === "text" ? charactersOf(piece.text).map((text) => ({ piece, text })) : [{ piece, text: "" }]
  ));
  let next = 0;
  // Signs of tokens that the server added at the start of a line are in the margin.
  for (let margin = boxes.findIndex(({ piece }) => !isSign(piece)); next < boxes.length && isSign((boxes[next] as Box).piece); next++) {
    const back = (margin < 0 ? boxes.length : margin) - next;
    placed.push({ ...(boxes[next] as Box), row, column: -back * (SIGN + 1), columns: SIGN });
  }
  while (next < boxes.length) {
    const end = rowEnd(boxes, next, columns);
    placeRow(boxes.slice(next, end), row, placed);
    next = end;
    if (next < boxes.length) row += 1;
  }
  return row + 1;
}

/** Index of the first box that goes to the next row. */
function rowEnd(boxes: readonly Box[], start: number, columns: number): number {
  let column = 0;
  let lastBreak = start;
  for (let i = start; i < boxes.length; i++) {
    const box = boxes[i] as Box;
    if (i > start && mayBreak(boxes[i - 1] as Box, box)) lastBreak = i;
    column += widthOf(box, column);
    // The sign of a line break may cross the edge, as it does not begin a row.
    if (column > columns && box.piece.kind !== "break") return lastBreak > start ? lastBreak : Math.max(i, start + 1);
  }
  return boxes.length;
}

/** Places boxes side by side; adjacent ones of the same piece are merged. */
function placeRow(boxes: readonly Box[], row: number, placed: Placed[]): void {
  const columnsOfBox: number[] = [];
  const columnOf: number[] = [];
  let column = 0;
  for (const i of visualOrder(boxes.map(({ text }) => text))) {
    const columns = widthOf(boxes[i] as Box, column);
    columnOf[i] = column;
    columnsOfBox[i] = columns;
    column += columns;
  }
  boxes.forEach((box, i) => {
    const next = { ...box, row, column: columnOf[i] as number, columns: columnsOfBox[i] as number };
    const before = placed.at(-1);
    const joined = i === 0 || before?.piece !== box.piece || isAlone(box.text) || isAlone(before.text) ? null : join(before, next);
    if (joined === null) placed.push(next);
    else placed[placed.length - 1] = joined;
  });
}

/** Tabs and signs are drawn separately. */
function isAlone(text: string): boolean {
  return text === "\t" || hiddenIn(text).length > 0;
}

/** Merges two parts of a row if they are adjacent in reading order; otherwise null. */
export function join(before: Placed, next: Placed): Placed | null {
  const follows = next.column === before.column + before.columns;
  const precedes = next.column + next.columns === before.column; // from right to left
  if (!follows && !precedes) return null;
  return { ...before, text: before.text + next.text, column: Math.min(before.column, next.column), columns: before.columns + next.columns };
}

function widthOf({ piece, text }: Box, column: number): number {
  if (piece.kind === "text") return columnsOf(text, column);
  return piece.kind === "break" ? BREAK : SIGN;
}

function mayBreak(before: Box, after: Box): boolean {
  if (after.piece.kind === "break") return false;
  return isSign(before.piece) || isSign(after.piece) ? !isSign(before.piece) : breaksBetween(before.text, after.text);
}

function isSign({ kind }: Piece): boolean {
  return kind === "special" || kind === "context";
}
