/**
 * The tokens of a document, as an immutable list that splices.
 *
 * Spans are kept apart from the rest because they alone change with every key; everything is indexed by token.
 */
import type { Token } from "../wire";
import { type ChangeSet, mapSpans } from "./changes";

/** The parts of a token that edits elsewhere do not change. */
export interface TokenInfo {
  readonly id: number;
  readonly text: string;
  /** Added by the server (BOS), not part of the text. */
  readonly special: boolean;
  /** First token of a second or later context. */
  readonly segment: boolean;
}

export class TokenList {
  static readonly empty = new TokenList([], new Int32Array(0), new Int32Array(0));

  private constructor(
    readonly infos: readonly TokenInfo[],
    /** Start of each token's span, UTF-16 units, ascending. */
    readonly from: Int32Array,
    /** End of each token's span. */
    readonly to: Int32Array,
  ) {}

  static of(tokens: readonly Token[]): TokenList {
    return TokenList.empty.splice(0, 0, tokens, 0);
  }

  get length(): number {
    return this.infos.length;
  }

  /** The token at `index`, which must be in range. */
  at(index: number): TokenInfo & { readonly from: number; readonly to: number } {
    const info = this.infos[index];
    if (info === undefined) throw new RangeError(`there is no token ${index}`);
    return { ...info, from: this.from[index] as number, to: this.to[index] as number };
  }

  /** Remove `deleteCount` tokens at `start`, put `tokens` there, move the spans after them by `shift`. */
  splice(start: number, deleteCount: number, tokens: readonly Token[], shift: number): TokenList {
    const infos = [
      ...this.infos.slice(0, start),
      ...tokens.map(({ id, text, special, segment }) => ({ id, text, special: special === true, segment: segment === true })),
      ...this.infos.slice(start + deleteCount),
    ];
    const edge = (old: Int32Array, name: "from" | "to"): Int32Array => {
      const edges = new Int32Array(infos.length);
      edges.set(old.subarray(0, start));
      tokens.forEach((token, i) => { edges[start + i] = token[name]; });
      const tail = old.subarray(start + deleteCount);
      for (let i = 0; i < tail.length; i++) edges[start + tokens.length + i] = (tail[i] as number) + shift;
      return edges;
    };
    return new TokenList(infos, edge(this.from, "from"), edge(this.to, "to"));
  }

  /** The same tokens after a (normalized) change of the text. */
  map(changes: ChangeSet): TokenList {
    if (changes.length === 0) return this;
    const from = this.from.slice();
    const to = this.to.slice();
    mapSpans(from, to, changes);
    return new TokenList(this.infos, from, to);
  }

  /** Index of the first token whose span ends at or after `offset`; `length` if there is none. */
  firstEndingAt(offset: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.to[middle] as number) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The tokens `[from, to)` that overlap `[start, end)`; null if none does. */
  overlapping(start: number, end: number): { readonly from: number; readonly to: number } | null {
    const from = this.firstEndingAt(start + 1);
    let to = from;
    while (to < this.length && (this.from[to] as number) < end) to++;
    return to > from ? { from, to } : null;
  }

  /** Index of the first token that covers the character at `offset`, or -1. */
  covering(offset: number): number {
    for (let i = this.firstEndingAt(offset); i < this.length && (this.from[i] as number) <= offset; i++) {
      if ((this.to[i] as number) > offset) return i;
    }
    return -1;
  }
}
