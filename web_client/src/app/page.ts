/** The page: its panels, side by side or, on a narrow screen, stacked. */
import { css, html, nothing, type TemplateResult } from "lit";
import { keysOf } from "../workbench";
import { MAC } from "../panels/keys";
import { Panel } from "../panels/panel";
import { base } from "../panels/styles";

export class Page extends Panel {
  static override styles = [base, css`
    :host { display: grid; grid-template: auto 1fr auto / minmax(0, 1fr); height: 100dvh; }
    main { display: grid; grid-template-columns: minmax(0, 1fr) clamp(340px, 31vw, 480px); min-height: 0; }
    .text { display: flex; flex-direction: column; min-height: 0; min-width: 0; background: var(--page); }
    .editors { flex: 1; display: flex; min-height: 0; }
    neuro-editor { flex: 1; min-width: 0; }
    neuro-editor + neuro-editor { border-left: 1px solid var(--line); }
    neuro-side { border-left: 1px solid var(--line); background: var(--side); }
    @media (max-width: 820px) {
      :host { height: auto; min-height: 100dvh; }
      main { grid-template-columns: minmax(0, 1fr); }
      .editors { flex: none; flex-direction: column; }
      neuro-editor { height: 46dvh; flex: none; }
      neuro-editor + neuro-editor { border-left: none; border-top: 1px solid var(--line); }
      neuro-side { border-left: none; border-top: 1px solid var(--line); }
    }
  `];

  #stop: (() => void) | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("keydown", this.#key);
    // Not in the next frame: an element that takes the focus must have it before the next key.
    this.#stop = this.workbench.view.on("change", () => { this.requestUpdate(); });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("keydown", this.#key);
    this.#stop?.();
  }

  override render(): TemplateResult {
    const { workbench } = this;
    const { comparison } = workbench;
    return html`
      <neuro-top .workbench=${workbench}></neuro-top>
      <main>
        <section class="text" aria-label="Text">
          <neuro-focus .workbench=${workbench}></neuro-focus>
          ${comparison === null ? nothing : html`<neuro-compare .workbench=${workbench} role="region" aria-label="Comparison"></neuro-compare>`}
          <div class="editors">
            <neuro-editor .workbench=${workbench} .passage=${workbench.text} label=${comparison === null ? "Text" : "Left text"}></neuro-editor>
            ${comparison === null ? nothing : html`
              <neuro-editor .workbench=${workbench} .passage=${comparison.right} label="Right text"></neuro-editor>`}
          </div>
          ${workbench.view.state.heatmap ? html`
            <neuro-dock label="the heatmap"><neuro-heatmap .workbench=${workbench} role="region" aria-label="Heatmap"></neuro-heatmap></neuro-dock>` : nothing}
        </section>
        <neuro-side .workbench=${workbench} role="region" aria-label="Neurons"></neuro-side>
      </main>
      <neuro-status .workbench=${workbench}></neuro-status>
      <neuro-notices .workbench=${workbench}></neuro-notices>
      ${workbench.view.state.palette ? html`<neuro-palette role="dialog" aria-label="Commands" .workbench=${workbench}></neuro-palette>` : nothing}
      ${workbench.view.state.help ? html`<neuro-help role="dialog" aria-label="Shortcuts" .workbench=${workbench}></neuro-help>` : nothing}`;
  }

  /** Shortcuts of the commands, except for keys that a field or the editor has handled, and plain characters typed
   * there. */
  readonly #key = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const typing = event.composedPath().some((target) => target instanceof HTMLElement
      && (target.isContentEditable || target instanceof HTMLInputElement || target instanceof HTMLSelectElement));
    if (typing && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) return;
    if (this.workbench.commands.press(keysOf(event, MAC))) event.preventDefault();
  };
}
