/**
 * Which rows of a long list stand in the page, and where.
 *
 * All rows are of one height, save one that is opened; so places are computed, and nothing has to be measured. That is all
 * that is needed here of a virtual list: a library's would measure every row, and take the keyboard's row away with the others.
 */

export interface ListShape {
  readonly count: number;
  /** Height of a row, px. */
  readonly height: number;
  /** Index of the opened row, or -1. */
  readonly opened: number;
  /** What the opened row is higher by, px. */
  readonly more: number;
}

/** Distance of a row's top, or with `count` of the list's end, from the list's top, px. */
export function offsetOf({ height, opened, more }: ListShape, index: number): number {
  return index * height + (opened >= 0 && index > opened ? more : 0);
}

/** Index of the row at a distance from the list's top, cut to the rows there are; -1 where there are none. */
export function indexAt({ count, height, opened, more }: ListShape, offset: number): number {
  const end = opened < 0 ? Infinity : (opened + 1) * height; // from here to `more` further is the opened row's too
  const flat = offset < end ? offset : Math.max(end - 1, offset - more);
  return Math.min(count - 1, Math.max(0, Math.floor(flat / height)));
}

/** Indices of the rows that touch `top` to `bottom` (px from the list's top), `spare` more on each side, and of those to keep anyway. */
export function windowOf(shape: ListShape, top: number, bottom: number, spare: number, keep: readonly number[]): number[] {
  if (shape.count === 0) return [];
  const first = Math.max(0, indexAt(shape, top) - spare);
  const last = Math.min(shape.count - 1, indexAt(shape, bottom) + spare);
  const indices = new Set(keep.filter((index) => index >= 0 && index < shape.count));
  for (let i = first; i <= last; i++) indices.add(i);
  return [...indices].sort((a, b) => a - b);
}
