/** The rank of a neuron's maximum on this text among its activations over held-out text: a bar and a few characters. */
import { css, html, svg, type TemplateResult } from "lit";
import type { NeuronStatistics } from "../client";
import { rankLabel, rankMarks, rankOf, rankWords } from "../colour/rank";
import { formatValue } from "../editor/format";

const WIDTH = 64;
const HEIGHT = 7;

export const rankStyles = css`
  .rank { display: grid; gap: 2px; width: ${WIDTH}px; align-content: center; font-size: 11px; line-height: 1.2; color: var(--muted); }
  .rank svg { display: block; width: ${WIDTH}px; height: ${HEIGHT}px; }
  .rank .track { fill: var(--line); }
  .rank .fill { fill: var(--neuro-ink); }
  .rank .mark { fill: var(--page); }
`;

/** The bar of one neuron; empty without statistics. `max` is its largest value on this text. */
export function rankBar(max: number, statistics: NeuronStatistics | null): TemplateResult {
  if (statistics === null) return html`<span class="rank" title="This model has no statistics to compare with" data-testid="rank"></span>`;
  if (Number.isNaN(max)) return html`<span class="rank" data-testid="rank"></span>`;
  const rank = rankOf(max, statistics);
  const words = `${formatValue(max)} is ${rankWords(rank)}. ${statisticsWords(statistics)}`;
  return html`
    <span translate="no" class="rank number" data-testid="rank" data-level=${rank.record ? "1" : String(rank.level ?? 0)} title=${words}>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width=${WIDTH} height=${HEIGHT} rx="1.5"></rect>
        <rect class="fill" width=${Math.max(1, rank.place * WIDTH).toFixed(1)} height=${HEIGHT} rx="1.5"></rect>
        ${rankMarks(statistics).map(({ place }) => svg`<rect class="mark" x=${(place * WIDTH - 0.5).toFixed(1)} width="1" height=${HEIGHT}></rect>`)}
      </svg>
      <span>${rankLabel(rank)}</span><span class="sr">: ${words}</span>
    </span>`;
}

/** A neuron's statistics over the corpus, as a sentence. */
export function statisticsWords({ max, min, mean, density, quantiles }: NeuronStatistics): string {
  const levels = Object.entries(quantiles)
    .filter(([level]) => Number(level) >= 0.9)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([level, value]) => `${Number((Number(level) * 100).toFixed(4))} % is ${formatValue(value)}`);
  const known = [`max ${formatValue(max)}`, ...levels.reverse(), `mean ${formatValue(mean)}`, `min ${formatValue(min)}`].join(", ");
  return `Over held-out text: ${known}; above 0 on ${(density * 100).toFixed(1)} % of tokens.`;
}
