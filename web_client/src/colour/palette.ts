/**
 * The diverging palette, for style sheets and canvases alike.
 *
 * Blue and vermilion stay apart under the common kinds of colour blindness. A bucket's strength is the colour's opacity
 * over the page, so that zero is the page itself in either theme and a selection shines through. The end colours leave the
 * text on them a contrast of at least 4.5 : 1 (a test computes it).
 */
import { NO_VALUE, STEPS } from "./scale";

export type Theme = "light" | "dark";
export type Rgb = readonly [red: number, green: number, blue: number];

/** Ends of the scale, and the page and text they are seen with. */
export const ends: Record<Theme, { readonly negative: Rgb; readonly positive: Rgb; readonly page: Rgb; readonly text: Rgb }> = {
  light: { negative: [62, 137, 235], positive: [240, 90, 64], page: [255, 255, 255], text: [28, 30, 33] },
  dark: { negative: [45, 106, 200], positive: [200, 66, 45], page: [23, 25, 28], text: [236, 237, 238] },
};

const STRONGEST = 0.92;

/** Most values are far below a neuron's maximum; below 1, this lets them be seen. The legend shows the same curve. */
const CURVE = 0.62;

/** Opacity of a bucket. */
export function opacityOf(bucket: number): number {
  return STRONGEST * (Math.abs(bucket) / STEPS) ** CURVE;
}

/** CSS colour of a bucket in one theme; `--neuro-fade` below 1 fades it. */
export function colourOf(bucket: number, theme: Theme): string {
  if (bucket === NO_VALUE || bucket === 0) return "transparent";
  const [red, green, blue] = bucket < 0 ? ends[theme].negative : ends[theme].positive;
  return `rgb(${red} ${green} ${blue} / calc(${opacityOf(bucket).toFixed(3)} * var(--neuro-fade, 1)))`;
}

/** CSS colour of a bucket that follows the element's `color-scheme`. */
export function adaptiveColourOf(bucket: number): string {
  return `light-dark(${colourOf(bucket, "light")}, ${colourOf(bucket, "dark")})`;
}

/** Class of a bucket: `neuro-p7`, `neuro-n7`, `neuro-z`; `neuro-none` where there is no value. */
export function classOf(bucket: number): string {
  if (bucket === NO_VALUE) return "neuro-none";
  return bucket === 0 ? "neuro-z" : `neuro-${bucket > 0 ? "p" : "n"}${Math.abs(bucket)}`;
}

/** All buckets, from the strongest blue to the strongest red. */
export const buckets: readonly number[] = Array.from({ length: 2 * STEPS + 1 }, (_, i) => i - STEPS);
