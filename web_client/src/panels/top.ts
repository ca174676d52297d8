/** The bar at the top: the product's name, the model and how far it is loaded, the theme. */
import { css, html, nothing, type PropertyDeclarations, svg, type TemplateResult } from "lit";
import { Panel } from "./panel";
import { base } from "./styles";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const STORED_THEME = "neuroscope.theme";

const themeSigns: Record<Theme, TemplateResult> = {
  system: svg`<circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" fill="currentColor"/>`,
  light: svg`<circle cx="8" cy="8" r="3.2" fill="currentColor"/><path d="M8 .8v2.4M8 12.8v2.4M.8 8h2.4M12.8 8h2.4M2.9 2.9l1.7 1.7M11.4 11.4l1.7 1.7M2.9 13.1l1.7-1.7M11.4 4.6l1.7-1.7" stroke="currentColor" stroke-width="1.4" stroke-linecap="round"/>`,
  dark: svg`<path d="M13.6 9.9A6 6 0 0 1 6.1 2.4a6 6 0 1 0 7.5 7.5z" fill="currentColor"/>`,
};

export class TopPanel extends Panel {
  static override properties: PropertyDeclarations = { theme: { state: true } };
  static override styles = [base, css`
    :host { border-bottom: 1px solid var(--line); background: var(--raised); position: relative; }
    header { display: flex; align-items: center; gap: 6px 16px; padding: 7px 16px; min-height: 46px; }
    h1 { font-size: 15px; font-weight: 700; letter-spacing: -.01em; margin: 0; display: flex; gap: 8px; align-items: center; }
    h1 svg { width: 20px; height: 20px; }
    .model { display: flex; align-items: center; gap: 8px; font-size: 13px; min-width: 0; }
    .model select { max-width: 240px; }
    .model .name { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .progress { display: flex; align-items: center; gap: 8px; font-size: 12.5px; color: var(--muted); }
    .progress button { min-height: 24px; padding: 0 8px; }
    @media (max-width: 820px) {
      header { gap: 6px 12px; }
      .model { flex: 1; }
      .model select { max-width: 100%; min-width: 0; }
      .progress { position: absolute; top: 100%; left: 0; right: 0; padding: 4px 16px; background: var(--raised); border-bottom: 1px solid var(--line); z-index: 10; }
    }
    .theme { margin-left: auto; padding: 0; width: 30px; min-height: 30px; display: grid; place-items: center; }
    .theme svg { width: 16px; height: 16px; }
    progress { position: absolute; inset: auto 0 -1px; width: 100%; height: 3px; appearance: none; border: none; background: none; display: block; color: var(--accent); }
    progress::-webkit-progress-bar { background: none; }
    progress::-webkit-progress-value { background: var(--accent); transition: inline-size .2s; }
    progress::-moz-progress-bar { background: var(--accent); }
    progress:not([value]) { background: linear-gradient(90deg, transparent, var(--accent), transparent) 0 / 40% 100% no-repeat; animation: pass 1.4s infinite linear; }
    @keyframes pass { from { background-position: -60% 0; } to { background-position: 160% 0; } }
    @media (prefers-reduced-motion: reduce) { progress:not([value]) { animation: none; background: var(--accent); } progress::-webkit-progress-value { transition: none; } }
  `];
  declare theme: Theme;

  constructor() {
    super();
    const stored = readStored();
    this.theme = THEMES.find((theme) => theme === stored) ?? "system";
  }

  override render(): TemplateResult {
    const { client, loading } = this.workbench;
    const { models, model, state } = client;
    const progress = state.kind === "initializing" ? state.progress : loading?.progress ?? null;
    const busy = state.kind === "initializing" || loading !== null;
    return html`
      <header>
        <h1><svg viewBox="0 0 32 32" aria-hidden="true"><rect x="2" y="9" width="8" height="14" rx="2.5" fill="var(--blue)"/><rect x="12" y="4" width="8" height="24" rx="2.5" fill="var(--red)"/><rect x="22" y="12" width="8" height="8" rx="2.5" fill="var(--muted)" opacity=".55"/></svg>Neuroscope</h1>
        <div class="model">
          ${models.length > 1 ? html`<label class="sr" for="model">Model</label>
            <select id="model" data-testid="model-picker" ?disabled=${state.kind !== "ready"} @change=${this.#choose}>
              ${models.map(({ id, title }) => html`<option value=${id}>${title}</option>`)}
            </select>` : html`<span class="name" data-testid="model-name">${models.find(({ id }) => id === model?.id)?.title ?? model?.id ?? ""}</span>`}
        </div>
        ${busy ? html`<div class="progress" role="status" data-testid="progress">
            <span>${progress?.title ?? (state.kind === "initializing" ? "Waiting for the model" : `Loading ${loading?.model ?? ""}`)}${progress?.message === undefined ? "" : `: ${progress.message}`}${progress?.percentage === undefined ? "" : ` (${Math.round(progress.percentage)} %)`}</span>
            ${loading === null ? nothing : html`<button data-testid="cancel-load" @click=${() => { this.workbench.cancelLoading(); }}>Cancel</button>`}
          </div>` : nothing}
        <button class="theme quiet" data-testid="theme" data-theme=${this.theme} aria-label="Theme: ${this.theme}" title="Theme: ${this.theme}"
          @click=${this.#nextTheme}><svg viewBox="0 0 16 16" aria-hidden="true">${themeSigns[this.theme]}</svg></button>
      </header>
      ${!busy ? nothing : progress?.percentage === undefined ? html`<progress aria-hidden="true"></progress>`
        : html`<progress aria-hidden="true" max="100" value=${progress.percentage}></progress>`}`;
  }

  protected override firstUpdated(): void {
    applyTheme(this.theme);
  }

  /** What a person picked stands only while it loads; a refused model must not stay in the picker. */
  protected override updated(): void {
    const { client, loading } = this.workbench;
    const picker = this.renderRoot.querySelector<HTMLSelectElement>("#model");
    const id = loading?.model ?? client.model?.id;
    if (picker !== null && id !== undefined) picker.value = id;
  }

  readonly #choose = (event: Event): void => {
    void this.workbench.loadModel((event.target as HTMLSelectElement).value);
  };

  readonly #nextTheme = (): void => {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] as Theme;
    applyTheme(this.theme);
    this.workbench.redraw(); // canvases do not follow style sheets
    try {
      localStorage.setItem(STORED_THEME, this.theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  };
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORED_THEME);
  } catch {
    return null;
  }
}

function applyTheme(theme: Theme): void {
  document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
}
