/** The header over the text: which neuron colours it, on which scale, and what it does on this text. */
import { css, html, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { neuronName, type NeuronStatistics } from "../client";
import { buckets, classOf } from "../colour/palette";
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
    .legend { display: flex; height: 28px; min-width: 132px; flex: 1; border-radius: 6px; overflow: hidden; box-shadow: inset 0 0 0 1px var(--line); }
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
    const key = workbench.focus;
    if (key === null) return html`<p class="none" data-testid="focus-none">No neuron in focus. Add one, as L0N0.</p>`;
    const name = neuronName(key);
    const scale = workbench.scale(key);
    const typed = workbench.typedRange(key);
    const extent = workbench.document.activations.extent(key);
    const statistics = workbench.client.subscriptions.neuron(key)?.statistics ?? null;
    const origin = typed.min !== null || typed.max !== null ? "typed" : statistics === null ? "widest seen" : "from statistics";
    return html`
      <div class="rows" data-testid="focus" data-key=${key}>
        <div class="group" role="group" aria-label="Neuron that colours the text">
          ${name === null ? html`<span class="mono">${key}</span>` : html`
            <label>Layer
              <input class="place layer number" data-testid="focus-layer" inputmode="numeric" autocomplete="off" .value=${String(name.layer)}
                @change=${this.#go} @keydown=${this.#arrow(key, "layers")}></label>
            <label>Neuron
              <input class="place number" data-testid="focus-neuron" inputmode="numeric" autocomplete="off" .value=${String(name.neuron)}
                @change=${this.#go} @keydown=${this.#arrow(key, "neurons")}></label>
            <div class="steps">
              <button data-testid="step-down" aria-label="Previous neuron" title="Previous neuron (↓ in the field)"
                @click=${() => { workbench.step(key, { neurons: -1 }); }}>‹</button>
              <button data-testid="step-up" aria-label="Next neuron" title="Next neuron (↑ in the field)"
                @click=${() => { workbench.step(key, { neurons: 1 }); }}>›</button>
            </div>`}
        </div>
        ${keyed(key, html`<div class="group scale" role="group" aria-label="Colour range">
          <label>min<input class="bound number" data-testid="range-min" inputmode="decimal" autocomplete="off" placeholder=${formatValue(scale.min)}
            .value=${typed.min === null ? "" : String(typed.min)} @change=${this.#bound("min")}></label>
          <div class="label"><span>colour range · <span data-testid="range-origin" title=${statistics === null ? "" : statisticsText(statistics)}>${origin}</span></span>
            <div class="legend" aria-hidden="true">${buckets.map((bucket) => html`<span class=${classOf(bucket)}></span>`)}</div>
          </div>
          <label>max<input class="bound number" data-testid="range-max" inputmode="decimal" autocomplete="off" placeholder=${formatValue(scale.max)}
            .value=${typed.max === null ? "" : String(typed.max)} @change=${this.#bound("max")}></label>
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

  #arrow(key: string, unit: "neurons" | "layers") {
    return (event: KeyboardEvent): void => {
      const step = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (step === 0) return;
      event.preventDefault();
      this.workbench.step(key, { [unit]: step });
    };
  }

  readonly #go = (): void => {
    const { workbench } = this;
    const [layerField, neuronField] = this.renderRoot.querySelectorAll<HTMLInputElement>(".place");
    const { model } = workbench.client;
    const name = workbench.focus === null ? null : neuronName(workbench.focus);
    if (layerField === undefined || neuronField === undefined || workbench.focus === null || name === null || model === null) return;
    const layer = readNatural(layerField.value);
    const neuron = readNatural(neuronField.value);
    if (Number.isInteger(layer) && Number.isInteger(neuron) && layer >= 0 && neuron >= 0 && layer < model.layers && neuron < model.neuronsPerLayer) {
      void workbench.replace(workbench.focus, layer, neuron);
    } else {
      workbench.notify(`This model has layers 0 to ${model.layers - 1}, with neurons 0 to ${model.neuronsPerLayer - 1}.`);
      layerField.value = String(name.layer);
      neuronField.value = String(name.neuron);
    }
  };

  #bound(side: "min" | "max") {
    return (event: Event): void => {
      const input = event.target as HTMLInputElement;
      const key = this.workbench.focus;
      const bound = parseBound(input.value, side);
      const bad = Number.isNaN(bound);
      input.setAttribute("aria-invalid", String(bad));
      if (bad) this.workbench.notify(side === "max" ? "max is a number, 0 or more; empty is automatic." : "min is a number, 0 or less; empty is automatic.");
      else if (key !== null) this.workbench.setTypedRange(key, { ...this.workbench.typedRange(key), [side]: bound });
    };
  }
}

/** What is known of the neuron over the corpus, in a sentence. */
function statisticsText({ max, min, mean, density }: NeuronStatistics): string {
  return `Over held-out text: max ${formatValue(max)}, min ${formatValue(min)}, mean ${formatValue(mean)}, above 0 at ${(density * 100).toFixed(1)} % of the tokens`;
}

/** A whole number as typed; NaN for anything else, the empty field included. */
function readNatural(input: string): number {
  return /^\s*\d+\s*$/.test(input) ? Number(input) : NaN;
}
