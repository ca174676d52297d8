/** The range of a neuron's colours: from its statistics, from this text, or as typed. */
import { css, html, type PropertyDeclarations, type TemplateResult } from "lit";
import { automatic, parseBound, type TypedRange } from "../colour/scale";
import { formatValue } from "../editor/format";
import { Panel } from "./panel";
import { base } from "./styles";

const modes = ["statistics", "text", "typed"] as const;
type Mode = (typeof modes)[number];

export class RangeControl extends Panel {
  static override properties: PropertyDeclarations = { neuron: { attribute: false } };
  static override styles = [base, css`
    :host { container-type: inline-size; font-size: 12px; }
    .range { display: flex; align-items: center; gap: 8px; }
    [role="radiogroup"] { display: flex; }
    .mode { position: relative; }
    .mode input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
    .mode span { display: block; padding: 3px 7px; border: 1px solid var(--line); margin-left: -1px; color: var(--muted); background: var(--page); }
    .mode:first-child span { border-radius: 6px 0 0 6px; margin-left: 0; }
    .mode:last-child span { border-radius: 0 6px 6px 0; }
    .mode:hover span { color: var(--text); }
    .mode input:checked + span { color: var(--text); font-weight: 650; background: var(--hover); }
    .mode input:focus-visible + span { outline: 2px solid var(--accent); outline-offset: 1px; position: relative; }
    .bounds { display: flex; align-items: center; gap: 4px; margin-left: auto; color: var(--muted); }
    .bounds input { width: 58px; min-height: 26px; padding: 2px 5px; color: var(--text); }
    @container (max-width: 320px) { .mode span { padding: 3px 5px; font-size: 11.5px; } .bounds input { width: 48px; padding: 2px 4px; font-size: 12px; } .range { gap: 5px; } }
  `];
  declare neuron: string;

  override render(): TemplateResult {
    const { neuron, workbench } = this;
    const range = workbench.rows.range(neuron);
    const mode = modeOf(range);
    const names: Record<Mode, string> = {
      statistics: (workbench.client.subscriptions.neuron(neuron)?.statistics ?? null) === null ? "Widest" : "Statistics",
      text: "This text",
      typed: "Typed",
    };
    return html`<div class="range">
      <div role="radiogroup" aria-label="Colour range of ${neuron}">${modes.map((name) => html`
        <label class="mode"><input type="radio" name="mode" data-testid="range-${name}" .checked=${name === mode}
          @change=${() => { this.#choose(name); }}><span>${names[name]}</span></label>`)}
      </div>
      <div class="bounds">${this.#bound(range, "min")}<span aria-hidden="true">–</span>${this.#bound(range, "max")}</div>
    </div>`;
  }

  /** A field for one end; empty means automatic, and shows that value. */
  #bound(range: TypedRange, side: "min" | "max"): TemplateResult {
    const { neuron, workbench } = this;
    const change = (event: Event): void => {
      const input = event.target as HTMLInputElement;
      const bound = parseBound(input.value, side);
      const bad = Number.isNaN(bound);
      input.setAttribute("aria-invalid", String(bad));
      if (bad) workbench.notices.notify(`${side} must be a number, 0 or ${side === "max" ? "more" : "less"}. Leave it empty for automatic.`);
      else workbench.rows.setRange(neuron, { ...workbench.rows.range(neuron), [side]: bound }); // the current one, not the last rendered one
    };
    return html`<input class="number" data-testid="range-${side}" inputmode="text" autocomplete="off"
      aria-label="${side === "min" ? "Lowest" : "Highest"} value of the colours; empty is automatic" title="${side} of the colours; empty is automatic"
      placeholder=${formatValue(workbench.scale(neuron)[side])} .value=${String(range[side] ?? "")} @change=${change}>`;
  }

  #choose(mode: Mode): void {
    const { neuron, workbench } = this;
    if (mode === "statistics") workbench.rows.setRange(neuron, automatic);
    else if (mode === "text") workbench.rows.setRange(neuron, { min: null, max: null, text: true });
    else {
      const { min, max } = workbench.scale(neuron);
      workbench.rows.setRange(neuron, { min: rounded(min), max: rounded(max) });
      this.requestUpdate(); // at once: the fields must have their values before anyone edits them
      void this.updateComplete.then(() => { this.renderRoot.querySelector<HTMLInputElement>("[data-testid=range-max]")?.select(); });
    }
  }
}

/** Where the ends of a range come from. */
export function modeOf({ min, max, text }: TypedRange): Mode {
  return min !== null || max !== null ? "typed" : text === true ? "text" : "statistics";
}

/** To three digits, as one would type it. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
