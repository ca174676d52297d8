/** Styles that several panels share. Custom properties come from the page's style sheet. */
import { css, unsafeCSS } from "lit";
import { adaptiveColourOf, buckets, classOf } from "../colour/palette";

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
  .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

export const bucketStyles = unsafeCSS(
  buckets.map((bucket) => `.${classOf(bucket)} { background-color: ${adaptiveColourOf(bucket)}; }`).join("\n"),
);
