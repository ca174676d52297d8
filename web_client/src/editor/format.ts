/** How numbers and token texts are written for people. */

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

/** A token's text with what cannot be seen made visible: `·` for a leading space, `↵`, `⇥`. */
export function visibleText(text: string): string {
  return text
    .replaceAll("\r", "␍")
    .replaceAll("\n", "↵")
    .replaceAll("\t", "⇥")
    // eslint-disable-next-line no-control-regex -- control characters are what is made visible here
    .replace(/[\u0000-\u001f]/g, (control) => String.fromCodePoint(0x2400 + (control.codePointAt(0) as number)))
    .replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length));
}
