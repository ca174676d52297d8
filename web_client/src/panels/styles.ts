/** Styles that several panels share. Custom properties come from the page's style sheet. */
import { css, unsafeCSS } from "lit";
import { buckets, classOf, HUES, hueClass, hueProperties, washOf } from "../colour/palette";

export const base = css`
  :host { display: block; }
  * { box-sizing: border-box; }
  p { margin: 0; }
  button, input, select { font: inherit; color: inherit; }
  button, select {
    background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 3px 9px; min-height: 28px; cursor: pointer;
  }
  button:hover:not(:disabled), select:hover { border-color: var(--muted); }
  button:disabled { opacity: .45; cursor: default; }
  button.quiet { border-color: transparent; background: none; color: var(--muted); }
  button.quiet:hover:not(:disabled) { color: var(--text); background: var(--hover); }
  input {
    background: var(--field); border: 1px solid var(--line); border-radius: 6px; padding: 3px 7px; min-height: 28px; min-width: 0;
  }
  input[aria-invalid="true"] { border-color: var(--warning); outline-color: var(--warning); }
  :is(button, input, select, a):focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
  .number { font-variant-numeric: tabular-nums; }
  .muted { color: var(--muted); }
  .mono { font-family: var(--mono); }
  /* In a contrast theme, colours with a meaning stay; everything else follows the theme. */
  .swatch, .dot, [class*="neuro-hue"]::before, [aria-checked]::before, progress { forced-color-adjust: none; }
  @media (forced-colors: active) {
    :is([aria-pressed="true"], [aria-selected="true"], :checked + span) { outline: 2px solid Highlight; outline-offset: -2px; }
  }
  .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

/** Classes of hues and buckets: an element of class `neuro-hue-3` sets the hue of the buckets in it. */
export const bucketStyles = unsafeCSS([
  ...Array.from({ length: HUES }, (_, hue) => `.${hueClass(hue)} { ${declarations(hueProperties(hue))} }`),
  ...buckets.map((bucket) => `.${classOf(bucket)} { background-color: ${washOf(bucket)}; }`),
  ".number[class*=neuro-], .legend { forced-color-adjust: none; }",
  "@media (forced-colors: active) { .number[class*=neuro-] { color: CanvasText; } }",
].join("\n"));

function declarations(properties: Record<string, string>): string {
  return Object.entries(properties).map(([name, value]) => `${name}: ${value};`).join(" ");
}
