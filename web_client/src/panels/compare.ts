/** The bar above two texts: what colours the right one, how the tokens were aligned, which neurons differ most. */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { classOf, hueClass } from "../colour/palette";
import { bucketOf } from "../colour/scale";
import { formatDifference, visibleText } from "../editor/format";
import { COMPARE_COLOURS, type CompareColours, type Comparison, type Departure } from "../workbench";
import { Panel } from "./panel";
import { base, bucketStyles } from "./styles";

const TITLES: Record<CompareColours, string> = { difference: "right − left", values: "its values" };

/** How many of the neurons that differ most are listed. */
const LISTED = 24;

export class ComparePanel extends Panel {
  static override properties: PropertyDeclarations = { reached: { state: true } };
  static override styles = [base, bucketStyles, css`
    :host { border-bottom: 1px solid var(--line); font-size: 12.5px; }
    header, .most { display: flex; align-items: center; gap: 4px 14px; padding: 5px 16px; }
    header { flex-wrap: wrap; }
    h2, h3 { font-size: 13px; font-weight: 650; margin: 0; white-space: nowrap; }
    h3 { font-size: 12.5px; font-weight: 400; color: var(--muted); }
    label { display: flex; align-items: center; gap: 6px; color: var(--muted); white-space: nowrap; }
    header :is(button, select) { min-height: 24px; padding: 1px 7px; color: var(--text); font-size: 12.5px; }
    .counts { display: flex; flex-wrap: wrap; gap: 2px 12px; color: var(--muted); white-space: nowrap; }
    .replaced b { text-decoration: overline 2px var(--accent); }
    .alone b { text-decoration: overline dotted 2px var(--accent); }
    .counts b { font-weight: 500; color: var(--text); }
    .tools { display: flex; gap: 4px; margin-left: auto; }
    .most { padding: 0 16px 5px; }
    ol { display: flex; gap: 4px; list-style: none; margin: 0; padding: 2px; overflow-x: auto; scrollbar-width: thin; }
    li button {
      display: flex; align-items: center; gap: 6px; min-height: 26px; padding: 1px 7px; background: none; white-space: nowrap; border-color: transparent;
    }
    li button[aria-pressed="true"] { background: var(--selected); border-color: var(--line); }
    .swatch { width: 9px; height: 9px; border-radius: 2px; background: var(--neuro-ink); }
    .difference { padding: 0 5px; border-radius: 4px; }
    li .mono { color: var(--muted); font-size: 12px; max-width: 14ch; overflow: hidden; text-overflow: ellipsis; }
    li b { font-weight: 600; }
    .waiting { opacity: .55; }
  `];
  /** The list item that the Tab key reaches. */
  declare reached: number;
  #shown: { readonly comparison: Comparison; readonly list: readonly Departure[] } | null = null;

  constructor() {
    super();
    this.reached = 0;
  }

  override render(): TemplateResult | typeof nothing {
    const { workbench } = this;
    const { comparison, view } = workbench;
    if (comparison === null) return nothing;
    const { compareColours } = view.state;
    const { same, replaced, alone } = comparison.counts;
    return html`
      <header>
        <h2>Compare</h2>
        <label>Right text shows
          <select data-testid="compare-colours" aria-label="Colours of the right text" @change=${this.#choose}>
            ${COMPARE_COLOURS.map((colours) => html`<option value=${colours} ?selected=${colours === compareColours}>${TITLES[colours]}</option>`)}
          </select></label>
        <span translate="no" class="counts number" data-testid="compare-counts">
          <span><b>${same}</b> aligned</span>
          ${replaced === 0 ? nothing : html`<span class="replaced"><b>${replaced}</b> replaced</span>`}
          ${alone === 0 ? nothing : html`<span class="alone"><b>${alone}</b> unmatched</span>`}
        </span>
        <div class="tools">
          <button data-testid="compare-copy" title="Replace the right text by the left one" @click=${() => { workbench.copyText(); }}>Copy →</button>
          <button data-testid="compare-swap" title="Swap the two texts" @click=${() => { workbench.swapTexts(); }}>Swap ⇄</button>
          <button class="quiet" data-testid="compare-close" aria-label="Close the comparison" title="Close; the right text is kept"
            @click=${() => { view.set({ compare: false }); }}>×</button>
        </div>
      </header>
      ${this.#most(comparison)}`;
  }

  /** The neurons that differ most, updated when both texts are settled. */
  #most(comparison: Comparison): TemplateResult | typeof nothing {
    const { rows } = this.workbench;
    if (comparison.settled || this.#shown?.comparison !== comparison) {
      this.#shown = { comparison, list: comparison.departures(rows.keys).filter(({ difference }) => difference !== 0).slice(0, LISTED) };
    }
    const list = this.#shown.list.filter(({ key }) => rows.get(key) !== null);
    if (list.length === 0) return html`<div class="most"><h3>All neurons have the same values at aligned tokens.</h3></div>`;
    const reached = Math.min(this.reached, list.length - 1);
    return html`
      <div class="most ${comparison.settled ? "" : "waiting"}">
        <h3 id="most" title="Largest difference at a token that is the same in both texts">Differ most</h3>
        <ol aria-labelledby="most" data-testid="departures" @keydown=${this.#key}>${list.map((departure, i) => this.#item(comparison, departure, i === reached))}</ol>
      </div>`;
  }

  #item(comparison: Comparison, { key, difference, token }: Departure, reached: boolean): TemplateResult {
    const { rows } = this.workbench;
    const text = visibleText(comparison.right.document.tokens.infos[token]?.text ?? "");
    return html`
      <li class=${hueClass(rows.get(key)?.hue ?? 0)}>
        <button data-testid="departure" data-key=${key} data-token=${token} aria-pressed=${key === rows.focus} tabindex=${reached ? "0" : "-1"}
          title="${key} differs most at ${text}, token ${token} on the right. Click to colour by it and go there"
          @click=${() => { rows.setFocus(key); comparison.right.reveal(token); }}
          @pointerenter=${() => { rows.point(key); comparison.right.hover(token); }}
          @pointerleave=${() => { rows.point(null); comparison.right.hover(null); }}>
          <span class="swatch"></span><b translate="no" class="number">${key}</b>
          <span translate="no" class="difference number ${classOf(bucketOf(difference, this.workbench.scale(key)))}">${formatDifference(difference)}</span>
          <span translate="no" class="mono">${text}</span>
        </button>
      </li>`;
  }

  readonly #choose = (event: Event): void => {
    this.workbench.view.set({ compareColours: (event.target as HTMLSelectElement).value as CompareColours });
  };

  /** The list is one Tab stop; arrow keys move within it. */
  readonly #key = (event: KeyboardEvent): void => {
    const items = [...this.renderRoot.querySelectorAll<HTMLElement>("ol button")];
    const at = items.indexOf(event.target as HTMLElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key];
    const item = next === undefined ? undefined : items[next];
    if (item === undefined || next === undefined) return;
    event.preventDefault();
    this.reached = next;
    item.focus();
  };
}
