/** How long the last edit took until its colours were shown, and where the time went: as a bar and in figures. */
import { css, html, type TemplateResult } from "lit";
import { LATENCY_PARTS, type LatencyPart } from "../workbench";
import { Panel } from "./panel";
import { base } from "./styles";

const WORDS: Readonly<Record<LatencyPart, string>> = {
  network: "Network and browser, round trip",
  queue: "Waiting for the model",
  tokens: "Tokenizing",
  model: "Forward pass",
  server: "Server, other",
  paint: "Drawing in the browser",
};

export class LatencyPanel extends Panel {
  static override styles = [base, css`
    .bar { display: flex; gap: 1px; width: 64px; height: 8px; }
    .bar span { min-width: 0; background: var(--part); forced-color-adjust: none; }
    .network { --part: var(--axis); }
    .queue { --part: var(--warning); }
    .tokens { --part: color-mix(in oklab, var(--accent) 45%, var(--raised)); }
    .model { --part: var(--accent); }
    .server { --part: color-mix(in oklab, var(--accent) 70%, var(--text)); }
    .paint { --part: var(--muted); }
    .total { min-width: 5.5ch; text-align: right; white-space: nowrap; }
    dl { display: grid; grid-template-columns: 10px auto auto; align-items: center; gap: 3px 10px; margin: 6px 0; }
    dt::before { content: ""; }
    dd { margin: 0; text-align: right; }
    .swatch { width: 10px; height: 10px; background: var(--part); }
  `];
  #stopLatency: (() => void) | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stopLatency = this.workbench.on("latency", () => { this.requestUpdate(); });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopLatency?.();
  }

  override render(): TemplateResult {
    const { latency } = this.workbench.edited;
    // A dash alone: visible letters must be part of the button's name.
    const total = latency === null ? "–" : `${Math.round(latency.totalMs)} ms`;
    const ms = (part: LatencyPart): number => latency?.parts[part] ?? 0;
    return html`
      <neuro-disclosure translate="no" place="up end" label="Latency of the last edit: ${latency === null ? "unknown" : total}">
        <span slot="summary" class="bar" data-testid="latency-bar">${LATENCY_PARTS.map((part) => html`<span class=${part}></span>`)}</span>
        <span slot="summary" class="total" data-testid="latency">${total}</span>
        ${latency === null ? html`<p>Edit the text to see how long its new colours take.</p>` : html`
          <p>From the last key to its colours on the screen: <b>${latency.totalMs.toFixed(1)} ms</b></p>
          <dl class="number" data-testid="latency-parts">${LATENCY_PARTS.map((part) => html`
            <span class="swatch ${part}"></span><dt>${WORDS[part]}</dt><dd data-part=${part}>${ms(part).toFixed(1)} ms</dd>`)}</dl>
          <p class="muted">${latency.computedTokens} ${latency.computedTokens === 1 ? "token" : "tokens"} computed, ${latency.reusedTokens} reused.</p>`}
      </neuro-disclosure>`;
  }

  /** Set as properties: the content policy forbids style attributes. */
  protected override updated(): void {
    const { latency } = this.workbench.edited;
    for (const part of LATENCY_PARTS) {
      const piece = this.renderRoot.querySelector<HTMLElement>(`.bar .${part}`);
      if (piece !== null) piece.style.flexGrow = String(latency?.parts[part] ?? 0);
    }
  }
}
