/** The model's facts: everything that values depend on, and its size. */
import { css, html, nothing, type TemplateResult } from "lit";
import { infoSign } from "./icons";
import { Panel } from "./panel";
import { base } from "./styles";

export class ModelFactsPanel extends Panel {
  static override styles = [base, css`
    svg { width: 16px; height: 16px; display: block; color: var(--muted); }
    dl { display: grid; grid-template-columns: auto auto; gap: 3px 16px; margin: 0; }
    dt { color: var(--muted); }
    dd { margin: 0; overflow-wrap: anywhere; }
    p { margin: 0 0 8px; max-width: 46ch; }
  `];

  override render(): TemplateResult {
    const { model, models } = this.workbench.client;
    if (model === null) return html``;
    const summary = models.find(({ id }) => id === model.id);
    const count = (value: number): string => value.toLocaleString("en");
    const facts: readonly (readonly [string, string])[] = [
      ["Name", model.id],
      ["Revision", model.revision ?? "local folder"],
      ["Architecture", model.architecture],
      ["Layers", count(model.layers)],
      ["MLP neurons per layer", count(model.neuronsPerLayer)],
      ["Context", `${count(model.contextTokens)} tokens`],
      ["Vocabulary", `${count(model.vocabulary)} tokens`],
      ["Precision", model.dtype],
      ["Device", model.device],
      ["BOS", model.prependsBos ? "prepended to each context" : "not prepended"],
      ["Statistics", model.hasStatistics ? "all neurons, over held-out text" : "none"],
    ];
    return html`
      <neuro-disclosure label="About the model">
        <svg slot="summary" viewBox="0 0 16 16" aria-hidden="true" data-testid="model-about">${infoSign}</svg>
        ${summary?.description == null ? nothing : html`<p>${summary.description}</p>`}
        <dl translate="no" class="number" data-testid="model-about-facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd data-fact=${name}>${value}</dd>`)}</dl>
      </neuro-disclosure>`;
  }
}
