/** The look of an editor with its neurons in other pages, in a shadow root. */
import { css, type CSSResult, html, type TemplateResult } from "lit";
import { hueClass } from "../colour/palette";
import { formatValue } from "../editor";
import { base, bucketStyles } from "../panels/styles";

export const look: CSSResult[] = [base, bucketStyles, css`
  :host {
    --sans: system-ui, sans-serif;
    --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    --text: light-dark(#1c1e21, #ecedee);
    --muted: light-dark(#5c636b, #a3abb3);
    --page: light-dark(#ffffff, #17191c);
    --raised: light-dark(#fafaf9, #1f2226);
    --field: var(--page);
    --line: light-dark(#d9dad7, #3a4046);
    --hover: light-dark(#f1f2ef, #23272b);
    --accent: light-dark(#0b7265, #4fc7b5);
    display: flex; flex-direction: column; border: 1px solid var(--line); border-radius: 6px; overflow: clip;
    background: var(--page); color: var(--text); font: 13px/1.45 var(--sans);
  }
  :host([hidden]) { display: none; }
  .bar { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 4px; padding: 4px 8px; border-bottom: 1px solid var(--line); }
  .bar button { display: flex; align-items: center; gap: 6px; min-height: 26px; padding: 0 7px; color: var(--text); }
  .bar button[aria-pressed="true"] { background: var(--hover); font-weight: 600; }
  .swatch { width: 11px; height: 11px; border-radius: 3px; background: var(--neuro-ink, var(--accent)); }
  .value { min-width: 5.2ch; text-align: right; color: var(--muted); font-weight: 400; }
  .status { margin: 0 0 0 auto; padding: 0 4px; color: var(--muted); display: flex; gap: 8px; align-items: center; }
  .status button { text-decoration: underline; }
  .host { flex: 1; min-height: 0; display: flex; }
  .cm-editor { flex: 1; min-width: 0; }
  .cm-editor .cm-content { padding-bottom: 14px; }
`];

export interface NeuronLook {
  readonly key: string;
  readonly hue: number;
  /** It colours the text. */
  readonly focused: boolean;
  /** At the token under the pointer; NaN without a value, null without a token. */
  readonly value: number | null;
}

export function neuronButton({ key, hue, focused, value }: NeuronLook, choose: () => void): TemplateResult {
  return html`
    <button class="quiet ${hueClass(hue)}" data-testid="neuron" data-key=${key} aria-pressed=${String(focused)} @click=${choose}>
      <span class="swatch"></span>${key}
      <span translate="no" class="value number">${value === null ? "" : formatValue(value)}</span>
    </button>`;
}
