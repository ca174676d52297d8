/** Short messages that need no answer; announced, and removed after a while. */
import { css, html, nothing, type TemplateResult } from "lit";
import { Panel } from "./panel";
import { base } from "./styles";
import type { Notice } from "../workbench";

/** Instead of a notice's id: stays as long as the document has a problem. */
const PROBLEM = 0;

export class NoticesPanel extends Panel {
  static override styles = [base, css`
    :host { position: fixed; inset: auto 16px 48px auto; z-index: 30; max-width: min(420px, calc(100vw - 32px)); }
    .notices { display: grid; gap: 8px; justify-items: end; }
    .notice {
      display: flex; gap: 10px; align-items: start; padding: 8px 6px 8px 14px; border-radius: 8px; font-size: 13px;
      background: var(--text); color: var(--page); box-shadow: 0 6px 24px rgb(0 0 0 / .2);
    }
    .notice span { overflow-wrap: anywhere; }
    b { display: block; }
    button { margin-left: auto; background: none; border-color: currentcolor; min-height: 22px; padding: 0 8px; }
    button + button { margin-left: 0; }
    button.quiet, button.quiet:hover:not(:disabled) { color: inherit; background: none; padding: 0 8px; min-height: 22px; }
  `];

  override render(): TemplateResult {
    const { workbench } = this;
    const problem = workbench.passages.find(({ document }) => document.problem !== null)?.document.problem ?? null;
    const notices = problem === null ? workbench.notices.list : [...workbench.notices.list, { id: PROBLEM, text: problem.message } satisfies Notice];
    return html`<div class="notices" translate="no" role="status" aria-live="polite">${notices.map(({ id, title, text, action }: Notice) => html`
      <div class="notice" data-testid="notice"><span>${title === undefined ? nothing : html`<b>${title}</b>`}${text}</span>
        ${action === undefined ? nothing : html`
          <button data-testid="notice-action" @click=${() => { action.run(); workbench.notices.dismiss(id); }}>${action.title}</button>`}
        ${id === PROBLEM ? nothing : html`
          <button class="quiet" aria-label="Dismiss" @click=${() => { workbench.notices.dismiss(id); }}>×</button>`}</div>`)}</div>`;
  }
}
