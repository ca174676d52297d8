/** The command palette: one field with a list of matches (a combobox). */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { label, type Offer, type OfferGroup } from "../workbench";
import { keyCaps } from "./keys";
import { Overlay, overlayStyles } from "./overlay";
import { base } from "./styles";

const PAGE = 8;

export class PalettePanel extends Overlay {
  static override properties: PropertyDeclarations = { query: { state: true }, chosen: { state: true } };
  static override styles = [base, overlayStyles, css`
    input {
      border: none; border-bottom: 1px solid var(--line); border-radius: 0; background: none; padding: 13px 16px; font-size: 15px;
      flex: none;
    }
    input:focus-visible { outline: none; border-bottom-color: var(--accent); box-shadow: inset 0 -1px var(--accent); }
    .list { overflow-y: auto; padding: 6px; flex: 1; }
    .head { padding: 8px 10px 3px; font-size: 11.5px; color: var(--muted); }
    .offer {
      display: grid; grid-template-columns: 14px minmax(0, 1fr) auto; gap: 8px; align-items: baseline; padding: 6px 10px; border-radius: 6px;
      cursor: pointer; font-size: 13.5px;
    }
    .offer[aria-selected="true"] { background: var(--selected); box-shadow: inset 2px 0 var(--accent); }
    .offer[aria-disabled="true"] { color: var(--muted); cursor: default; }
    .offer .title { overflow-wrap: anywhere; }
    .offer b { font-weight: 700; color: var(--accent); }
    .check { color: var(--accent); }
    .none { padding: 12px 16px; color: var(--muted); }
    .keys { border-top: 1px solid var(--line); padding: 7px 16px; font-size: 12px; color: var(--muted); display: flex; gap: 4px 16px; flex-wrap: wrap; }
  `];
  declare query: string;
  declare chosen: number;

  constructor() {
    super();
    this.query = "";
    this.chosen = 0;
  }

  override render(): TemplateResult {
    const groups = this.workbench.palette.offers(this.query);
    const offers = groups.flatMap((group) => group.offers);
    const chosen = Math.min(this.chosen, offers.length - 1);
    return html`
      <input role="combobox" data-testid="palette" aria-label="Command or neurons" aria-expanded="true" aria-autocomplete="list" aria-controls="offers"
        aria-activedescendant=${chosen < 0 ? nothing : `offer-${chosen}`} placeholder="Command, L3N42, L3N40-48, or top 8 here"
        autocomplete="off" autocapitalize="off" spellcheck="false" .value=${this.query} @input=${this.#typed} @keydown=${this.#key}>
      <div class="list" id="offers" role="listbox" aria-label="Matches" @pointerdown=${keepFocus}>
        ${groups.map((group, i) => this.#group(group, i, groups.slice(0, i).reduce((sum, one) => sum + one.offers.length, 0), chosen))}
      </div>
      ${offers.length > 0 ? nothing : html`<p class="none" data-testid="palette-none">No match.</p>`}
      <p class="sr" role="status">${offers.length === 1 ? "1 choice" : `${offers.length} choices`}</p>
      <div class="keys"><span>↑ ↓ choose</span><span>Enter runs it</span><span>Esc closes</span></div>`;
  }

  #group({ title, offers }: OfferGroup, number: number, first: number, chosen: number): TemplateResult {
    const rows = offers.map((offer, i) => this.#offer(offer, first + i, chosen, title !== null));
    if (title === null) return html`${rows}`;
    return html`<div role="group" aria-labelledby="group-${number}"><div class="head" id="group-${number}" role="presentation">${title}</div>${rows}</div>`;
  }

  #offer(offer: Offer, index: number, chosen: number, underHead: boolean): TemplateResult {
    return html`<div class="offer" role="option" id="offer-${index}" data-testid="palette-offer" data-id=${offer.id}
      aria-selected=${index === chosen} aria-disabled=${!offer.enabled}
      @pointermove=${({ movementX, movementY }: PointerEvent) => { if (movementX !== 0 || movementY !== 0) this.chosen = index; }} @click=${() => { this.#run(offer); }}>
      <span class="check" aria-hidden="true">${offer.checked === true ? "✓" : ""}</span>
      <span class="title">${underHead ? offer.title : marked(label(offer), offer.at)}${offer.checked === true ? html`<span class="sr">, chosen</span>` : nothing}</span>
      ${offer.keys === undefined ? nothing : keyCaps(offer.keys)}
    </div>`;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("input")?.focus();
  }

  protected override updated(): void {
    this.renderRoot.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  protected override leave(): void {
    this.workbench.view.set({ palette: false });
  }

  #run(offer: Offer): void {
    if (!offer.enabled) return;
    this.close(); // first, as the action may take the focus
    this.workbench.palette.run(offer);
  }

  readonly #typed = (event: Event): void => {
    this.query = (event.target as HTMLInputElement).value;
    this.chosen = 0;
  };

  readonly #key = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const offers = this.workbench.palette.offers(this.query).flatMap((group) => group.offers);
    const last = offers.length - 1;
    const at = Math.min(this.chosen, last);
    const places: Record<string, number> = {
      ArrowDown: at >= last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, PageDown: Math.min(last, at + PAGE), PageUp: Math.max(0, at - PAGE),
    };
    const next = places[event.key];
    if (next !== undefined) this.chosen = Math.max(0, next);
    else if (event.key === "Enter" && offers[at] !== undefined) this.#run(offers[at]);
    else return;
    event.preventDefault();
  };
}

/** A press on the list must not take the focus from the field. */
function keepFocus(event: Event): void {
  event.preventDefault();
}

/** A text with the matched letters in bold. */
function marked(text: string, at: readonly number[]): TemplateResult[] {
  const runs: { text: string; found: boolean }[] = [];
  for (let i = 0; i < text.length; i++) {
    const found = at.includes(i);
    const last = runs.at(-1);
    if (last?.found === found) last.text += text.charAt(i);
    else runs.push({ text: text.charAt(i), found });
  }
  return runs.map((run) => (run.found ? html`<b>${run.text}</b>` : html`${run.text}`));
}
