/** An area under the text with an adjustable height: drag its upper edge, or use the arrow keys. */
import { css, html, LitElement, type PropertyDeclarations, type TemplateResult } from "lit";
import { base } from "./styles";

const LEAST = 120;
const USUAL = 250;
const STEP = 24;

/** Kept while it is closed. */
let height = USUAL;

export class Dock extends LitElement {
  static override properties: PropertyDeclarations = { label: {} };
  static override styles = [base, css`
    :host { position: relative; display: flex; flex-direction: column; flex: none; max-height: 70vh; border-top: 1px solid var(--line); min-height: 0; }
    .handle { position: absolute; inset: -4px 0 auto; height: 8px; cursor: row-resize; touch-action: none; z-index: 5; }
    .handle:hover, .handle:focus-visible, .handle:active { background: linear-gradient(var(--accent), var(--accent)) center / 100% 2px no-repeat; outline: none; }
    ::slotted(*) { flex: 1; min-height: 0; }
  `];
  declare label: string;
  #grip: { readonly y: number; readonly height: number } | null = null;

  override render(): TemplateResult {
    return html`
      <div class="handle" role="separator" tabindex="0" aria-orientation="horizontal" aria-label="Height of ${this.label}"
        aria-valuemin=${LEAST} aria-valuemax=${Math.round(this.#most)} aria-valuenow=${Math.round(height)} data-testid="dock-handle"
        @pointerdown=${this.#take} @pointermove=${this.#drag} @pointerup=${this.#drop} @pointercancel=${this.#drop}
        @dblclick=${() => { this.#set(USUAL); }} @keydown=${this.#key}></div>
      <slot></slot>`;
  }

  protected override firstUpdated(): void {
    this.#set(height);
  }

  get #most(): number {
    return Math.max(LEAST, innerHeight * 0.7);
  }

  #set(wanted: number): void {
    height = Math.max(LEAST, Math.min(this.#most, wanted));
    this.style.height = `${height}px`;
    this.requestUpdate();
  }

  readonly #take = (event: PointerEvent): void => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#grip = { y: event.clientY, height };
  };

  readonly #drag = (event: PointerEvent): void => {
    if (this.#grip !== null) this.#set(this.#grip.height + this.#grip.y - event.clientY);
  };

  readonly #drop = (): void => {
    this.#grip = null;
  };

  readonly #key = (event: KeyboardEvent): void => {
    const wanted = { ArrowUp: height + STEP, ArrowDown: height - STEP, Home: this.#most, End: LEAST }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    this.#set(wanted);
  };
}
