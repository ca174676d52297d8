/** The line at the bottom: connection, model, number of tokens, latency. */
import { css, html, nothing, type TemplateResult } from "lit";
import { connectionHelp, connectionText, type ConnectionState } from "../client";
import { Panel } from "./panel";
import { base } from "./styles";

export class StatusPanel extends Panel {
  static override styles = [base, css`
    :host { border-top: 1px solid var(--line); background: var(--raised); font-size: 12px; }
    footer { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 18px; padding: 6px 16px; min-height: 32px; }
    .state { display: flex; align-items: center; gap: 7px; font-weight: 600; }
    .dot { width: 8px; height: 8px; border-radius: 50%; background: var(--warning); }
    .ready .dot { background: var(--good); }
    .facts { color: var(--muted); display: flex; flex-wrap: wrap; gap: 2px 14px; }
    .end { margin-left: auto; display: flex; align-items: center; gap: 12px; }
    .help { color: var(--muted); font-weight: 400; }
    .state button { min-height: 22px; padding: 0 8px; font-weight: 400; }
  `];

  #counted: ConnectionState | null = null;
  #dueAt = 0;
  #ticking = false;

  override render(): TemplateResult {
    const { client, passages, settled } = this.workbench;
    const { model, ready, state } = client;
    const help = connectionHelp(state);
    const seconds = this.#secondsLeft();
    const isRefused = passages.some(({ document }) => document.problem !== null);
    const counts = passages.map(({ document }) => document.tokens.length).join(" + ");
    return html`
      <footer translate="no">
        <span class="state ${state.kind}" role="status" data-testid="connection" data-state=${state.kind}>
          <span class="dot"></span>${connectionText(state)}${seconds === null ? nothing : html`<span aria-hidden="true" class="number">in ${seconds} s</span>`}
          ${state.kind === "waiting" ? html`<button data-testid="retry" @click=${() => { client.retryNow(); }}>Try now</button>` : nothing}
          ${help === null ? nothing : html`<span class="help" data-testid="connection-help">${help}</span>`}
        </span>
        ${model === null || help !== null ? nothing : html`<span class="facts" data-testid="model-facts">
          <span data-testid="model-id">${model.id}${model.revision === null ? "" : `@${model.revision.slice(0, 10)}`}</span>
          <span>${model.layers} layers × ${model.neuronsPerLayer}</span>
          <span>context ${model.contextTokens}</span>
          <span>${model.dtype} on ${model.device}</span>
          <span data-testid="bos">${model.prependsBos ? "BOS prepended" : "no BOS"}</span>
        </span>`}
        <span class="end number">
          ${isRefused ? html`<span data-testid="problem">not computed</span>`
            : html`<span data-testid="token-count">${counts} ${counts === "1" ? "token" : "tokens"}</span>`}
          <neuro-latency .workbench=${this.workbench}></neuro-latency>
          <span class="sr" data-testid="settled">${settled ? "settled" : isRefused ? "not computed" : ready ? "computing" : state.kind === "initializing" ? "loading" : "offline"}</span>
        </span>
      </footer>`;
  }

  /** Seconds until the next attempt to connect; null if none is pending. */
  #secondsLeft(): number | null {
    const { state } = this.workbench.client;
    if (state !== this.#counted) {
      this.#counted = state;
      this.#dueAt = state.kind === "waiting" ? performance.now() + state.retryMs : 0;
    }
    const left = state.kind === "waiting" ? Math.ceil((this.#dueAt - performance.now()) / 1000) : 0;
    if (left < 2) return null; // too short to count down
    if (!this.#ticking) {
      this.#ticking = true;
      setTimeout(() => {
        this.#ticking = false;
        this.requestUpdate();
      }, 1000);
    }
    return left;
  }
}
