/**
 * What of the text gets one mark: a token, or several that share its characters.
 *
 * Byte-level BPE parts a character such as an emoji into several tokens, which then carry the same span.
 */
import type { TokenList } from "../client/tokens";
import { NO_VALUE } from "../colour/scale";

/** A piece of the text and the tokens `first` to `last` (inclusive) that it stands for. */
export interface Cell {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
}

/** The cells of the text from `start` to `stop`, cut off there, in order. What no token covers is in none. */
export function cellsOf(tokens: TokenList, start: number, stop: number): Cell[] {
  const cells: { from: number; to: number; first: number; last: number }[] = [];
  for (let i = tokens.firstEndingAt(start); i < tokens.length && (tokens.from[i] as number) <= stop; i++) {
    const from = Math.max(tokens.from[i] as number, start);
    const to = Math.min(tokens.to[i] as number, stop);
    if (to <= from) continue;
    const before = cells.at(-1);
    const begin = Math.max(from, before?.to ?? start);
    if (begin < to) cells.push({ from: begin, to, first: i, last: i });
    else if (before !== undefined) before.last = i;
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

/** A token's share of a character that several tokens make up. */
export interface Share {
  readonly from: number;
  readonly to: number;
  /** Which of them it is, from 1. */
  readonly part: number;
  readonly parts: number;
}

/** The characters that a token has only a part of: at most one at its start and one at its end. */
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
