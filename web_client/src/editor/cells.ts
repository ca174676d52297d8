/**
 * The pieces of the text that get one mark each: a token, or a character made of several tokens.
 *
 * Byte-level BPE splits a character such as an emoji into several tokens, which then have the same span. A grapheme
 * cluster may also consist of several characters with their own tokens: a letter and its accent, a family of joined
 * emoji.
 */
import type { TokenList } from "../client/tokens";
import { NO_VALUE } from "../colour/scale";
import { characterFinder, type Span } from "./characters";

/** A piece of the text and its tokens, `first` to `last` (inclusive). */
export interface Cell extends Span {
  readonly first: number;
  readonly last: number;
}

/**
 * The cells of the text from `start` on, in order; `text` is that text, and cells are cut at its end. Text without a
 * token is in no cell.
 */
export function cellsOf(tokens: TokenList, start: number, text: string): Cell[] {
  const cells: { from: number; to: number; first: number; last: number }[] = [];
  const stop = start + text.length;
  const characterAt = characterFinder(text);
  const parted = (offset: number): Span | null => {
    const character = characterAt(offset - start);
    return character === null ? null : { from: character.from + start, to: character.to + start };
  };
  for (let i = tokens.firstEndingAt(start); i < tokens.length && (tokens.from[i] as number) <= stop; i++) {
    let from = Math.max(tokens.from[i] as number, start);
    let to = Math.min(tokens.to[i] as number, stop);
    if (to <= from) continue;
    from = parted(from)?.from ?? from;
    to = parted(to)?.to ?? to;
    const end = cells.at(-1)?.to ?? start;
    for (let k = cells.length - 1; k >= 0 && (cells[k] as Cell).to > from; k--) { // it shares these
      const cell = cells[k] as (typeof cells)[number];
      if (cell.from < from) {
        cells.splice(k + 1, 0, { ...cell, from, last: i });
        cell.to = from;
      } else {
        cell.last = i;
      }
    }
    if (to > end) cells.push({ from: Math.max(from, end), to, first: i, last: i });
  }
  return cells;
}

/** The bucket that a cell shows: the one furthest from zero. */
export function strongest(buckets: Int8Array, { first, last }: Pick<Cell, "first" | "last">): number {
  let found = buckets[first] ?? NO_VALUE;
  for (let i = first + 1; i <= last; i++) {
    const bucket = buckets[i] ?? NO_VALUE;
    if (bucket !== NO_VALUE && (found === NO_VALUE || Math.abs(bucket) > Math.abs(found))) found = bucket;
  }
  return found;
}

/** A token's share of a character made of several tokens. */
export interface Share extends Span {
  /** Which of them it is, from 1. */
  readonly part: number;
  readonly parts: number;
}

/** The characters that a token only partly covers: at most one at its start and one at its end. */
export function sharesOf(tokens: TokenList, index: number): Share[] {
  const from = tokens.from[index] as number;
  const to = tokens.to[index] as number;
  const shares: Share[] = [];
  for (const other of [index - 1, index + 1]) {
    if (other < 0 || other >= tokens.length) continue;
    const start = Math.max(from, tokens.from[other] as number);
    const stop = Math.min(to, tokens.to[other] as number);
    if (stop <= start || shares.some((share) => share.from === start)) continue;
    const covers = (i: number): boolean => i >= 0 && i < tokens.length && (tokens.from[i] as number) < stop && (tokens.to[i] as number) > start;
    let first = index;
    while (covers(first - 1)) first--;
    let last = index;
    while (covers(last + 1)) last++;
    shares.push({ from: start, to: stop, part: index - first + 1, parts: last - first + 1 });
  }
  return shares;
}
