/** The side panel: one of its tabs at a time. */
import { css, html, nothing, type TemplateResult } from "lit";
import type { ViewState, Workbench } from "../workbench";
import { Panel } from "./panel";
import { base } from "./styles";

interface Tab {
  readonly id: ViewState["side"];
  readonly title: string;
  readonly content: (workbench: Workbench) => TemplateResult;
}

/** In order. A tab's content exists only while it is chosen. */
const tabs: readonly [Tab, ...Tab[]] = [
  { id: "neurons", title: "Neurons", content: (workbench) => html`<neuro-neurons .workbench=${workbench}></neuro-neurons>` },
  { id: "discover", title: "Discover", content: (workbench) => html`<neuro-discover .workbench=${workbench}></neuro-discover>` },
];

export class SidePanel extends Panel {
  static override styles = [base, css`
    :host { display: flex; flex-direction: column; min-height: 0; }
    [role="tablist"] { display: flex; gap: 4px; padding: 0 12px; border-bottom: 1px solid var(--line); }
    [role="tab"] { border: none; background: none; border-radius: 0; padding: 9px 6px 7px; color: var(--muted); border-bottom: 2px solid transparent; }
    [role="tab"][aria-selected="true"] { color: var(--text); font-weight: 650; border-bottom-color: var(--accent); }
    [role="tabpanel"] { flex: 1; min-height: 0; display: flex; flex-direction: column; }
    [role="tabpanel"] > * { flex: 1; }
  `];

  override render(): TemplateResult {
    const { workbench } = this;
    const shown = tabs.find(({ id }) => id === workbench.view.state.side) ?? tabs[0];
    return html`
      ${tabs.length === 1 ? nothing : html`
        <div role="tablist" aria-label="Side panel" @keydown=${this.#key}>${tabs.map(({ id, title }) => html`
          <button role="tab" id="tab-${id}" data-testid="tab-${id}" aria-selected=${id === shown.id} aria-controls="panel"
            tabindex=${id === shown.id ? "0" : "-1"} @click=${() => { workbench.view.set({ side: id }); }}>${title}</button>`)}
        </div>`}
      <div role="tabpanel" id="panel" aria-label=${shown.title}>${shown.content(workbench)}</div>`;
  }

  readonly #key = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const buttons = [...this.renderRoot.querySelectorAll<HTMLElement>("[role=tab]")];
    const next = buttons[buttons.indexOf(event.target as HTMLElement) + step];
    if (step === 0 || next === undefined) return;
    event.preventDefault();
    next.click();
    next.focus();
  };
}
