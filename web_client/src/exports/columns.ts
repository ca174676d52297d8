/** How text takes up columns of a fixed-pitch font, where its lines may be broken, and in which order they are seen. */
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

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
/** Whether there are letters in it that are read from right to left. */
export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

const DIGIT = /^\p{Nd}/u;

/**
 * Indices of the characters of a row from left to right, as they are seen in a paragraph that runs from left to right: words of
 * right-to-left scripts, with what stands between them, are reversed, numbers in them not. What UAX #9 does to such plain cases.
 */
export function visualOrder(characters: readonly string[]): number[] {
  const order: number[] = [];
  for (let i = 0; i < characters.length;) {
    const end = runEnd(characters, i);
    if (end === i) {
      order.push(i++);
      continue;
    }
    const run: number[] = [];
    while (i < end) {
      let numberEnd = i;
      while (numberEnd < end && DIGIT.test(characters[numberEnd] as string)) numberEnd++;
      const unit = Array.from({ length: Math.max(1, numberEnd - i) }, (_, k) => i + k);
      run.unshift(...unit);
      i += unit.length;
    }
    order.push(...run);
  }
  return order;
}

/** End of the run of right-to-left words that begins at `start`; `start` where none does. */
function runEnd(characters: readonly string[], start: number): number {
  if (!RIGHT_TO_LEFT.test(characters[start] as string)) return start;
  let end = start + 1;
  for (let i = end; i < characters.length; i++) {
    const character = characters[i] as string;
    if (RIGHT_TO_LEFT.test(character)) end = i + 1;
    else if (/^\p{L}/u.test(character) || character === "\t") break;
  }
  return end;
}
