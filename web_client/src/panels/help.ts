/** All shortcuts, from the commands. */
import { css, html, type TemplateResult } from "lit";
import type { Shortcut } from "../workbench";
import { keyCaps } from "./keys";
import { Overlay, overlayStyles } from "./overlay";
import { base } from "./styles";

export class HelpPanel extends Overlay {
  static override styles = [base, overlayStyles, css`
    .head { display: flex; align-items: center; padding: 10px 10px 10px 18px; border-bottom: 1px solid var(--line); }
    h2 { font-size: 14px; font-weight: 650; margin: 0; flex: 1; }
    .all { overflow-y: auto; padding: 6px 18px 16px; columns: 2 230px; column-gap: 28px; outline: none; }
    section { break-inside: avoid; padding-top: 10px; }
    h3 { font-size: 11.5px; font-weight: 500; color: var(--muted); margin: 0 0 2px; }
    dl { margin: 0; }
    dl div { display: flex; justify-content: space-between; gap: 14px; padding: 3px 0; font-size: 13px; }
    dd { margin: 0; white-space: nowrap; }
    dd kbd { color: var(--text); }
    dd kbd + kbd::before { content: ", "; color: var(--muted); }
  `];

  override render(): TemplateResult {
    const groups = new Map<string, Map<string, string[]>>();
    for (const { group, title, keys } of this.workbench.commands.shortcuts) {
      const titles = groups.get(group) ?? new Map<string, string[]>();
      groups.set(group, titles.set(title, [...(titles.get(title) ?? []), keys]));
    }
    return html`
      <div class="head"><h2>Shortcuts</h2>
        <button class="quiet" aria-label="Close" data-testid="close-help" @click=${() => { this.close(); }}>×</button></div>
      <div class="all" tabindex="0" role="region" aria-label="Shortcuts" data-testid="help">${[...groups].map(([group, titles]) => html`
        <section><h3>${group}</h3><dl>${[...titles].map(([title, keys]: [Shortcut["title"], string[]]) => html`
          <div data-testid="shortcut"><dt>${title}</dt><dd>${keys.map(keyCaps)}</dd></div>`)}</dl></section>`)}
      </div>`;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>(".all")?.focus();
  }

  protected override leave(): void {
    this.workbench.view.set({ help: false });
  }
}
