/** Text in columns of a fixed-pitch font: widths, line breaks, visual order. */
import { eastAsianWidth } from "get-east-asian-width";
import { withSigns } from "../editor/characters";

/** A tab reaches to the next multiple of this many columns, as in the editor. */
export const TAB = 4;

/** Columns of a grapheme cluster that begins in column `at`. */
export function columnsOf(character: string, at: number): number {
  if (character === "\t") return TAB - (at % TAB);
  if (/\ufe0f|^\p{Regional_Indicator}|^\p{Extended_Pictographic}./u.test(character)) return 2; // an emoji, of several code points
  let columns = 0;
  for (const part of withSigns(character)) if (!/[\p{Mn}\p{Me}\p{Cf}]/u.test(part)) columns += eastAsianWidth(part.codePointAt(0) as number);
  return /^\p{Script=Hangul}/u.test(character) ? Math.min(2, columns) : columns;
}

/** Whether a line may be broken between two characters that follow each other. */
export function breaksBetween(before: string, after: string): boolean {
  if (before === " " || before === "\t") return true;
  if (after === " " || after === "\t") return false;
  if (before === "-") return /^\p{L}/u.test(after);
  // Scripts without spaces break anywhere but before closing punctuation.
  return (columnsOf(before, 0) === 2 || columnsOf(after, 0) === 2) && !/^[\p{Pe}\p{Pf}\p{Po}]/u.test(after) && !/^[\p{Ps}\p{Pi}]/u.test(before);
}

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
/** Whether it has right-to-left letters. */
export function isRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

const JOINING = String.raw`[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}\p{Script=Mongolian}\p{Script=Adlam}\p{Script=Mandaic}]`;
const ENDS_JOINING = new RegExp(String.raw`${JOINING}\p{M}*$`, "u");
const STARTS_JOINING = new RegExp(`^${JOINING}`, "u");
/** Whether the shape of the letters depends on both texts being drawn as one. */
export function joins(before: string, after: string): boolean {
  return ENDS_JOINING.test(before) && STARTS_JOINING.test(after);
}

const DIGIT = /^\p{Nd}/u;

/**
 * Indices of the characters of a row in visual order, in a left-to-right paragraph: runs of right-to-left words are
 * reversed, numbers in them are not. The result of UAX #9 for such plain cases.
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

/** End of the run of right-to-left words that begins at `start`; `start` if there is none. */
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
