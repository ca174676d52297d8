/** The page: its panels, side by side or, on a narrow screen, one under the other. */
import { css, html, type TemplateResult } from "lit";
import { Panel } from "../panels/panel";
import { base } from "../panels/styles";

export class Page extends Panel {
  static override styles = [base, css`
    :host { display: grid; grid-template: auto 1fr auto / minmax(0, 1fr); height: 100dvh; }
    main { display: grid; grid-template-columns: minmax(0, 1fr) clamp(340px, 31vw, 480px); min-height: 0; }
    .text { display: flex; flex-direction: column; min-height: 0; min-width: 0; background: var(--page); }
    neuro-editor { flex: 1; }
    neuro-neurons { border-left: 1px solid var(--line); background: var(--side); }
    @media (max-width: 820px) {
      :host { height: auto; min-height: 100dvh; }
      main { grid-template-columns: minmax(0, 1fr); }
      neuro-editor { height: 46dvh; flex: none; }
      neuro-neurons { border-left: none; border-top: 1px solid var(--line); }
    }
  `];

  override render(): TemplateResult {
    const { workbench } = this;
    return html`
      <neuro-top .workbench=${workbench}></neuro-top>
      <main>
        <section class="text" aria-label="Text">
          <neuro-focus .workbench=${workbench}></neuro-focus>
          <neuro-editor .workbench=${workbench}></neuro-editor>
        </section>
        <neuro-neurons .workbench=${workbench} role="region" aria-label="Neurons"></neuro-neurons>
      </main>
      <neuro-status .workbench=${workbench}></neuro-status>
      <neuro-notices .workbench=${workbench}></neuro-notices>`;
  }
}
