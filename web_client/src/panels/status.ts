/** The line at the bottom: connection, what decides the values, how much text, how fast. */
import { css, html, nothing, type TemplateResult } from "lit";
import type { Done } from "../client";
import { connectionText } from "./connection";
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
    .end { margin-left: auto; display: flex; gap: 18px; }
    .state button { min-height: 22px; padding: 0 8px; font-weight: 400; }
  `];

  override render(): TemplateResult {
    const { client, document, lastDone, late, settled } = this.workbench;
    const { model, ready, state } = client;
    // The time of an older text stands only as long as that of the newest may come any moment.
    const timed = lastDone !== null && (lastDone.version === document.version || (ready && !settled && !late)) ? lastDone : null;
    return html`
      <footer>
        <span class="state ${state.kind}" role="status" data-testid="connection" data-state=${state.kind}>
          <span class="dot"></span>${connectionText(state)}
          ${state.kind === "waiting" ? html`<button @click=${() => { client.retryNow(); }}>Try now</button>` : nothing}
        </span>
        ${model === null ? nothing : html`<span class="facts" data-testid="model-facts">
          <span data-testid="model-id">${model.id}${model.revision === null ? "" : `@${model.revision.slice(0, 10)}`}</span>
          <span>${model.layers} layers × ${model.neuronsPerLayer}</span>
          <span>context ${model.contextTokens}</span>
          <span>${model.dtype} on ${model.device}</span>
          <span data-testid="bos">${model.prependsBos ? "BOS prepended" : "no BOS"}</span>
        </span>`}
        <span class="end number">
          ${document.problem === null ? nothing : html`<span data-testid="problem">not computed</span>`}
          <span data-testid="token-count">${document.tokens.length} tokens</span>
          <span data-testid="latency" title=${timed === null ? "" : latencyDetail(timed)}>
            ${timed?.roundTripMs == null ? "– ms" : `${Math.round(timed.roundTripMs)} ms`}</span>
          <span class="sr" data-testid="settled">${settled ? "settled" : ready ? "computing" : state.kind === "initializing" ? "loading" : "offline"}</span>
        </span>
      </footer>`;
  }
}

/** Where the time of the last change went. */
function latencyDetail({ roundTripMs, computedTokens, reusedTokens, timing }: Done): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const network = Math.max(0, (roundTripMs ?? 0) - timing.totalMs);
  const server = `queue ${ms(timing.queueMs)}, tokens ${ms(timing.tokenizeMs)}, model ${ms(timing.forwardMs)}`;
  return `From the last change to all of its values: server ${ms(timing.totalMs)} (${server}), way there and back ${ms(network)}. `
    + `${computedTokens} tokens computed, ${reusedTokens} reused.`;
}
