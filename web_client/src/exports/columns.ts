/** How text takes up columns of a fixed-pitch font, and where its lines may be broken. */
import { eastAsianWidth } from "get-east-asian-width";

/** A tab reaches to the next multiple of so many columns, as in the editor. */
export const TAB = 4;

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What a reader takes for one character, each. */
export function charactersOf(text: string): string[] {
  // ASCII needs no segmenter, which is slow. CR is left out, for CR LF is one.
  // eslint-disable-next-line no-control-regex -- the whole of it
  return /^[\u0000-\u000c\u000e-\u007f]*$/.test(text) ? Array.from(text) : Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Columns of one such character, which begins in column `at`. */
export function columnsOf(character: string, at: number): number {
  if (character === "\t") return TAB - (at % TAB);
  if (character.includes("\ufe0f")) return 2; // asked to be an emoji
  if (/^\p{Regional_Indicator}/u.test(character)) return 2; // a flag
  return /^[\p{Mn}\p{Me}\p{Cf}]/u.test(character) ? 0 : eastAsianWidth(character.codePointAt(0) ?? 0);
}

/** Whether a line may be broken between two characters that follow each other. */
export function breaksBetween(before: string, after: string): boolean {
  if (before === " " || before === "\t") return true;
  if (after === " " || after === "\t") return false;
  if (before === "-") return /^\p{L}/u.test(after);
  // Scripts that are written without spaces break anywhere but before what closes.
  return (columnsOf(before, 0) === 2 || columnsOf(after, 0) === 2) && !/^[\p{Pe}\p{Pf}\p{Po}]/u.test(after) && !/^[\p{Ps}\p{Pi}]/u.test(before);
}
