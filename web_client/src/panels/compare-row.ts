/** What a row shows about two texts: its value in the right one at the cursor, the difference, and where that is
 * largest. */
import { css, html, nothing, type TemplateResult } from "lit";
import { classOf } from "../colour/palette";
import { bucketOf } from "../colour/scale";
import { formatDifference, formatValue, visibleText } from "../editor/format";
import type { Comparison, Passage, Workbench } from "../workbench";

export const compareRowStyles = css`
  .there { flex: none; width: 62px; padding: 0 5px; border-radius: 4px; text-align: right; font-size: 12.5px; line-height: 20px; }
  .delta { flex: none; min-width: 62px; padding: 0 5px; text-align: right; font-size: 12.5px; line-height: 20px; border-radius: 4px; }
  /* Narrow: the right value is the left one and the difference. */
  @container (max-width: 400px) {
    .there { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  }
`;

export function comparedTemplate(workbench: Workbench, comparison: Comparison, key: string, focused: boolean): TemplateResult {
  const { rows } = workbench;
  const { right } = comparison;
  const token = comparison.cursor.right;
  const there = token === null ? NaN : right.value(key, token);
  const difference = token === null ? NaN : comparison.differences(key)[token] ?? NaN;
  const departure = comparison.departure(key);
  const shade = (value: number): string => classOf(bucketOf(value, workbench.scale(key)));
  return html`
    <span translate="no" class="there number ${shade(there)}" data-testid="value-there"><span class="sr">right: </span>${token === null ? nothing : formatValue(there)}</span>
    <span translate="no" class="delta number ${shade(difference)}" data-testid="value-difference"><span class="sr">difference: </span>${Number.isNaN(difference) ? "–" : formatDifference(difference)}</span>
    ${departure === null ? nothing : html`
      <button class="peak" tabindex=${focused ? "0" : "-1"} data-testid="row-departure"
        title="Largest difference at a token that is the same in both texts. Click to go there"
        @click=${() => { rows.setFocus(key); right.reveal(departure.token); }}>
        <span class="sr">largest difference: </span><span translate="no" class="mono">${visibleText(right.document.tokens.infos[departure.token]?.text ?? "")}</span>
        <span translate="no" class="number">${formatDifference(departure.difference)}</span></button>`}`;
}

/** The column heads: the token at the pointer or caret, in both texts. */
export function comparedHeads(comparison: Comparison): TemplateResult {
  const { left, right } = comparison;
  const head = ({ cursor, document }: Passage): TemplateResult => (cursor === null
    ? html`<span>no partner</span>`
    : html`<span translate="no" class="mono">${visibleText(document.tokens.at(cursor).text)}</span><span translate="no" class="number">token ${cursor}</span>`);
  const nowhere = left.cursor === null && right.cursor === null;
  return html`<div class="heads" translate="no" data-testid="cursor">
    ${nowhere ? html`<span>point at a token to see its values</span>` : html`
      <span>left</span>${head(left)}<span>right</span>${head(right)}`}
    <span class="end">Δ and largest Δ</span></div>`;
}
