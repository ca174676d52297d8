/**
 * The colours of activations, for style sheets and canvases alike.
 *
 * Each neuron on the page has one of nine hues, everywhere. Positive values have the neuron's hue, negative ones a
 * slate that all neurons share, and zero is the page's background. Hues and slate maximize the smallest distance
 * between any two of them in OKLab, for full colour vision and for dichromats (Machado et al. 2009).
 *
 * A hue comes in two strengths: `ink` draws bars, stripes and swatches, at 3 : 1 or more against the page; the
 * strongest `wash` is behind text, which has a contrast of at least 4.5 : 1 on it (WCAG AA). Tests compute both.
 */
import { NO_VALUE, STEPS } from "./scale";

export type Theme = "light" | "dark";
export type Rgb = readonly [red: number, green: number, blue: number];

/** Colours of page and text. */
export const surfaces: Record<Theme, { readonly page: Rgb; readonly text: Rgb }> = {
  light: { page: [255, 255, 255], text: [28, 30, 33] },
  dark: { page: [23, 25, 28], text: [236, 237, 238] },
};

/** Inks of the hues, by number. */
export const inks: Record<Theme, readonly Rgb[]> = {
  light: [
    [224, 47, 55], [25, 97, 148], [37, 132, 79], [155, 60, 193], [208, 131, 27], [5, 161, 202], [136, 62, 85], [127, 110, 246], [62, 75, 4],
  ],
  dark: [
    [240, 120, 23], [31, 107, 178], [58, 179, 111], [242, 115, 220], [229, 190, 75], [89, 225, 234], [162, 78, 104], [128, 81, 244], [125, 112, 3],
  ],
};

/** Ink of negative values, for all neurons. */
export const slate: Record<Theme, Rgb> = { light: [118, 127, 138], dark: [128, 138, 150] };

/** How many hues there are. */
export const HUES = inks.light.length;

/** Most values are far below a neuron's maximum; an exponent below 1 makes them visible. The legend shows the same
 * curve. */
const CURVE = 0.62;
const MOST_OPAQUE = 0.92;
const TEXT_CONTRAST = 4.6; // a little above AA's 4.5, for rounding

/** Most neurons are slightly negative at rest, so slate behind text is weaker than the hue. */
const BELOW_SHARE = 0.6;

/** How strong a bucket's colour is, in [0, 1]; 1 is the strongest wash, or ink. */
export function strengthOf(bucket: number): number {
  return bucket === NO_VALUE ? 0 : (Math.abs(bucket) / STEPS) ** CURVE;
}

/** Opacity of an ink's strongest wash: the most that keeps text on it readable. */
export function washOpacity(ink: Rgb, theme: Theme): number {
  const { page, text } = surfaces[theme];
  let opacity = MOST_OPAQUE;
  while (contrast(over(ink, opacity, page), text) < TEXT_CONTRAST) opacity -= 0.01;
  return opacity;
}

/** CSS colour of a bucket behind text, `--neuro-wash` being that of the neuron; `--neuro-fade` below 1 fades it. */
export function washOf(bucket: number): string {
  if (bucket === NO_VALUE || bucket === 0) return "transparent";
  const colour = bucket < 0 ? "var(--neuro-below)" : "var(--neuro-wash)";
  return `color-mix(in srgb, ${colour} calc(${(100 * strengthOf(bucket)).toFixed(1)}% * var(--neuro-fade, 1)), transparent)`;
}

/** Class of an element that sets the hue of its descendants. */
export function hueClass(hue: number): string {
  return `neuro-hue-${hue}`;
}

/** What a hue's class sets: `--neuro-ink`, `--neuro-wash`, and `--neuro-below` for negative values. */
export function hueProperties(hue: number): Record<string, string> {
  return {
    "--neuro-ink": adaptive((theme) => css(inkOf(hue, theme))),
    "--neuro-wash": adaptive((theme) => css(inkOf(hue, theme), washOpacity(inkOf(hue, theme), theme))),
    "--neuro-below": adaptive((theme) => css(slate[theme], BELOW_SHARE * washOpacity(slate[theme], theme))),
  };
}

/** Ink of a hue, for canvases. */
export function inkOf(hue: number, theme: Theme): Rgb {
  return inks[theme][hue % HUES] as Rgb;
}

/** Opaque colour of a bucket in a neuron's heatmap row; `fade` below 1 makes it paler. */
export function cellOf(bucket: number, hue: number, theme: Theme, fade = 1): Rgb {
  const strength = strengthOf(bucket) * fade;
  const { page } = surfaces[theme];
  return bucket < 0 ? over(slate[theme], BELOW_SHARE * strength, page) : over(inkOf(hue, theme), strength, page);
}

export function css([red, green, blue]: Rgb, opacity = 1): string {
  return opacity === 1 ? `rgb(${red} ${green} ${blue})` : `rgb(${red} ${green} ${blue} / ${opacity.toFixed(2)})`;
}

/** A bucket's colour behind text: its ink and opacity. */
export function washUnder(hue: number, bucket: number, theme: Theme): { readonly ink: Rgb; readonly opacity: number } {
  const [ink, share] = bucket < 0 ? [slate[theme], BELOW_SHARE] : [inkOf(hue, theme), 1];
  return { ink, opacity: share * strengthOf(bucket) * washOpacity(ink, theme) };
}

/** A bucket's opaque colour behind text. */
export function washOver(hue: number, bucket: number, theme: Theme): Rgb {
  const { ink, opacity } = washUnder(hue, bucket, theme);
  return over(ink, opacity, surfaces[theme].page);
}

/** A stripe below zero is weaker than the neuron's hue. */
const BELOW_STRIPE = 0.5;

/** A bucket's colour as a stripe: its ink and opacity. */
export function stripeOf(hue: number, bucket: number, theme: Theme): { readonly ink: Rgb; readonly opacity: number } {
  const strength = strengthOf(bucket);
  return bucket < 0 ? { ink: slate[theme], opacity: BELOW_STRIPE * strength } : { ink: inkOf(hue, theme), opacity: strength };
}

/** Class of a bucket: `neuro-p7`, `neuro-n7`, `neuro-z`; `neuro-none` without a value. */
export function classOf(bucket: number): string {
  if (bucket === NO_VALUE) return "neuro-none";
  return bucket === 0 ? "neuro-z" : `neuro-${bucket > 0 ? "p" : "n"}${Math.abs(bucket)}`;
}

/** All buckets, from the strongest below zero to the strongest above. */
export const buckets: readonly number[] = Array.from({ length: 2 * STEPS + 1 }, (_, i) => i - STEPS);

/** A translucent colour over a page. */
export function over(colour: Rgb, opacity: number, page: Rgb): Rgb {
  const [red, green, blue] = colour.map((part, i) => part * opacity + (page[i] as number) * (1 - opacity)) as [number, number, number];
  return [red, green, blue];
}

/** Contrast of two colours, 1 to 21 (WCAG 2). */
export function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** A CSS colour that follows the element's `color-scheme`. */
function adaptive(colour: (theme: Theme) => string): string {
  return `light-dark(${colour("light")}, ${colour("dark")})`;
}
