/**
 * Stripes: up to eight more neurons under each token, on a layer of canvases under the text.
 *
 * The layer is in the scrolled area, so that it scrolls with the text, and is drawn in the task that changed the text:
 * no frame shows one without the other. CodeMirror's own layers are drawn a frame later if the change came in a frame's
 * callback, and learn of a new width even later; hence the microtask and the observer.
 *
 * Positions are measured only when the text or its layout changed, and nothing is measured or drawn far from the
 * visible part. The layer is divided into bands, each a canvas, because browsers paint a whole canvas with everything
 * above it: an edit changes the stripes of a few lines, so one or two bands are redrawn.
 */
import type { Extension } from "@codemirror/state";
import { EditorView, type PluginValue, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { buckets as allBuckets, css, stripeOf } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import { systemDark, themeOf } from "../colour/theme";
import { pictureField } from "./picture";
import { frameOf, type Piece, PieceFinder } from "./pieces";
import { MOST_STRIPES, type TokenPicture } from "./source";

/** Drawn above and below what is visible, in CSS pixels: scrolling shows stripes before they can be redrawn. */
const SLACK = 400;
/** From the text's own box to the first stripe: a mark's padding, and air. */
const UNDER_TEXT = 4;
const FADED = 0.4;

/** Height of one neuron's lane, its gap included: a few may be taller, and the fifth makes no line higher. */
export function laneHeight(lanes: number): number {
  return lanes > 4 ? 3 : 4;
}

/** Class of an editor with this many stripes, which makes its lines higher. */
export function lanesClass(lanes: number): string {
  return lanes === 0 ? "" : `neuro-lanes-${lanes}`;
}

/** What was measured: the pieces between `top` and `bottom`, drawn from `left` on, and the size of the text at that time. */
interface Layout {
  readonly pieces: readonly Piece[];
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly width: number;
  readonly contentWidth: number;
  readonly contentHeight: number;
}

/** Part of the layer: as wide as the viewport, or wider if lines are not wrapped; height in CSS pixels. A band is
 * redrawn only if its content has changed. */
const BAND = 192;

interface Band {
  readonly canvas: HTMLCanvasElement;
  /** What is on it: see `Painting`. */
  drawn: Int32Array;
  /** Of the canvas, device pixels. */
  width: number;
  height: number;
}

/** Rectangles of one band, four numbers each: x, y, width in device pixels, and which colour. */
type Painting = number[];

class StripeLayer implements PluginValue {
  readonly #view: EditorView;
  readonly #layer = document.createElement("div");
  readonly #bands = new Map<number, Band>();
  readonly #finder: PieceFinder;
  #layout: Layout | null = null;
  /** State of the bands' content, besides the layout. */
  #look = "";
  #planned = false;
  #alive = true;
  #density: MediaQueryList | null = null;
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

  constructor(view: EditorView) {
    this.#view = view;
    this.#finder = new PieceFinder(view);
    this.#layer.className = "neuro-stripes";
    this.#layer.setAttribute("aria-hidden", "true");
    view.scrollDOM.append(this.#layer);
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
    const sameLanes = before.stripes.length === picture.stripes.length;
    if (!sameLanes || (geometryChanged && !docChanged)) this.#finder.forget();
    if (docChanged || geometryChanged || viewportChanged || before.tokens !== picture.tokens || !sameLanes) this.#layout = null;
    this.#plan();
  }

  /** The document's elements have changed, perhaps only because more of the text is drawn. */
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
    this.#layer.remove();
  }

  /** The text has a new layout in this frame, not yet painted. */
  #lookAgain(): void {
    const { contentDOM } = this.#view;
    const layout = this.#layout;
    if (layout !== null && layout.contentWidth === contentDOM.clientWidth && layout.contentHeight === contentDOM.clientHeight
      && this.#covers(layout, 0)) return;
    this.#layout = null;
    this.#draw();
  }

  /** A window that moves to another screen may have another density, for which there is no other event. */
  #watchDensity(): void {
    this.#density?.removeEventListener("change", this.#plan);
    this.#density = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    this.#density.addEventListener("change", this.#plan);
  }

  // ------------------------------------------------------------------ where

  /** The visible part of the scrolled area, and the size of the whole text. */
  #seen(): { readonly top: number; readonly bottom: number; readonly height: number; readonly left: number; readonly right: number; readonly width: number } {
    const { contentDOM, scrollDOM } = this.#view;
    const { top, bottom } = scrollDOM.getBoundingClientRect();
    const frame = frameOf(this.#view);
    const { scrollLeft: left, clientWidth } = scrollDOM;
    return {
      top: frame.y(Math.max(0, top)), bottom: frame.y(Math.min(innerHeight, bottom)), height: contentDOM.offsetTop + contentDOM.offsetHeight,
      left, right: left + clientWidth, width: Math.max(clientWidth, contentDOM.offsetLeft + contentDOM.offsetWidth),
    };
  }

  /** Whether a layout reaches `slack` beyond the visible part, as far as there is text. */
  #covers(layout: Layout, slack: number): boolean {
    const { top, bottom, height, left, right, width } = this.#seen();
    return layout.top <= Math.max(0, top - slack) && layout.bottom >= Math.min(height, bottom + slack)
      && layout.left <= Math.max(0, left - slack) && layout.left + layout.width >= Math.min(width, right + slack);
  }

  #measure(): Layout {
    const { contentDOM, state } = this.#view;
    const seen = this.#seen();
    const left = Math.max(0, Math.floor(seen.left - SLACK));
    const right = Math.min(seen.width, Math.ceil(seen.right + SLACK));
    const top = Math.max(0, Math.floor(seen.top - SLACK));
    const bottom = Math.max(top, Math.min(seen.height, Math.ceil(seen.bottom + SLACK)));
    return {
      pieces: this.#finder.find(state.field(pictureField).tokens, top, bottom), top, bottom, left, width: right - left,
      contentWidth: contentDOM.clientWidth, contentHeight: contentDOM.clientHeight,
    };
  }

  // ------------------------------------------------------------------ what

  #draw(): void {
    const picture = this.#view.state.field(pictureField);
    const { stripes } = picture;
    if (stripes.length === 0 || this.#view.scrollDOM.clientWidth === 0) {
      this.#layout = null;
      this.#keepBands(new Set());
      return;
    }
    if (this.#layout === null || !this.#covers(this.#layout, SLACK / 2)) this.#layout = this.#measure();
    const theme = themeOf(this.#layer);
    const density = devicePixelRatio;
    if (this.#density?.matches !== true) this.#watchDensity();
    const look = [theme, density, this.#layout.left, stripes.length, ...stripes.map(({ hue }) => hue)].join();
    if (look !== this.#look) this.#keepBands(new Set());
    this.#look = look;
    const paintings = paint(this.#layout, picture, density);
    this.#keepBands(new Set(paintings.keys()));
    const colours = stripes.map(({ hue }) => allBuckets.map((bucket) => {
      const { ink, opacity } = stripeOf(hue, bucket, theme);
      return { ink: css(ink), opacity };
    }));
    for (const [index, painting] of paintings) this.#drawBand(index, painting, colours, this.#layout, density);
  }

  /** Remove all other bands. */
  #keepBands(indices: ReadonlySet<number>): void {
    for (const [index, { canvas }] of this.#bands) {
      if (indices.has(index)) continue;
      canvas.remove();
      this.#bands.delete(index);
    }
  }

  #drawBand(index: number, painting: Painting, colours: readonly (readonly Colour[])[], layout: Layout, density: number): void {
    const width = Math.round(layout.width * density);
    // Not below the text's end, which would extend the scrolled area.
    const height = Math.round(Math.min(BAND, layout.contentHeight + this.#view.contentDOM.offsetTop - index * BAND) * density);
    if (height <= 0) return;
    let band = this.#bands.get(index);
    if (band === undefined) {
      band = { canvas: document.createElement("canvas"), drawn: new Int32Array(0), width: 0, height: 0 };
      band.canvas.style.top = `${index * BAND}px`;
      band.canvas.style.left = `${layout.left}px`;
      this.#layer.append(band.canvas);
      this.#bands.set(index, band);
    } else if (band.width === width && band.height === height && equal(band.drawn, painting)) {
      return;
    }
    const context = band.canvas.getContext("2d");
    if (context === null) return;
    if (band.width !== width || band.height !== height) {
      Object.assign(band.canvas, { width, height });
      Object.assign(band, { width, height });
      band.canvas.style.width = `${width / density}px`;
      band.canvas.style.height = `${height / density}px`;
    } else {
      context.clearRect(0, 0, width, height);
    }
    band.drawn = Int32Array.from(painting);
    const thickness = Math.max(1, Math.round((laneHeight(colours.length) - 1) * density));
    for (let i = 0; i < painting.length; i += 4) {
      const which = painting[i + 3] as number;
      const { ink, opacity } = colours[which >> 8]?.[which & 0x7f] as Colour;
      context.fillStyle = ink;
      context.globalAlpha = opacity * ((which & 0x80) === 0 ? 1 : FADED);
      context.fillRect(painting[i] as number, painting[i + 1] as number, painting[i + 2] as number, thickness);
    }
  }
}

interface Colour {
  readonly ink: string;
  readonly opacity: number;
}

/** The rectangles of each band; a colour is the lane (from bit 8 on), faded or not (bit 7) and the bucket's index. */
function paint(layout: Layout, { stripes, faded }: TokenPicture, density: number): Map<number, Painting> {
  const paintings = new Map<number, Painting>();
  const lane = laneHeight(stripes.length);
  const bandHeight = BAND * density;
  for (const { left, right, bottom, first, last } of layout.pieces) {
    if (right < layout.left || left > layout.left + layout.width) continue;
    const start = Math.round((left - layout.left) * density);
    const whole = Math.round((right - layout.left) * density) - start;
    const count = last - first + 1; // tokens that share a character share its width
    const under = Math.round((bottom + UNDER_TEXT) * density);
    stripes.forEach(({ buckets }, i) => {
      const y = under + Math.round(i * lane * density);
      const end = y + lane * density;
      for (let token = first; token <= last; token++) {
        const bucket = buckets[token] ?? NO_VALUE;
        if (bucket === NO_VALUE || bucket === 0) continue;
        const x = start + Math.round((whole * (token - first)) / count);
        const width = start + Math.round((whole * (token - first + 1)) / count) - x;
        const gap = width > 3 * density ? Math.round(density) : 0; // tokens are told apart
        const which = (i << 8) | (faded?.[token] === 1 ? 0x80 : 0) | (bucket - (allBuckets[0] as number));
        for (let band = Math.floor(y / bandHeight); band * bandHeight < end; band++) { // a lane may cross a border
          const painting = paintings.get(band) ?? [];
          paintings.set(band, painting);
          painting.push(x, y - Math.round(band * bandHeight), width - gap, which);
        }
      }
    });
  }
  return paintings;
}

function equal(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Lines are as high as the stripes need, and no higher; the count of stripes does not change while typing. */
export const stripeTheme = EditorView.theme({
  ...Object.fromEntries(Array.from({ length: MOST_STRIPES }, (_, i) => i + 1).map((lanes) => [
    `&.${lanesClass(lanes)} .cm-scroller`, { lineHeight: `calc(var(--neuro-line-height, 1.9em) + ${lanes * laneHeight(lanes)}px)` },
  ])),
  ".neuro-stripes": { position: "absolute", left: "0", top: "0", zIndex: "-1", pointerEvents: "none" },
  ".neuro-stripes canvas": { position: "absolute", display: "block" },
});

export const stripeLayer: Extension = [
  ViewPlugin.fromClass(StripeLayer),
  EditorView.editorAttributes.compute([pictureField], (state) => ({ class: lanesClass(state.field(pictureField).stripes.length) })),
  stripeTheme,
];
