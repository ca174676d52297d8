/**
 * Changes of a text and what they do to positions.
 *
 * A change set is a list of replacements; all offsets are UTF-16 units of the text before it. The client keeps the changes
 * that the server has not answered yet, and maps every late answer through them.
 */
import type { Change } from "../wire";

export type ChangeSet = readonly Change[];

/**
 * The same changes sorted by position; adjacent ones are merged. Throws a RangeError if they overlap or leave a text of
 * `length` units.
 */
export function normalize(changes: ChangeSet, length: number): ChangeSet {
  const result: Change[] = [];
  for (const change of [...changes].sort((a, b) => a.from - b.from || a.to - b.to)) {
    const { from, to, insert } = change;
    const last = result.at(-1);
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= (last?.to ?? 0) && to >= from && to <= length)) {
      throw new RangeError(`the change [${from}, ${to}) overlaps another or leaves the text of length ${length}`);
    }
    if (last?.to === from) result[result.length - 1] = { from: last.from, to, insert: last.insert + insert };
    else result.push({ from, to, insert });
  }
  return result;
}

/** The text after the (normalized) changes. */
export function applyChanges(text: string, changes: ChangeSet): string {
  let result = "";
  let end = 0;
  for (const { from, to, insert } of changes) {
    result += text.slice(end, from) + insert;
    end = to;
  }
  return result + text.slice(end);
}

/** The text with U+FFFD for each half of a surrogate pair that stands alone: such halves have no UTF-8. As long as before. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/**
 * Map spans through (normalized) changes, in place; `from` and `to` are ascending.
 *
 * A span keeps exactly those of its characters that were not replaced, and what was inserted strictly inside them. Text
 * inserted at its edge, or in place of its last or first characters, does not belong to it until the next answer says so.
 * A span that loses everything becomes empty.
 */
export function mapSpans(from: Int32Array, to: Int32Array, changes: ChangeSet): void {
  mapEdges(from, changes, 1);
  mapEdges(to, changes, -1);
  for (let i = 0; i < from.length; i++) {
    if (at(to, i) < at(from, i)) from[i] = at(to, i);
  }
}

/** Map ascending positions; those inside or at the edge of a replacement go after it (`side` 1) or before it (-1). */
function mapEdges(positions: Int32Array, changes: ChangeSet, side: 1 | -1): void {
  let index = 0;
  let shift = 0; // of everything after the changes passed so far
  const below = (bound: number): boolean => index < positions.length && at(positions, index) < bound;
  for (const { from, to, insert } of changes) {
    // Positions are whole numbers: `< bound + 1` is `<= bound`. An edge that goes before keeps off what was put at it.
    for (const before = side > 0 ? from : from + 1; below(before); index++) positions[index] = at(positions, index) + shift;
    for (const within = side > 0 ? to : to + 1; below(within); index++) {
      positions[index] = from + shift + (side > 0 ? insert.length : 0);
    }
    shift += insert.length - (to - from);
  }
  for (; index < positions.length; index++) positions[index] = at(positions, index) + shift;
}

/** A caret-like position after the changes; `side` as above. */
export function mapOffset(offset: number, changes: ChangeSet, side: 1 | -1): number {
  const one = Int32Array.of(offset);
  mapEdges(one, changes, side);
  return at(one, 0);
}

/** An index known to be in range. */
function at(array: Int32Array, index: number): number {
  return array[index] as number;
}
