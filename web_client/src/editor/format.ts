/** Numbers and token texts for people. */
import { withSigns } from "./characters";

/** A value with three significant decimals where they matter; a real minus sign; a dash for none. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const text = size >= 100 ? size.toFixed(1) : size >= 10 ? size.toFixed(2) : size.toFixed(3);
  return (value < 0 && Number(text) !== 0 ? "\u2212" : "") + text;
}

/** A share as a percentage; a dash for none. */
export function formatShare(share: number | null): string {
  if (share === null) return "–";
  const percent = Math.round(Math.abs(share) * 100);
  return `${share < 0 && percent > 0 ? "\u2212" : ""}${percent} %`;
}

/** A difference, always with its sign. */
export function formatDifference(difference: number): string {
  return difference > 0 ? `+${formatValue(difference)}` : formatValue(difference);
}

/** A token's text with signs for what cannot be seen: `·` for spaces at its ends, `↵`, `⇥`, `‹ZWSP›`. */
export function visibleText(text: string): string {
  return withSigns(text)
    .replaceAll("\n", "↵")
    .replaceAll("\t", "⇥")
    .replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length));
}
