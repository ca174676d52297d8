/** The line above the text: which neuron colours it, what the colours mean, and its extremes on this text. */
import { css, html, nothing, type TemplateResult } from "lit";
import { neuronName, type NeuronStatistics } from "../client";
import { rankOf, rankWords } from "../colour/rank";
import { buckets, classOf, hueClass } from "../colour/palette";
import { formatValue, visibleText } from "../editor/format";
import { Panel } from "./panel";
import { statisticsWords } from "./rank-bar";
import { base, bucketStyles } from "./styles";

export class FocusPanel extends Panel {
  static override styles = [base, bucketStyles, css`
    /* Depends on the panel's width, not the window's. */
    :host { padding: 7px 16px; border-bottom: 1px solid var(--line); container-type: inline-size; }
    .bar { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 20px; min-height: 34px; }
    .group { display: flex; align-items: center; gap: 6px; }
    .swatch { width: 12px; height: 12px; border-radius: 3px; background: var(--neuro-ink); }
    label { display: flex; align-items: center; gap: 5px; font-size: 12px; color: var(--muted); }
    .place { width: 62px; font-size: 14px; font-weight: 650; color: var(--text); }
    .place.layer { width: 46px; }
    .steps { display: flex; }
    .steps button { padding: 3px 9px; }
    .steps button:first-child { border-radius: 6px 0 0 6px; }
    .steps button:last-child { border-radius: 0 6px 6px 0; margin-left: -1px; }
    .scale { display: grid; grid-template-columns: auto minmax(80px, 200px) auto; align-items: center; gap: 1px 7px; flex: 0 1 300px; font-size: 12px; }
    .legend { display: flex; height: 12px; border-radius: 3px; overflow: hidden; box-shadow: inset 0 0 0 1px var(--line); }
    .legend span { flex: 1; }
    .origin { grid-column: 1 / -1; text-align: center; font-size: 11px; line-height: 1.2; color: var(--muted); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
    .text-range { display: flex; gap: 4px; font-size: 13px; }
    .text-range button { display: flex; align-items: baseline; gap: 6px; padding: 2px 6px; min-height: 28px; max-width: 190px; color: var(--muted); }
    .text-range b { font-weight: 650; color: var(--text); }
    .text-range .mono { overflow: hidden; text-overflow: ellipsis; white-space: pre; min-width: 0; font-size: 12px; }
    .stripes { margin-left: auto; padding: 2px 10px; font-size: 12.5px; color: var(--muted); }
    .stripes[aria-pressed="true"] { color: var(--text); background: var(--hover); }
    @container (max-width: 900px) { .bar { column-gap: 14px; } .scale { flex-basis: 240px; } .text-range button.lowest { display: none; } }
    @container (max-width: 760px) {
      .bar { column-gap: 12px; }
      .more { display: none; }
      .scale { grid-template-columns: auto minmax(76px, 1fr) auto; flex: 1 1 180px; max-width: 240px; }
      .text-range button { max-width: 130px; }
    }
    @container (max-width: 580px) { .scale { order: 2; max-width: none; } .text-range { order: 1; } .text-range button { padding-left: 0; } }
    .none { color: var(--muted); padding: 6px 0; }
  `];

  override render(): TemplateResult {
    const { workbench } = this;
    const { rows, view } = workbench;
    const key = rows.focus;
    if (key === null) return html`<p class="none" data-testid="focus-none">No neuron in focus. Add one, for example L0N0.</p>`;
    const name = neuronName(key);
    const statistics = workbench.client.subscriptions.neuron(key)?.statistics ?? null;
    const { min, max } = workbench.scale(key);
    return html`
      <div class="bar ${hueClass(rows.get(key)?.hue ?? 0)}" data-testid="focus" data-key=${key}>
        <div class="group" role="group" aria-label="Neuron that colours the text">
          <span class="swatch"></span>
          ${name === null ? html`<span translate="no" class="mono">${key}</span>` : html`
            ${this.#place("Layer", name.layer, "layer", (step) => { rows.step(key, { layers: step }); })}
            ${this.#place("Neuron", name.neuron, "neuron", (step) => { rows.step(key, { neurons: step }); })}
            <div class="steps">
              <button data-testid="step-down" aria-label="Previous neuron" title="Previous neuron (↓ in the field)"
                @click=${() => { rows.step(key, { neurons: -1 }); }}>‹</button>
              <button data-testid="step-up" aria-label="Next neuron" title="Next neuron (↑ in the field)"
                @click=${() => { rows.step(key, { neurons: 1 }); }}>›</button>
            </div>`}
        </div>
        <div translate="no" class="scale number" title=${statistics === null ? nothing : statisticsWords(statistics)}>
          <span>${formatValue(min)}</span>
          <div class="legend" role="img" aria-label="Colours from ${formatValue(min)} to ${formatValue(max)}">${buckets.map((bucket) => html`<span class=${classOf(bucket)}></span>`)}</div>
          <span>${formatValue(max)}</span>
          <span class="origin" data-testid="range-origin">${workbench.origin(key)}</span>
        </div>
        <div translate="no" class="text-range number" role="group" aria-label="On this text">${this.#extreme(key, "max", statistics)}${this.#extreme(key, "min", null)}</div>
        ${rows.keys.length < 2 ? nothing : html`
          <button class="stripes" data-testid="stripes" aria-pressed=${view.state.stripes} title="The other neurons as stripes under the text (Alt-Shift-S)"
            @click=${() => { view.toggle("stripes"); }}>Stripes</button>`}
      </div>`;
  }

  /** The largest or smallest value on this text, without special tokens; a click goes there. */
  #extreme(key: string, which: "max" | "min", statistics: NeuronStatistics | null): TemplateResult {
    const { workbench } = this;
    const extent = workbench.document.activations.extent(key);
    const value = extent?.[which] ?? NaN;
    const token = extent === null ? "" : visibleText(workbench.document.tokens.at(which === "max" ? extent.maxAt : extent.minAt).text);
    const rank = statistics === null || extent === null ? "" : `, ${rankWords(rankOf(value, statistics))}`;
    return html`<button class="quiet ${which === "min" ? "lowest" : ""}" ?disabled=${extent === null}
      title="${which === "max" ? "Strongest" : "Lowest"} on this text${rank}. Click to go there" @click=${() => { workbench.revealExtreme(key, which); }}>
      ${which} <b data-testid="text-${which}">${formatValue(value)}</b><span translate="no" class="mono">${token}</span></button>`;
  }

  /** A field for a layer or a neuron's number; up and down step. */
  #place(label: string, value: number, kind: "layer" | "neuron", step: (by: number) => void): TemplateResult {
    const arrow = (event: KeyboardEvent): void => {
      const by = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (by === 0) return;
      event.preventDefault();
      step(by);
    };
    return html`<label><span>${label[0]}<span class="more">${label.slice(1)}</span></span><input aria-label=${label} class="place number ${kind}" data-testid="focus-${kind}" inputmode="numeric" autocomplete="off"
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
}

/** A whole number; NaN for anything else, including an empty field. */
function readNatural(input: string): number {
  return /^\s*\d+\s*$/.test(input) ? Number(input) : NaN;
}
