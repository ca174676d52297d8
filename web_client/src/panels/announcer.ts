/** Announces the values at the caret to screen readers, once the caret rests in the editor and all values have come. */
import { css, html, LitElement, type PropertyDeclarations, type TemplateResult } from "lit";
import { caretWords, type Passage, type Workbench } from "../workbench";
import { base } from "./styles";

/** Earlier it would interrupt the screen reader's echo of the key. */
const REST_MS = 700;

export class Announcer extends LitElement {
  static override properties: PropertyDeclarations = { workbench: { attribute: false }, passage: { attribute: false }, words: { state: true } };
  static override styles = [base, css`:host { position: absolute; }`];
  declare workbench: Workbench;
  declare passage: Passage;
  declare words: string;
  #stop: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #caret: string | null = null;

  constructor() {
    super();
    this.words = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.passage.on("change", () => { this.#changed(); });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  override render(): TemplateResult {
    return html`<p class="sr" translate="no" aria-live="polite" data-testid="caret-words">${this.words}</p>`;
  }

  /** The caret, the text or the neuron has changed: wait again. New values alone do not restart the wait. */
  #changed(): void {
    const { passage, workbench } = this;
    const caret = [passage.caretToken, passage.document.version, workbench.rows.focus].join(" ");
    if (caret === this.#caret) return;
    this.#caret = caret;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.#rested(); }, REST_MS);
  }

  #rested(): void {
    this.#timer = null;
    const { passage, workbench } = this;
    const root = this.getRootNode();
    // Silent while the focus is elsewhere.
    if (!(root instanceof ShadowRoot) || root.activeElement === null) return;
    if (passage.settled || !workbench.client.ready) this.words = caretWords(workbench, passage);
    else this.#timer = setTimeout(() => { this.#rested(); }, REST_MS);
  }
}
