/**
 * A heatmap's cells as pixels: one pixel per cell, or, if cells are smaller than pixels, one for the strongest of
 * several.
 *
 * The canvas stretches the picture to its size.
 */
import { type Scale, STEPS } from "./scale";

/** One row of the heatmap. */
export interface RasterRow {
  /** [tokens]; NaN if there is none. */
  readonly values: ArrayLike<number>;
  readonly scale: Scale;
  readonly palette: Palette;
  /** Not 0 at tokens whose value is drawn faded; null if there are none. */
  readonly faded: ArrayLike<number> | null;
}

/** Pixels by bucket, from -STEPS to STEPS, as in an ImageData's Uint32Array. */
export interface Palette {
  readonly plain: Uint32Array;
  readonly faded: Uint32Array;
}

/** An opaque pixel, in an ImageData's byte order. */
export function pixelOf(red: number, green: number, blue: number): number {
  return new Uint32Array(Uint8ClampedArray.of(red, green, blue, 255).buffer)[0] as number;
}

/** Palette from the opaque colour of each bucket, [red, green, blue] of 0 to 255, faded and not. */
export function paletteOf(colour: (bucket: number, faded: boolean) => readonly [number, number, number]): Palette {
  const pixels = (faded: boolean): Uint32Array => (
    Uint32Array.from({ length: 2 * STEPS + 1 }, (_, i) => pixelOf(...colour(i - STEPS, faded)))
  );
  return { plain: pixels(false), faded: pixels(true) };
}

/**
 * Fill `pixels`, [rows * bins]: bin b of a row covers its tokens in [edges[b], edges[b + 1]), at least one, and shows
 * the one furthest from zero. Without a value the pixel is transparent.
 */
export function rasterize(rows: readonly RasterRow[], edges: ArrayLike<number>, pixels: Uint32Array): void {
  const bins = edges.length - 1;
  let place = 0;
  for (const { values, scale: { min, max }, palette, faded } of rows) {
    for (let bin = 0; bin < bins; bin++) {
      const token = strongest(values, edges[bin] as number, edges[bin + 1] as number);
      const value = values[token] ?? NaN;
      const colours = faded !== null && faded[token] !== 0 ? palette.faded : palette.plain;
      // `bucketOf` inlined: a million cells must be drawn within a frame. NaN fails both comparisons.
      pixels[place++] = value >= 0 ? colours[STEPS + step(value, max)] as number
        : value < 0 ? colours[STEPS - step(-value, -min)] as number : 0;
    }
  }
}

/** How strong the colour of a value of this size is, as in `bucketOf`. */
function step(size: number, reach: number): number {
  return reach > 0 ? Math.min(STEPS, (size / reach) * STEPS + 0.5) | 0 : 0;
}

/** The token whose value is furthest from zero; the first if none has a value. */
function strongest(values: ArrayLike<number>, from: number, to: number): number {
  let best = from;
  let most = -1;
  for (let i = from; i < to; i++) {
    const size = Math.abs(values[i] as number); // NaN fails the comparison
    if (size > most) {
      most = size;
      best = i;
    }
  }
  return best;
}
