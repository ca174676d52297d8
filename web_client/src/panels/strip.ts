/** One neuron's activations over the tokens: bars from zero, on a canvas. */
import { css, html, type TemplateResult } from "lit";
import type { PropertyDeclarations } from "lit";
import { Freshness } from "../client";
import { css as colourOf, inkOf, slate } from "../colour/palette";
import { systemDark, themeOf } from "../colour/theme";
import { Panel } from "./panel";
import { base } from "./styles";

/** Least share of the height below zero, so that it is visible. */
const LEAST_BELOW = 0.14;

export class Strip extends Panel {
  static override properties: PropertyDeclarations = { neuron: { attribute: false } };
  static override styles = [base, css`
    :host { height: 34px; }
    /* The canvas reads its colours here: a computed style has light-dark() resolved, a custom property has not. */
    canvas { touch-action: pan-y; display: block; width: 100%; height: 100%; color: var(--accent); outline: 0 solid var(--axis); }
  `];
  declare neuron: string;
  readonly #resized = new ResizeObserver(() => { this.#draw(); });
  readonly #redraw = (): void => { this.#draw(); };

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resized.observe(this);
    systemDark.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resized.disconnect();
    systemDark.removeEventListener("change", this.#redraw);
  }

  override render(): TemplateResult {
    return html`<canvas aria-hidden="true" @pointermove=${this.#point} @pointerleave=${this.#leave} @click=${this.#go}></canvas>`;
  }

  protected override updated(): void {
    this.#draw();
  }

  /** The token that is drawn under the pointer. */
  #tokenAt(event: MouseEvent): number | null {
    const { length } = this.workbench.document.tokens;
    const box = this.getBoundingClientRect();
    const token = Math.floor(((event.clientX - box.left) / box.width) * length);
    return token >= 0 && token < length ? token : null;
  }

  readonly #point = (event: PointerEvent): void => {
    this.workbench.hover(this.#tokenAt(event));
  };

  /** Colour the text by this neuron, and go to the token. */
  readonly #go = (event: MouseEvent): void => {
    this.workbench.rows.setFocus(this.neuron);
    const token = this.#tokenAt(event);
    if (token !== null) this.workbench.reveal(token);
  };

  readonly #leave = (): void => {
    this.workbench.hover(null);
  };

  #draw(): void {
    const canvas = this.renderRoot.querySelector("canvas");
    const context = canvas?.getContext("2d") ?? null;
    if (canvas === null || context === null || this.clientWidth === 0) return;
    const density = devicePixelRatio;
    const width = Math.round(this.clientWidth * density);
    const height = Math.round(this.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const style = getComputedStyle(canvas);
    const theme = themeOf(canvas);
    const { workbench, neuron } = this;
    const { document } = workbench;
    const values = document.activations.values(neuron);
    const freshness = document.activations.freshness(neuron);
    const scale = workbench.scale(neuron);
    const lowest = workbench.client.subscriptions.neuron(neuron)?.statistics?.min ?? document.activations.extent(neuron)?.min ?? 0;
    const below = Math.max(Math.max(scale.min, Math.min(0, lowest)) * -1, scale.max * LEAST_BELOW);
    const unit = height / (scale.max + below || 1); // device pixels per activation
    const zero = Math.round(scale.max * unit);

    context.clearRect(0, 0, width, height);
    const cursor = workbench.cursor;
    if (cursor !== null) {
      context.globalAlpha = 0.28;
      context.fillStyle = style.color;
      const left = Math.floor((cursor * width) / values.length);
      context.fillRect(left, 0, Math.max(density, Math.ceil(width / values.length)), height);
      context.globalAlpha = 1;
    }
    context.fillStyle = style.outlineColor;
    context.fillRect(0, zero, width, Math.max(1, Math.round(density / 2)));
    const positive = colourOf(inkOf(workbench.rows.get(neuron)?.hue ?? 0, theme));
    const negative = colourOf(slate[theme]);
    const paths = new Map<string, Path2D>(); // one fill per colour, however many bars
    const bars = Math.min(values.length, Math.floor(width / density));
    for (let bar = 0; bar < bars; bar++) {
      // If several tokens share a pixel, the strongest is drawn.
      const first = Math.floor((bar * values.length) / bars);
      const last = Math.max(first + 1, Math.floor(((bar + 1) * values.length) / bars));
      let strongest = first;
      for (let i = first + 1; i < last; i++) {
        if (!(Math.abs(values[i] as number) <= Math.abs(values[strongest] as number))) strongest = i; // also replaces NaN
      }
      const value = values[strongest] as number;
      if (Number.isNaN(value)) continue;
      const size = Math.max(Math.min(value, scale.max), -below) * unit;
      // Tokens that the server added are not part of the text: their bars are pale.
      const colour = document.tokens.infos[strongest]?.special === true ? style.outlineColor : value < 0 ? negative : positive;
      const late = workbench.late && freshness[strongest] !== Freshness.fresh;
      const left = Math.round((bar * width) / bars);
      const right = Math.round(((bar + 1) * width) / bars);
      const gap = right - left > 3 * density ? Math.round(density) : 0;
      const name = `${late ? "late" : "here"} ${colour}`;
      const path = paths.get(name) ?? new Path2D();
      paths.set(name, path);
      path.rect(left, Math.min(zero, zero - size), Math.max(1, right - left - gap), Math.max(1, Math.abs(size)));
    }
    for (const [name, path] of paths) {
      context.globalAlpha = name.startsWith("late") ? 0.4 : 1;
      context.fillStyle = name.slice(5);
      context.fill(path);
    }
    context.globalAlpha = 1;
  }
}
