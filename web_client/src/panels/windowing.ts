/**
 * Which rows of a long list exist as elements, and where.
 *
 * All rows have the same height, except an opened one, so positions are computed and nothing is measured. A virtual
 * list from a library would measure every row, and remove the focused row with the others.
 */

export interface ListShape {
  readonly count: number;
  /** Height of a row, px. */
  readonly height: number;
  /** Index of the opened row, or -1. */
  readonly opened: number;
  /** Extra height of the opened row, px. */
  readonly more: number;
}

/** Distance of a row's top, or with `count` of the list's end, from the list's top, px. */
export function offsetOf({ height, opened, more }: ListShape, index: number): number {
  return index * height + (opened >= 0 && index > opened ? more : 0);
}

/** Index of the row at a distance from the list's top, clamped; -1 if there are no rows. */
export function indexAt({ count, height, opened, more }: ListShape, offset: number): number {
  const end = opened < 0 ? Infinity : (opened + 1) * height; // the next `more` px belong to the opened row, too
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
