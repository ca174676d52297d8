/**
 * Stripes: up to eight more neurons under each token, on one canvas under the text.
 *
 * The canvas lies in the scrolled area, so that it scrolls with the text by itself, and is drawn in the task that changed
 * the text: no frame shows the one without the other. CodeMirror's own layers are drawn a frame later when the change
 * came in a frame's callback, and its own notice of another width comes later still; hence the microtask and the observer.
 *
 * Where the pieces of the text are is measured only when the text or its layout changed; other values are drawn from what
 * was measured. Nothing is measured or drawn far outside of what is seen.
 */
import type { Extension } from "@codemirror/state";
import { EditorView, type PluginValue, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { buckets as allBuckets, css, stripeOf } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import { systemDark, themeOf } from "../colour/theme";
import { pictureField } from "./picture";
import { frameOf, measurePieces, type Piece } from "./pieces";
import { MOST_STRIPES, type Stripe } from "./source";

/** So much is drawn above and below of what is seen, in CSS pixels: a scroll shows stripes before it can be answered. */
const SLACK = 400;
/** From the text's own box to the first stripe: a mark's padding, and air. */
const UNDER_TEXT = 4;
const FADED = 0.4;

/** Height of one neuron's lane, its gap included: a few may be taller, and the fifth makes no line higher. */
export function laneHeight(lanes: number): number {
  return lanes > 4 ? 3 : 4;
}

/** Class of an editor with so many stripes, whose lines are higher by that much. */
export function lanesClass(lanes: number): string {
  return lanes === 0 ? "" : `neuro-lanes-${lanes}`;
}

/** What was measured: the pieces between `top` and `bottom`, and of which text. */
interface Layout {
  readonly pieces: readonly Piece[];
  readonly top: number;
  readonly bottom: number;
  readonly width: number;
  readonly contentWidth: number;
  readonly contentHeight: number;
}

class StripeLayer implements PluginValue {
  readonly #view: EditorView;
  readonly #canvas = document.createElement("canvas");
  #layout: Layout | null = null;
  /** Tells whether what is on the canvas is what should be there. */
  #drawn: readonly unknown[] = [];
  #planned = false;
  #alive = true;
  /** Height of the text's own box in a line, once seen. */
  #textHeight = 19;
  readonly #resized = new ResizeObserver(() => { this.#lookAgain(); });
  readonly #scrolled = (): void => { if (this.#layout !== null && !this.#covers(this.#layout, SLACK / 2)) this.#draw(); };
  readonly #plan = (): void => {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.#alive) this.#draw();
    });
  };
  #density: MediaQueryList | null = null;

  constructor(view: EditorView) {
    this.#view = view;
    this.#canvas.className = "neuro-stripes";
    this.#canvas.setAttribute("aria-hidden", "true");
    view.scrollDOM.append(this.#canvas);
    this.#resized.observe(view.contentDOM);
    this.#resized.observe(view.scrollDOM);
    view.scrollDOM.addEventListener("scroll", this.#scrolled, { passive: true });
    addEventListener("scroll", this.#scrolled, { passive: true, capture: true }); // an editor may be as high as its text
    systemDark.addEventListener("change", this.#plan);
    this.#watchDensity();
    this.#plan();
  }

  update({ docChanged, geometryChanged, viewportChanged, startState, state }: ViewUpdate): void {
    const before = startState.field(pictureField);
    const picture = state.field(pictureField);
    if (before === picture && !docChanged && !geometryChanged && !viewportChanged) return;
    if (docChanged || geometryChanged || viewportChanged || before.tokens !== picture.tokens || before.stripes.length !== picture.stripes.length) {
      this.#layout = null;
    }
    this.#plan();
  }

  /** The document's elements were changed, be it only for more of the text to be there. */
  docViewUpdate(): void {
    if (this.#layout === null) this.#plan();
  }

  destroy(): void {
    this.#alive = false;
    this.#resized.disconnect();
    this.#view.scrollDOM.removeEventListener("scroll", this.#scrolled);
    removeEventListener("scroll", this.#scrolled, { capture: true });
    systemDark.removeEventListener("change", this.#plan);
    this.#density?.removeEventListener("change", this.#plan);
    this.#canvas.remove();
  }

  /** The text was laid out anew, in this frame and not yet painted. */
  #lookAgain(): void {
    const { contentDOM } = this.#view;
    const layout = this.#layout;
    if (layout !== null && layout.contentWidth === contentDOM.clientWidth && layout.contentHeight === contentDOM.clientHeight
      && this.#covers(layout, 0)) return;
    this.#layout = null;
    this.#draw();
  }

  /** A window that moves to another screen has another density, which no other event tells. */
  #watchDensity(): void {
    this.#density?.removeEventListener("change", this.#plan);
    this.#density = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    this.#density.addEventListener("change", this.#plan);
  }

  // ------------------------------------------------------------------ where

  /** What is seen of the scrolled area, and the height of all of the text. */
  #seen(): { readonly top: number; readonly bottom: number; readonly height: number } {
    const { contentDOM, scrollDOM } = this.#view;
    const { top, bottom } = scrollDOM.getBoundingClientRect();
    const frame = frameOf(this.#view);
    return { top: frame.y(Math.max(0, top)), bottom: frame.y(Math.min(innerHeight, bottom)), height: contentDOM.offsetTop + contentDOM.offsetHeight };
  }

  /** Whether a layout reaches `slack` further than what is seen, as far as there is any text. */
  #covers(layout: Layout, slack: number): boolean {
    const { top, bottom, height } = this.#seen();
    return layout.top <= Math.max(0, top - slack) && layout.bottom >= Math.min(height, bottom + slack);
  }

  #measure(): Layout {
    const { contentDOM, scrollDOM, state } = this.#view;
    const seen = this.#seen();
    const top = Math.max(0, Math.floor(seen.top - SLACK));
    const bottom = Math.max(top, Math.min(seen.height, Math.ceil(seen.bottom + SLACK)));
    const { list, textHeight } = measurePieces(this.#view, state.field(pictureField).tokens, top, bottom);
    this.#textHeight = textHeight ?? this.#textHeight;
    return {
      pieces: list, top, bottom, width: scrollDOM.clientWidth, contentWidth: contentDOM.clientWidth, contentHeight: contentDOM.clientHeight,
    };
  }

  // ------------------------------------------------------------------ what

  #draw(): void {
    const picture = this.#view.state.field(pictureField);
    const { stripes } = picture;
    const canvas = this.#canvas;
    canvas.hidden = stripes.length === 0;
    if (stripes.length === 0 || this.#view.scrollDOM.clientWidth === 0) {
      this.#layout = null;
      this.#drawn = [];
      return;
    }
    if (this.#layout === null || !this.#covers(this.#layout, SLACK / 2)) this.#layout = this.#measure();
    const layout = this.#layout;
    const theme = themeOf(canvas);
    const wanted = [layout, theme, devicePixelRatio, picture.faded, ...stripes];
    if (same(wanted, this.#drawn)) return;
    this.#drawn = wanted;
    if (!this.#density?.matches) this.#watchDensity();

    const density = devicePixelRatio;
    const width = Math.round(layout.width * density);
    const height = Math.round((layout.bottom - layout.top) * density);
    const context = canvas.getContext("2d");
    if (context === null) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${width / density}px`;
      canvas.style.height = `${height / density}px`;
    } else {
      context.clearRect(0, 0, width, height);
    }
    canvas.style.top = `${layout.top}px`;
    const lane = laneHeight(stripes.length);
    const thickness = Math.max(1, Math.round((lane - 1) * density));
    const under = this.#textHeight / 2 + UNDER_TEXT - layout.top; // from a visual line's middle
    stripes.forEach(({ hue, buckets }, i) => {
      // In advance, for there are thousands of tokens to 33 buckets.
      const colours = new Map(allBuckets.map((bucket) => {
        const { ink, opacity } = stripeOf(hue, bucket, theme);
        return [bucket, { ink: css(ink), opacity }] as const;
      }));
      for (const { left, right, middle, first, last } of layout.pieces) {
        const y = Math.round((middle + under) * density) + Math.round(i * lane * density);
        const start = Math.round(left * density);
        const whole = Math.round(right * density) - start;
        const count = last - first + 1; // tokens that share a character share its width
        for (let token = first; token <= last; token++) {
          const colour = colours.get(buckets[token] ?? NO_VALUE);
          if (colour === undefined || colour.opacity === 0) continue;
          const x = start + Math.round((whole * (token - first)) / count);
          const end = start + Math.round((whole * (token - first + 1)) / count);
          const gap = end - x > 3 * density ? Math.round(density) : 0; // tokens are told apart
          context.fillStyle = colour.ink;
          context.globalAlpha = colour.opacity * (picture.faded?.[token] === 1 ? FADED : 1);
          context.fillRect(x, y, end - x - gap, thickness);
        }
      }
    });
  }
}

/** Whether two lists of what is drawn are the same to look at. */
function same(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, i) => alike(item, other[i]));
}

function alike(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (one instanceof Uint8Array && other instanceof Uint8Array) return equal(one, other);
  return isStripe(one) && isStripe(other) && one.hue === other.hue && equal(one.buckets, other.buckets);
}

function isStripe(item: unknown): item is Stripe {
  return typeof item === "object" && item !== null && "buckets" in item;
}

function equal(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Lines are as high as the stripes need, and no higher; the count of stripes does not change while typing. */
export const stripeTheme = EditorView.theme({
  ...Object.fromEntries(Array.from({ length: MOST_STRIPES }, (_, i) => i + 1).map((lanes) => [
    `&.${lanesClass(lanes)} .cm-scroller`, { lineHeight: `calc(1.9em + ${lanes * laneHeight(lanes)}px)` },
  ])),
  ".neuro-stripes": { position: "absolute", left: "0", zIndex: "-1", pointerEvents: "none" },
  ".neuro-stripes[hidden]": { display: "none" },
});

export const stripeLayer: Extension = [
  ViewPlugin.fromClass(StripeLayer),
  EditorView.editorAttributes.compute([pictureField], (state) => ({ class: lanesClass(state.field(pictureField).stripes.length) })),
  stripeTheme,
];
