/**
 * A button with further information: shown on hover or focus, kept open by a click, closed by Escape or by leaving.
 *
 *     <neuro-disclosure label="Model"><span slot="summary">distilgpt2</span> … </neuro-disclosure>
 */
import { css, html, LitElement, type PropertyDeclarations, type TemplateResult } from "lit";
import { base } from "./styles";

export class Disclosure extends LitElement {
  static override properties: PropertyDeclarations = {
    /** Name of the button and of its content. */
    label: {},
    /** `up` if there is no room below; `end` if there is none to the right. */
    place: { reflect: true },
    open: { state: true },
  };
  static override styles = [base, css`
    :host { display: inline-block; position: relative; }
    button { display: flex; align-items: center; gap: 8px; min-height: 24px; padding: 0 6px; border-color: transparent; background: none; font-variant-numeric: tabular-nums; }
    button:hover, button[aria-expanded="true"] { background: var(--hover); }
    .content {
      position: absolute; inset: 100% auto auto 0; z-index: 26; margin-top: 4px; width: max-content; max-width: min(360px, calc(100vw - 24px)); cursor: auto;
      padding: 10px 14px; background: var(--page); border: 1px solid var(--axis); border-radius: 6px; font-size: 12.5px; font-weight: 400;
    }
    :host([place~="up"]) .content { inset: auto auto 100% 0; margin: 0 0 4px; }
    :host([place~="end"]) .content { left: auto; right: 0; }
    @media (max-width: 520px) {
      .content, :host([place~="end"]) .content { position: fixed; inset: auto 8px; width: auto; max-width: none; }
      :host([place~="up"]) .content { bottom: 44px; }
    }
  `];
  declare label: string;
  declare place: string;
  declare open: boolean;
  /** Opened by a click: it stays when the pointer leaves. */
  #kept = false;

  constructor() {
    super();
    this.label = "";
    this.place = "";
    this.open = false;
    this.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") this.open = true; });
    this.addEventListener("pointerleave", () => { if (!this.#kept) this.open = false; });
    this.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && (this.contains(relatedTarget) || this.renderRoot.contains(relatedTarget))) return;
      this.#set(false);
    });
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.open) return;
      event.preventDefault();
      event.stopPropagation();
      this.#set(false);
    });
  }

  override render(): TemplateResult {
    return html`
      <button aria-label=${this.label} aria-expanded=${this.open} aria-controls="content" @click=${() => { this.#set(!this.#kept); }}>
        <slot name="summary"></slot>
      </button>
      <div id="content" class="content" role="group" aria-label=${this.label} ?hidden=${!this.open}><slot></slot></div>`;
  }

  #set(open: boolean): void {
    this.#kept = open;
    this.open = open;
  }
}
