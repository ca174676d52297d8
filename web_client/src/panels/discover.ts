/**
 * The tab that finds neurons: those that are highest at the caret, and those that the last edit changed most.
 *
 * Each list is one Tab stop; arrow keys move within it, Enter adds the neuron.
 */
import { css, html, nothing, svg, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { hueClass } from "../colour/palette";
import { formatShare, formatValue, visibleText } from "../editor/format";
import type { ChangedNeuron, TopNeuron } from "../workbench";
import { Panel } from "./panel";
import { base, bucketStyles } from "./styles";

const FEW = 10;
const MANY = 50;

export class DiscoverPanel extends Panel {
  static override styles = [base, bucketStyles, css`
    :host { display: flex; flex-direction: column; min-height: 0; }
    .options { display: flex; flex-wrap: wrap; gap: 6px 12px; padding: 10px 16px; border-bottom: 1px solid var(--line); }
    .options label { display: flex; align-items: center; gap: 5px; font-size: 12.5px; color: var(--muted); white-space: nowrap; }
    .options select { color: var(--text); font-size: 13px; padding: 2px 4px; }
    .options select[data-testid="discover-by"] { width: 126px; }
    .lists { flex: 1; overflow-y: auto; scrollbar-gutter: stable; padding-bottom: 16px; }
    section + section { border-top: 1px solid var(--line); margin-top: 10px; }
    header { display: flex; align-items: center; gap: 4px 10px; padding: 9px 10px 6px 16px; min-height: 44px; }
    header div { min-width: 0; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 10px; }
    h2 { font-size: 13px; font-weight: 650; margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    h2 .mono { white-space: pre; }
    header .facts { font-size: 12px; color: var(--muted); }
    header button { margin-left: auto; min-height: 26px; padding: 1px 9px; white-space: nowrap; }
    ul { list-style: none; margin: 0; padding: 0; }
    ul.old { opacity: .55; }
    li { display: flex; align-items: center; position: relative; }
    li:hover { background: var(--hover); }
    li.here::before { content: ""; position: absolute; inset: 0 auto 0 0; width: 3px; background: var(--neuro-ink); }
    .row {
      flex: 1; min-width: 0; display: grid; grid-template-columns: 14px 74px minmax(24px, 1fr) auto; align-items: center; gap: 8px;
      border: none; border-radius: 0; background: none; text-align: left; min-height: 29px; padding: 3px 10px 3px 16px;
    }
    .row:focus-visible, .where:focus-visible { outline-offset: -2px; }
    .sign { color: var(--muted); text-align: center; }
    li:hover .sign, .row:focus-visible .sign { color: var(--accent); }
    .name { font-weight: 600; }
    svg { width: 100%; height: 7px; display: block; }
    rect.up { fill: var(--accent); }
    rect.down { fill: var(--muted); }
    .numbers { display: flex; gap: 8px; justify-content: flex-end; white-space: nowrap; }
    .numbers .value { min-width: 46px; text-align: right; }
    .numbers .share { min-width: 44px; text-align: right; color: var(--muted); }
    .arrow { color: var(--muted); }
    .where {
      border: none; background: none; border-radius: 0; min-height: 29px; padding: 3px 14px 3px 4px; width: 96px; text-align: right;
      overflow: hidden; text-overflow: ellipsis; white-space: pre; color: var(--muted); font-size: 12.5px;
    }
    .where:hover { color: var(--text); text-decoration: underline; }
    .said { padding: 2px 16px 8px; color: var(--muted); font-size: 12.5px; }
    .problem { padding: 8px 16px; color: var(--warning); font-size: 12.5px; }
  `];
  #stops: readonly (() => void)[] = [];
  /** Where the Tab key enters each list, by its label: the item that had the focus last. */
  readonly #entries = new Map<string, string>();

  override connectedCallback(): void {
    super.connectedCallback();
    const { discovery } = this.workbench;
    this.#stops = [discovery.watch(), discovery.on("change", () => { this.requestUpdate(); })];
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const stop of this.#stops) stop();
  }

  override render(): TemplateResult {
    const { problem } = this.workbench.discovery;
    return html`
      ${this.#options()}
      <div class="lists">
        ${problem === null ? nothing : html`<p class="problem" role="alert" data-testid="discover-problem">${problem}</p>`}
        ${this.#top()}
        ${this.#changed()}
      </div>`;
  }

  #options(): TemplateResult {
    const { client, discovery } = this.workbench;
    const { layer, by, count } = discovery.options;
    const read = (event: Event): string => (event.target as HTMLSelectElement).value;
    return html`<div class="options" role="group" aria-label="What to look for">
      <label>Layer
        <select data-testid="discover-layer" @change=${(event: Event) => { discovery.set({ layer: read(event) === "" ? null : Number(read(event)) }); }}>
          <option value="" ?selected=${layer === null}>all</option>
          ${Array.from({ length: client.model?.layers ?? 0 }, (_, i) => html`<option value=${i} ?selected=${i === layer}>${i}</option>`)}
        </select></label>
      <label>by
        <select data-testid="discover-by" aria-label="Rank by" title="The value itself, or its share of the neuron's own maximum over held-out text" @change=${(event: Event) => { discovery.set({ by: read(event) === "ratio" ? "ratio" : "activation" }); }}>
          <option value="activation" ?selected=${by === "activation"}>activation</option>
          <option value="ratio" ?selected=${by === "ratio"} ?disabled=${!discovery.ranksByRatio}>share of maximum</option>
        </select></label>
      <label>top
        <select data-testid="discover-count" aria-label="Show the top" @change=${(event: Event) => { discovery.set({ count: Number(read(event)) }); }}>
          ${[FEW, MANY].map((few) => html`<option value=${few} ?selected=${count === few}>${few}</option>`)}
        </select></label>
    </div>`;
  }

  // ------------------------------------------------------------------ at the caret

  #top(): TemplateResult {
    const { discovery, document, selection } = this.workbench;
    const { measure, token, top, topIsCurrent } = discovery;
    const text = token === null ? null : visibleText(document.tokens.at(token).text);
    return html`
      <section aria-labelledby="top-title" data-testid="discover-top" data-current=${topIsCurrent}>
        <header><div>
          <h2 id="top-title">${text === null ? "At the caret" : html`At <span translate="no" class="mono" data-testid="discover-token">${text}</span>`}</h2>
          ${token === null ? nothing : html`<span translate="no" class="facts number">
            token ${token}${selection === null ? "" : measure === null ? ", first of the selection" : `, where ${measure} is strongest in the selection`}</span>`}</div>
          ${this.#addAll(top?.neurons ?? [], "top")}
        </header>
        ${token === null ? html`<p class="said">Place the caret after a token, or select some tokens.</p>`
          : top === null ? html`<p class="said">Searching…</p>`
          : this.#list("Strongest neurons here", top.neurons, topIsCurrent, (neuron, most) => this.#topRow(neuron, most))}
      </section>`;
  }

  #topRow({ key, value, ratio }: TopNeuron, most: number): TemplateResult {
    return html`
      ${bar(this.#size(value ?? 0, ratio), most)}
      <span translate="no" class="numbers number">
        <span class="value" data-testid="discover-value">${formatValue(value ?? NaN)}</span>
        ${this.#share(ratio)}
      </span>
      <span class="sr">${this.workbench.rows.get(key) === null ? "" : ", in the list"}</span>`;
  }

  // ------------------------------------------------------------------ the last edit

  #changed(): TemplateResult {
    const { discovery } = this.workbench;
    const { changed, changedIsCurrent } = discovery;
    return html`
      <section aria-labelledby="changed-title" data-testid="discover-changed" data-current=${changedIsCurrent}>
        <header><div>
          <h2 id="changed-title">What the last edit changed</h2>
          ${changed === null || changed.comparedTokens === 0 ? nothing : html`<span translate="no" class="facts number">
            in ${changed.comparedTokens} ${changed.comparedTokens === 1 ? "token" : "tokens"}</span>`}</div>
          ${this.#addAll(changed?.neurons ?? [], "changed")}
        </header>
        ${!discovery.edited ? html`<p class="said">Edit the text to see which neurons change most at the tokens after the edit.</p>`
          : changed === null ? html`<p class="said">Searching…</p>`
          : changed.neurons.length > 0
            ? this.#list("Neurons that changed most", changed.neurons, changedIsCurrent, (neuron, most) => this.#changedRow(neuron, most), (neuron) => this.#where(neuron))
            : html`<p class="said ${changedIsCurrent ? "" : "old"}" data-testid="discover-nothing">${nothingChanged(changed.previousVersion, changed.comparedTokens)}</p>`}
      </section>`;
  }

  #changedRow({ key, before, after, change, ratio }: ChangedNeuron, most: number): TemplateResult {
    return html`
      ${bar(this.#size(change, ratio), most)}
      <span translate="no" class="numbers number" title="Changed by ${formatValue(change)}">
        <span class="value" data-testid="discover-before">${formatValue(before)}</span><span class="arrow" aria-label="to">→</span>
        <span class="value" data-testid="discover-after">${formatValue(after)}</span>
        ${this.workbench.discovery.options.by === "ratio" ? this.#share(ratio) : nothing}
      </span>
      <span class="sr">${this.workbench.rows.get(key) === null ? "" : ", in the list"}</span>`;
  }

  /** The token at which a neuron changed most, as an index into the compared text. */
  #where({ key, token }: ChangedNeuron): TemplateResult {
    const { workbench } = this;
    const { discovery, document } = workbench;
    if (!discovery.changedIsCurrent || token >= document.tokens.length) return html`<span translate="no" class="where mono">…</span>`;
    const text = visibleText(document.tokens.at(token).text);
    return html`<button translate="no" class="where mono" tabindex="-1" data-testid="discover-where" title="Show token ${token}, where ${key} changed most"
      aria-label="Show ${text}, token ${token}, where ${key} changed most"
      @pointerenter=${() => { workbench.hover(token); }} @pointerleave=${() => { workbench.hover(null); }}
      @click=${() => { workbench.reveal(token); }}>${text}</button>`;
  }

  // ------------------------------------------------------------------ both

  #list<Neuron extends TopNeuron | ChangedNeuron>(
    label: string, neurons: readonly Neuron[], current: boolean,
    content: (neuron: Neuron, most: number) => TemplateResult, behind: (neuron: Neuron) => TemplateResult | typeof nothing = () => nothing,
  ): TemplateResult {
    const { rows } = this.workbench;
    const sizes = neurons.map((neuron) => Math.abs(this.#size("change" in neuron ? neuron.change : neuron.value ?? 0, neuron.ratio)));
    const most = Math.max(...sizes);
    const entered = this.#entries.get(label);
    const entry = neurons.some(({ key }) => key === entered) ? entered : neurons[0]?.key;
    const enter = (event: Event): void => {
      const key = (event.target as Element).closest("li")?.dataset.key;
      if (key !== undefined) this.#entries.set(label, key);
      this.requestUpdate();
    };
    return html`<ul aria-label=${label} class=${current ? "" : "old"} aria-busy=${!current} @keydown=${this.#key} @focusin=${enter}>
      ${repeat(neurons, ({ key }) => key, (neuron) => {
        const row = rows.get(neuron.key);
        return html`<li class=${row === null ? "" : `here ${hueClass(row.hue)}`} data-key=${neuron.key}>
          <button class="row" tabindex=${neuron.key === entry ? "0" : "-1"} data-testid="discover-row" data-key=${neuron.key}
            title=${row === null ? `Add ${neuron.key}` : `${neuron.key} is in the list. Click to colour the text by it`}
            @click=${() => { this.#add([neuron.key]); }}>
            <span class="sign" aria-hidden="true">${row === null ? "+" : "✓"}</span>
            <span translate="no" class="name number">${neuron.key}</span>
            ${content(neuron, most)}
          </button>${behind(neuron)}</li>`;
      })}
    </ul>`;
  }

  #addAll(neurons: readonly { readonly key: string }[], of: string): TemplateResult | typeof nothing {
    const missing = neurons.filter(({ key }) => this.workbench.rows.get(key) === null).map(({ key }) => key);
    if (neurons.length === 0) return nothing;
    return html`<button translate="no" data-testid="add-all-${of}" ?disabled=${missing.length === 0} @click=${() => { this.#add(missing); }}>
      ${missing.length === 0 ? "All added" : `Add all ${missing.length}`}</button>`;
  }

  /** The number that the bar and the rank show. */
  #size(value: number, ratio: number | null): number {
    return this.workbench.discovery.options.by === "ratio" ? ratio ?? 0 : value;
  }

  #share(ratio: number | null): TemplateResult | typeof nothing {
    if (!this.workbench.discovery.ranksByRatio) return nothing;
    return html`<span class="share" data-testid="discover-share" title="Share of the neuron's own maximum over held-out text">${formatShare(ratio)}</span>`;
  }

  #add(keys: readonly string[]): void {
    void this.workbench.discovery.add(keys);
  }

  readonly #key = (event: KeyboardEvent): void => {
    const list = event.currentTarget as HTMLElement;
    const rows = [...list.querySelectorAll<HTMLElement>(".row")];
    const item = (event.target as Element).closest("li");
    const at = rows.findIndex((row) => row.parentElement === item);
    const places: Record<string, HTMLElement | null | undefined> = {
      ArrowDown: rows[at + 1], ArrowUp: rows[at - 1], Home: rows[0], End: rows.at(-1),
      ArrowRight: item?.querySelector<HTMLElement>(".where"), ArrowLeft: rows[at],
    };
    const next = places[event.key];
    if (next === undefined || next === null) return;
    event.preventDefault();
    next.focus();
  };
}

/** Why the list is empty. */
function nothingChanged(previous: number | null, compared: number): string {
  if (previous === null) return "There is no earlier text to compare with yet. Edit again.";
  if (compared === 0) return "Nothing to compare: no token follows the edit, or the edit was undone.";
  return "No neuron changed.";
}

/** A value relative to the largest of its list. */
function bar(size: number, most: number): TemplateResult {
  const width = most > 0 ? (Math.abs(size) / most) * 100 : 0;
  return html`<svg viewBox="0 0 100 7" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<rect class=${size < 0 ? "down" : "up"} width=${width.toFixed(2)} height="7"></rect>`}</svg>`;
}
