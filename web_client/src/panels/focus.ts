/** The header over the text: which neuron colours it, on which scale, and what it does on this text. */
import { css, html, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { neuronName, type NeuronStatistics } from "../client";
import { buckets, classOf, hueClass } from "../colour/palette";
import { parseBound } from "../colour/scale";
import { formatValue, visibleText } from "../editor/format";
import { Panel } from "./panel";
import { base, bucketStyles } from "./styles";

export class FocusPanel extends Panel {
  static override styles = [base, bucketStyles, css`
    :host { padding: 12px 16px 10px; border-bottom: 1px solid var(--line); }
    .rows { display: flex; flex-wrap: wrap; align-items: end; gap: 10px 22px; }
    .group { display: flex; align-items: end; gap: 8px; }
    label, .label { display: grid; gap: 2px; font-size: 11px; color: var(--muted); letter-spacing: .01em; }
    label input { font-size: 14px; color: var(--text); }
    .place { width: 84px; font-weight: 650; }
    .place.layer { width: 62px; }
    .bound { width: 76px; }
    .steps { display: flex; }
    .steps button { padding: 3px 8px; }
    .steps button:first-child { border-radius: 6px 0 0 6px; }
    .steps button:last-child { border-radius: 0 6px 6px 0; margin-left: -1px; }
    .legend { display: flex; flex: 1; height: 28px; min-width: 132px; border-radius: 6px; overflow: hidden; }
    .legend span { flex: 1; }
    .scale { flex: 1 1 300px; max-width: 460px; }
    .scale .label { flex: 1; }
    .text-range { display: grid; gap: 2px; font-size: 11px; color: var(--muted); margin-left: auto; }
    .text-range div { font-size: 14px; color: var(--text); min-height: 28px; display: flex; gap: 14px; align-items: center; }
    .text-range b { font-weight: 650; }
    /* The width that counts is the panel's own, not the window's. */
    :host { container-type: inline-size; }
    @container (max-width: 780px) {
      .scale { flex-basis: 230px; }
      .legend { min-width: 64px; }
      .text-range div { display: grid; gap: 0; line-height: 1.25; font-size: 13px; align-content: center; min-height: 30px; }
      .text-range span { display: flex; justify-content: space-between; gap: 8px; }
      .rows { column-gap: 16px; }
      .bound { width: 68px; }
    }
    @container (max-width: 600px) {
      .scale { order: 1; flex-basis: 100%; max-width: none; }
    }
    @container (max-width: 420px) { .place { width: 66px; } .place.layer { width: 48px; } }
    .none { color: var(--muted); padding: 4px 0; }
  `];

  override render(): TemplateResult {
    const { workbench } = this;
    const key = workbench.rows.focus;
    if (key === null) return html`<p class="none" data-testid="focus-none">No neuron in focus. Add one, as L0N0.</p>`;
    const name = neuronName(key);
    const extent = workbench.document.activations.extent(key);
    const statistics = workbench.client.subscriptions.neuron(key)?.statistics ?? null;
    return html`
      <div class="rows" data-testid="focus" data-key=${key}>
        <div class="group" role="group" aria-label="Neuron that colours the text">
          ${name === null ? html`<span class="mono">${key}</span>` : html`
            ${this.#place("Layer", name.layer, "layer", (step) => { workbench.rows.step(key, { layers: step }); })}
            ${this.#place("Neuron", name.neuron, "neuron", (step) => { workbench.rows.step(key, { neurons: step }); })}
            <div class="steps">
              <button data-testid="step-down" aria-label="Previous neuron" title="Previous neuron (↓ in the field)"
                @click=${() => { workbench.rows.step(key, { neurons: -1 }); }}>‹</button>
              <button data-testid="step-up" aria-label="Next neuron" title="Next neuron (↑ in the field)"
                @click=${() => { workbench.rows.step(key, { neurons: 1 }); }}>›</button>
            </div>`}
        </div>
        ${keyed(key, html`<div class="group scale" role="group" aria-label="Colour range">
          ${this.#bound(key, "min")}
          <div class="label">
            <span>colour range · <span data-testid="range-origin" title=${statisticsText(statistics)}>${workbench.origin(key)}</span></span>
            <div class="legend ${hueClass(workbench.rows.get(key)?.hue ?? 0)}" aria-hidden="true">${buckets.map((bucket) => html`<span class=${classOf(bucket)}></span>`)}</div>
          </div>
          ${this.#bound(key, "max")}
        </div>`)}
        <div class="text-range" title="Over the text's own tokens; special tokens are left out">on this text
          <div class="number">
            <span>max <b data-testid="text-max">${formatValue(extent?.max ?? NaN)}</b></span>
            <span>min <b data-testid="text-min">${formatValue(extent?.min ?? NaN)}</b></span>
          </div>
        </div>
      </div>
      <p class="sr">${extent === null ? "" : `Strongest at ${visibleText(workbench.document.tokens.at(extent.maxAt).text)}`}</p>`;
  }

  /** A field for a layer or a neuron's number; up and down step. */
  #place(label: string, value: number, kind: "layer" | "neuron", step: (by: number) => void): TemplateResult {
    const arrow = (event: KeyboardEvent): void => {
      const by = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (by === 0) return;
      event.preventDefault();
      step(by);
    };
    return html`<label>${label}
      <input class="place number ${kind}" data-testid="focus-${kind}" inputmode="numeric" autocomplete="off"
        .value=${String(value)} @change=${this.#go} @keydown=${arrow}></label>`;
  }

  readonly #go = (): void => {
    const { workbench } = this;
    const [layer, neuron] = this.renderRoot.querySelectorAll<HTMLInputElement>(".place");
    const name = workbench.rows.focus === null ? null : neuronName(workbench.rows.focus);
    if (layer === undefined || neuron === undefined || workbench.rows.focus === null || name === null) return;
    const wanted = { layer: readNatural(layer.value), neuron: readNatural(neuron.value) };
    const wrong = workbench.rows.outside(wanted.layer, wanted.neuron);
    if (wrong === null) {
      workbench.rows.replace(workbench.rows.focus, wanted.layer, wanted.neuron);
    } else {
      workbench.notices.notify(wrong);
      layer.value = String(name.layer);
      neuron.value = String(name.neuron);
    }
  };

  /** A field for one end of the colour range; empty is automatic, and shows which value that is. */
  #bound(key: string, side: "min" | "max"): TemplateResult {
    const { workbench } = this;
    const typed = workbench.rows.range(key);
    const change = (event: Event): void => {
      const input = event.target as HTMLInputElement;
      const bound = parseBound(input.value, side);
      const bad = Number.isNaN(bound);
      input.setAttribute("aria-invalid", String(bad));
      if (bad) workbench.notices.notify(`${side} is a number, 0 or ${side === "max" ? "more" : "less"}; empty is automatic.`);
      else workbench.rows.setRange(key, { ...typed, [side]: bound });
    };
    return html`<label>${side}
      <input class="bound number" data-testid="range-${side}" inputmode="text" autocomplete="off"
        placeholder=${formatValue(workbench.scale(key)[side])} .value=${String(typed[side] ?? "")} @change=${change}></label>`;
  }
}

/** What is known of the neuron over the corpus, in a sentence. */
function statisticsText(statistics: NeuronStatistics | null): string {
  if (statistics === null) return "";
  const { max, min, mean, density } = statistics;
  const [highest, lowest, middle] = [max, min, mean].map(formatValue);
  return `Over held-out text: max ${highest}, min ${lowest}, mean ${middle}, above 0 at ${(density * 100).toFixed(1)} % of the tokens`;
}

/** A whole number as typed; NaN for anything else, the empty field included. */
function readNatural(input: string): number {
  return /^\s*\d+\s*$/.test(input) ? Number(input) : NaN;
}
