/** The bar at the top: the product's name, the model and its loading progress, the theme. */
import { css, html, nothing, type TemplateResult } from "lit";
import type { ProgressValue } from "../client";
import { THEMES } from "../workbench";
import { compareSign, heatmapSign, logo, searchSign, themeSigns } from "./icons";
import { keyCaps } from "./keys";
import { Panel } from "./panel";
import { base } from "./styles";

export class TopPanel extends Panel {
  static override styles = [base, css`
    :host { border-bottom: 1px solid var(--line); background: var(--raised); position: relative; }
    header { display: flex; align-items: center; gap: 6px 16px; padding: 7px 16px; min-height: 46px; }
    h1 { font-size: 15px; font-weight: 700; letter-spacing: -.01em; margin: 0; display: flex; gap: 8px; align-items: center; }
    h1 svg { width: 20px; height: 20px; }
    .model { display: flex; align-items: center; gap: 8px; font-size: 13px; min-width: 0; }
    .model select { max-width: 240px; }
    .model .name { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .progress { display: flex; align-items: center; gap: 8px; font-size: 12.5px; color: var(--muted); }
    .progress button { min-height: 24px; padding: 0 8px; }
    @media (max-width: 820px) {
      header { gap: 6px 12px; }
      h1 { font-size: 0; gap: 0; } /* the mark is enough to see */
      .model { flex: 1; }
      .model select { max-width: 100%; min-width: 0; }
      .progress {
        position: absolute; inset: 100% 0 auto; z-index: 10; padding: 4px 16px;
        background: var(--raised); border-bottom: 1px solid var(--line);
      }
    }
    @media (max-width: 520px) {
      header { gap: 4px; padding: 7px 10px; }
      h1 span, .model .name { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    }
    .parts { margin-left: auto; display: flex; gap: 4px; }
    .parts button { display: flex; align-items: center; gap: 6px; font-size: 13px; padding: 3px 8px; }
    .parts button[aria-pressed="true"] { color: var(--text); border-color: var(--line); background: var(--page); }
    .parts svg { width: 16px; height: 16px; }
    @media (max-width: 1100px) { .parts span { display: none; } }
    nav { display: flex; gap: 2px; }
    .commands { font-size: 12.5px; display: flex; align-items: center; gap: 6px; white-space: nowrap; min-height: 30px; }
    .commands svg { width: 15px; height: 15px; }
    .commands kbd { font: inherit; }
    @media (max-width: 820px) {
      .commands .keys { display: none; }
      .commands span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } /* an icon is enough to see */
    }
    .theme { padding: 0; width: 30px; min-height: 30px; display: grid; place-items: center; }
    .theme svg { width: 16px; height: 16px; }
    progress {
      position: absolute; inset: auto 0 -1px; display: block; width: 100%; height: 3px;
      appearance: none; border: none; background: none; color: var(--accent);
    }
    progress::-webkit-progress-bar { background: none; }
    progress::-webkit-progress-value { background: var(--accent); transition: inline-size .2s; }
    progress::-moz-progress-bar { background: var(--accent); }
    progress:not([value]) {
      background: linear-gradient(90deg, transparent, var(--accent), transparent) 0 / 40% 100% no-repeat;
      animation: pass 1.4s infinite linear;
    }
    @keyframes pass { from { background-position: -60% 0; } to { background-position: 160% 0; } }
    @media (prefers-reduced-motion: reduce) {
      progress:not([value]) { animation: none; background: var(--accent); }
      progress::-webkit-progress-value { transition: none; }
    }
  `];
  override render(): TemplateResult {
    const { client, loading, view } = this.workbench;
    const { theme } = view.state;
    const waiting = client.state.kind === "initializing";
    const progress = client.state.kind === "initializing" ? client.state.progress : loading?.progress ?? null;
    const doing = waiting ? "Waiting for the model" : loading === null ? null : `Loading ${loading.model}`;
    const title = `Theme: ${theme}`;
    return html`
      <header>
        <h1><svg viewBox="0 0 32 32" aria-hidden="true">${logo}</svg><span>Neuroscope</span></h1>
        <div class="model" translate="no">${this.#model()}<neuro-model-facts .workbench=${this.workbench}></neuro-model-facts></div>
        ${doing === null ? nothing : html`
          <div class="progress" translate="no" role="status" data-testid="progress">
            <span>${progressText(doing, progress)}</span>
            ${loading === null ? nothing : html`<button data-testid="cancel-load" @click=${this.#cancel}>Cancel</button>`}
          </div>`}
        <div class="parts" role="group" aria-label="Parts of the page">
          ${this.#part("heatmap", "Heatmap", heatmapSign)}
          ${this.#part("compare", "Compare", compareSign)}
        </div>
        <nav aria-label="Text and sharing">
          <neuro-menu .workbench=${this.workbench} label="Text" .groups=${["Text", "Samples", "Page"]}></neuro-menu>
          <neuro-menu .workbench=${this.workbench} label="Share" .groups=${["Share", "Export", "Picture width"]}></neuro-menu>
        </nav>
        <button class="commands quiet" data-testid="open-palette" aria-haspopup="dialog" aria-expanded=${view.state.palette}
          @pointerdown=${(event: Event) => { event.preventDefault(); }} @click=${() => { view.toggle("palette"); }}>
          <svg viewBox="0 0 16 16" aria-hidden="true">${searchSign}</svg><span>Commands</span><span class="keys" aria-hidden="true">${keyCaps("Mod-k")}</span></button>
        <button class="theme quiet" data-testid="theme" data-theme=${theme} aria-label=${title} title=${title}
          @click=${this.#nextTheme}>
          <svg viewBox="0 0 16 16" aria-hidden="true">${themeSigns[theme]}</svg>
        </button>
      </header>
      ${doing === null ? nothing : progress?.percentage === undefined ? html`<progress aria-hidden="true"></progress>`
        : html`<progress aria-hidden="true" max="100" value=${progress.percentage}></progress>`}`;
  }

  /** A button that opens and closes a part of the page. */
  #part(name: "heatmap" | "compare", title: string, sign: TemplateResult): TemplateResult {
    const { commands, view } = this.workbench;
    const command = commands.list.find(({ id }) => id === `${name}.toggle`);
    return html`
      <button class="quiet" data-testid="toggle-${name}" aria-pressed=${view.state[name]} aria-label=${title}
        title="${command?.title ?? title}${command?.keys === undefined ? "" : ` (${command.keys})`}" @click=${() => { view.toggle(name); }}>
        <svg viewBox="0 0 16 16" aria-hidden="true">${sign}</svg><span>${title}</span>
      </button>`;
  }

  /** The model's name, or a choice if there are several. */
  #model(): TemplateResult {
    const { models, model, state } = this.workbench.client;
    if (models.length < 2) {
      const title = models.find(({ id }) => id === model?.id)?.title ?? model?.id ?? "";
      return html`<span class="name" data-testid="model-name">${title}</span>`;
    }
    return html`<label class="sr" for="model">Model</label>
      <select id="model" data-testid="model-picker" ?disabled=${state.kind !== "ready"} @change=${this.#choose}>
        ${models.map(({ id, title, loaded }) => html`<option value=${id}>${title}${loaded ? "" : " (not loaded yet)"}</option>`)}
      </select>`;
  }

  /** The picker shows a chosen model only while it loads; a refused one must not stay. */
  protected override updated(): void {
    const { client, loading } = this.workbench;
    const picker = this.renderRoot.querySelector<HTMLSelectElement>("#model");
    const id = loading?.model ?? client.model?.id;
    if (picker !== null && id !== undefined) picker.value = id;
  }

  readonly #choose = (event: Event): void => {
    void this.workbench.loadModel((event.target as HTMLSelectElement).value);
  };

  readonly #cancel = (): void => {
    this.workbench.cancelLoading();
  };

  readonly #nextTheme = (): void => {
    const { view } = this.workbench;
    view.set({ theme: THEMES[(THEMES.indexOf(view.state.theme) + 1) % THEMES.length] ?? "system" });
  };
}

/** What the server reports about loading. */
function progressText(doing: string, progress: ProgressValue | null): string {
  const message = progress?.message === undefined ? "" : `: ${progress.message}`;
  const share = progress?.percentage === undefined ? "" : ` (${Math.round(progress.percentage)} %)`;
  return `${progress?.title ?? doing}${message}${share}`;
}
