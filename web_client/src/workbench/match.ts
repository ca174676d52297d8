/**
 * Fuzzy search: each word of the query must occur in the text, with its letters in order but not necessarily adjacent.
 * Word starts and adjacent letters count most, as in the finders of editors.
 */

export interface Match {
  /** Higher is better; comparable within one query. */
  readonly score: number;
  /** Indices of the text's letters that matched, ascending. */
  readonly at: readonly number[];
}

const LETTER = 1;
const IN_A_ROW = 4;
const WORD_START = 6;
/** A longer text with the same letters is a worse match. */
const LENGTH_PENALTY = 0.02;

/** Match a query against a text; null if it does not match. An empty query matches everything equally. */
export function match(query: string, text: string): Match | null {
  const lower = text.toLowerCase();
  const at = new Set<number>();
  let score = -LENGTH_PENALTY * text.length;
  for (const word of query.toLowerCase().split(/\s+/).filter((part) => part !== "")) {
    const found = matchWord(word, lower);
    if (found === null) return null;
    score += found.score;
    for (const index of found.at) at.add(index);
  }
  return { score, at: [...at].sort((one, other) => one - other) };
}

/** The best way to find the letters of `word` in `text`, which is in lower case. */
function matchWord(word: string, text: string): Match | null {
  // best[j]: the best way to place the letters so far with the last one at j.
  let best: (Match | null)[] = [];
  for (let i = 0; i < word.length; i++) {
    const next: (Match | null)[] = [];
    let before: Match | null = null; // the best way that ends before j - 1
    for (let j = 0; j < text.length; j++) {
      next[j] = null;
      if (text[j] === word[i]) {
        const here = LETTER + (startsWord(text, j) ? WORD_START : 0);
        if (i === 0) {
          next[j] = { score: here, at: [j] };
        } else {
          const adjacent = best[j - 1] ?? null;
          const joined = adjacent === null ? -Infinity : adjacent.score + IN_A_ROW;
          const from = before !== null && before.score > joined ? before : adjacent;
          if (from !== null) next[j] = { score: here + Math.max(joined, from.score), at: [...from.at, j] };
        }
      }
      const ended = best[j - 1] ?? null;
      if (ended !== null && (before === null || ended.score > before.score)) before = ended;
    }
    best = next;
  }
  return best.reduce((top, way) => (way !== null && (top === null || way.score > top.score) ? way : top), null);
}

function startsWord(text: string, index: number): boolean {
  return index === 0 || /[\s/.:–-]/.test(text[index - 1] as string);
}
