/**
 * One neuron of the list, in two lines; the one in focus has two more with further controls.
 *
 * All heights are fixed, so that the position of a row is known without drawing the others.
 */
import { css, html, nothing, type TemplateResult } from "lit";
import { classOf, hueClass } from "../colour/palette";
import { bucketOf } from "../colour/scale";
import { formatValue, visibleText } from "../editor/format";
import { neuronpediaPage, type Row, type Workbench } from "../workbench";
import { comparedTemplate, compareRowStyles } from "./compare-row";
import { pinSign } from "./icons";
import { rankBar, rankStyles } from "./rank-bar";

/** Height of a row, and the extra height of the one in focus; px. */
export const ROW = 68;
export const DETAIL = 70;

export const rowStyles = [rankStyles, compareRowStyles, css`
  li {
    position: absolute; inset: 0 0 auto; height: ${ROW}px; overflow: hidden; border-bottom: 1px solid var(--line); background: var(--side);
    --left: 24px; --right: 14px;
  }
  li.opened { height: ${ROW + DETAIL}px; }
  li.last-pinned { border-bottom-color: var(--muted); }
  li::before { content: ""; position: absolute; inset: 0 auto 0 0; width: 0; background: var(--neuro-ink); }
  li.focused { background: var(--selected); }
  li.focused::before { width: 4px; }
  li:is(:hover, .pointed) { background: var(--hover); }
  li.focused:is(:hover, .pointed) { background: var(--selected); }
  li.pointed .name { text-decoration: underline; text-decoration-color: var(--neuro-ink); text-underline-offset: 3px; }
  li.dragged { z-index: 2; box-shadow: 0 0 0 1px var(--accent); background: var(--hover); }

  .line { display: flex; align-items: center; gap: 4px; height: 30px; padding: 3px calc(var(--right) - 8px) 0 var(--left); }
  .line button { min-height: 26px; padding: 0 5px; border: none; background: none; border-radius: 5px; }
  .line button:focus-visible { outline-offset: -2px; }
  .line .swatch { flex: none; width: 22px; padding: 0; margin-left: -5px; display: grid; place-items: center; }
  .swatch::before { content: ""; width: 11px; height: 11px; border-radius: 3px; background: var(--neuro-ink); border: 1.5px solid var(--neuro-ink); box-sizing: border-box; }
  .hidden .swatch::before { background: none; }
  .row { display: flex; align-items: center; gap: 6px; flex: none; width: 140px; text-align: left; margin-left: -5px; }
  .name { font-weight: 650; font-size: 14px; flex: 1; white-space: nowrap; }
  .hidden .name { color: var(--muted); font-weight: 500; }
  .name svg { width: 9px; height: 11px; margin-left: 4px; vertical-align: -1px; color: var(--muted); }
  .here { padding: 0 5px; border-radius: 4px; text-align: right; font-size: 12.5px; line-height: 20px; }
  .line .peak {
    display: flex; align-items: center; justify-content: flex-end; gap: 6px; min-width: 0; flex: 1 1 0; font-size: 12.5px; white-space: nowrap;
  }
  .line .peak.min { flex-grow: .8; color: var(--muted); }
  .peak:hover { background: var(--line); }
  .peak .mono { overflow: hidden; text-overflow: ellipsis; white-space: pre; min-width: 0; color: var(--muted); font-size: 12px; }
  .peak:hover .mono, .peak:focus-visible .mono { color: var(--text); }
  .line .remove { flex: none; width: 24px; padding: 0; font-size: 15px; line-height: 1; color: var(--muted); opacity: 0; }
  li:is(:hover, .focused) .remove, .remove:focus-visible { opacity: 1; }
  .remove:hover { color: var(--text); background: var(--line); }

  .plots { display: flex; align-items: center; gap: 10px; height: 36px; padding: 0 var(--right) 5px var(--left); }
  neuro-strip { flex: 1; min-width: 0; height: 31px; cursor: pointer; }
  .hidden neuro-strip { opacity: .5; }
  .waiting :is(.here, .peak, .rank) { opacity: .55; }

  .grip {
    position: absolute; left: 6px; top: 0; width: 16px; height: ${ROW - 1}px; cursor: grab; touch-action: none; opacity: 0;
    background: radial-gradient(circle, var(--muted) 1.2px, transparent 1.4px) 50% 50% / 5px 5px; background-clip: content-box; padding: 23px 3px 20px;
  }
  li:is(:hover, .focused) .grip { opacity: .8; }
  .dragged .grip { cursor: grabbing; }

  .detail { display: grid; grid-template-rows: 28px 28px; gap: 4px; padding: 1px var(--right) 0 var(--left); }
  .tools { display: flex; align-items: center; gap: 4px; font-size: 12px; }
  .tools button { min-height: 26px; padding: 0 8px; background: none; border-color: transparent; color: var(--muted); }
  .tools button:hover { color: var(--text); background: var(--hover); border-color: var(--line); }
  .tools button[aria-pressed="true"] { color: var(--text); border-color: var(--line); background: var(--page); }
  .stepper { display: flex; align-items: center; margin-right: 6px; color: var(--muted); }
  .stepper button { width: 26px; padding: 0; font-size: 15px; line-height: 1; }
  .tools .end { margin-left: auto; display: flex; align-items: center; gap: 4px; }
  .tools a { color: var(--muted); white-space: nowrap; padding: 0 4px; }
  .tools a:hover { color: var(--text); }

  @media (pointer: coarse) { .grip { opacity: .6; } .remove { opacity: 1; } li { --left: 30px; } .grip { width: 24px; } }
  /* Narrow: the lowest value keeps its number; its token is in the title. */
  @container (max-width: 400px) { .peak.min .mono { display: none; } .line .peak.min { flex: none; } .row { width: 130px; gap: 4px; } .here { padding: 0 3px; } }
`];

export interface RowPlace {
  /** Its index in the list, and the number of rows. */
  readonly index: number;
  readonly count: number;
  /** Its top's distance from the list's, px. */
  readonly top: number;
  readonly opened: boolean;
  readonly dragged: boolean;
  readonly lastPinned: boolean;
}

export interface RowActions {
  /** Begin to drag the row. */
  readonly grab: (event: PointerEvent, key: string) => void;
}

export function rowTemplate(workbench: Workbench, { key, hue, hidden, pinned }: Row, place: RowPlace, { grab }: RowActions): TemplateResult {
  const { cursor, document, rows } = workbench;
  const focused = key === rows.focus;
  const extent = document.activations.extent(key);
  const here = cursor === null ? NaN : workbench.value(key, cursor);
  const kinds = [hueClass(hue), focused ? "focused" : "", hidden ? "hidden" : "", key === rows.pointed ? "pointed" : "", place.opened ? "opened" : "", place.dragged ? "dragged" : "", place.lastPinned ? "last-pinned" : ""];
  const peak = (which: "max" | "min"): TemplateResult => {
    const at = extent?.[which === "max" ? "maxAt" : "minAt"] ?? null;
    const token = at === null ? "" : visibleText(document.tokens.at(at).text);
    const name = which === "max" ? "Strongest" : "Lowest";
    return html`
      <button class="peak ${which}" data-testid=${which} tabindex=${focused ? "0" : "-1"} ?disabled=${at === null}
        title="${name} on this text${at === null ? "" : `: ${token}, token ${at}`}. Click to go there (${which === "max" ? "M" : "N"})"
        @click=${() => { workbench.revealExtreme(key, which); }}>
        <span class="sr">${name}: </span><span translate="no" class="mono" data-testid="${which}-token">${token}</span>
        <span translate="no" class="number" data-testid="${which}-value">${formatValue(extent?.[which] ?? NaN)}</span></button>`;
  };
  return html`
    <li class=${kinds.filter((kind) => kind !== "").join(" ")} data-testid="neuron-row" data-key=${key} .style=${`transform: translateY(${place.top}px)`}
      aria-setsize=${place.count} aria-posinset=${place.index + 1}
      @pointerenter=${() => { rows.point(key); }} @pointerleave=${() => { rows.point(null); }}>
      <span class="grip" data-testid="grip" title="Drag to move (Alt-↑, Alt-↓)" @pointerdown=${(event: PointerEvent) => { grab(event, key); }}></span>
      <div class="line">
        <button class="swatch" tabindex="-1" data-testid="swatch" aria-pressed=${!hidden} aria-label="Draw ${key} in the text"
          title="${hidden ? "Hidden: click to draw it in the text" : "Drawn in the text: click to hide it"} (H)" @click=${() => { rows.hide(key, !hidden); }}></button>
        <button class="row" aria-pressed=${focused} tabindex=${focused ? "0" : "-1"}
          aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown Alt+ArrowUp Alt+ArrowDown P H M N Delete"
          title="Colour the text by ${key}. Keys: ← → neighbouring neuron, with Shift layer; ↑ ↓ row, with Alt move; P pin; H hide; Delete remove"
          @click=${() => { rows.setFocus(key); }}>
          <span translate="no" class="name number"><span data-testid="neuron-name">${key}</span>${pinned ? html`<svg viewBox="0 0 9 11" role="img" aria-label="pinned">${pinSign}</svg>` : nothing}</span>
          ${cursor === null ? nothing : html`
            <span translate="no" class="here number ${classOf(bucketOf(here, workbench.scale(key)))}" data-testid="value-here">${formatValue(here)}</span>`}
        </button>
        ${workbench.comparison === null ? [peak("max"), peak("min")] : comparedTemplate(workbench, workbench.comparison, key, focused)}
        <button class="remove" tabindex="-1" data-testid="remove" aria-label="Remove ${key}" title="Remove ${key} (Delete)"
          @click=${() => { rows.remove(key); }}>×</button>
      </div>
      <div class="plots">
        <neuro-strip data-testid="strip" .workbench=${workbench} .neuron=${key}></neuro-strip>
        ${rankBar(extent?.max ?? NaN, workbench.client.subscriptions.neuron(key)?.statistics ?? null)}
      </div>
      ${place.opened ? detail(workbench, key, pinned, hidden) : nothing}
    </li>`;
}

/** Further controls of the row in focus. Those with their own keys are not Tab stops. */
function detail(workbench: Workbench, key: string, pinned: boolean, hidden: boolean): TemplateResult {
  const { rows } = workbench;
  const page = neuronpediaPage(workbench.client.model, key);
  const stepper = (name: "neuron" | "layer", by: (step: number) => void): TemplateResult => html`
    <span class="stepper" role="group" aria-label="Neighbouring ${name}">
      <button tabindex="-1" data-testid="row-${name}-down" aria-label="Previous ${name}" title="Previous ${name} (${name === "neuron" ? "←" : "Shift-←"})"
        @click=${() => { by(-1); }}>‹</button>${name}
      <button tabindex="-1" data-testid="row-${name}-up" aria-label="Next ${name}" title="Next ${name} (${name === "neuron" ? "→" : "Shift-→"})"
        @click=${() => { by(1); }}>›</button></span>`;
  return html`
    <div class="detail">
      <div class="tools">
        ${stepper("neuron", (step) => { rows.step(key, { neurons: step }); })}
        ${stepper("layer", (step) => { rows.step(key, { layers: step }); })}
        <span class="end">
          ${page === null ? nothing : html`<a data-testid="neuronpedia" tabindex="-1" href=${page} target="_blank" rel="noreferrer"
            title="${key} on Neuronpedia, in another tab">Neuronpedia ↗</a>`}
          <button tabindex="-1" data-testid="pin" aria-pressed=${pinned} title="Keep at the top of the list (P)" @click=${() => { rows.pin(key, !pinned); }}>Pin</button>
          <button tabindex="-1" data-testid="hide" aria-pressed=${hidden} title="Do not draw in the text (H)" @click=${() => { rows.hide(key, !hidden); }}>Hide</button>
        </span>
      </div>
      <neuro-range .workbench=${workbench} .neuron=${key}></neuro-range>
    </div>`;
}
