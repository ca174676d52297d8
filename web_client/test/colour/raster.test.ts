import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paletteOf, pixelOf, rasterize } from "../../src/colour/raster";
import { bucketOf } from "../../src/colour/scale";

const palette = paletteOf((bucket, faded) => [bucket + 16, faded ? 1 : 0, 7]);
const scale = { min: -2, max: 4 };
const colour = (value: number, faded = 0): number => (Number.isNaN(value) ? 0 : pixelOf(bucketOf(value, scale) + 16, faded, 7));

describe("a raster", () => {
  it("has a pixel a cell, of the value's bucket in the row's colours", () => {
    const value = fc.oneof(fc.float({ min: -5, max: 5, noNaN: true }), fc.constant(NaN));
    const rows = fc.integer({ min: 1, max: 9 }).chain((width) => fc.array(
      fc.array(fc.tuple(value, fc.integer({ min: 0, max: 1 })), { minLength: width, maxLength: width }), { maxLength: 4 },
    ));
    fc.assert(fc.property(rows, (cells) => {
      const width = cells[0]?.length ?? 0;
      const pixels = new Uint32Array(cells.length * width).fill(99);
      rasterize(cells.map((row) => ({
        values: Float32Array.from(row, ([v]) => v), faded: row.map(([, faded]) => faded), scale, palette,
      })), Array.from({ length: width + 1 }, (_, i) => i), pixels);
      expect([...pixels]).toEqual(cells.flat().map(([v, faded]) => colour(Math.fround(v), faded)));
    }));
  });

  it("shows the strongest of several, and a missing value only where there is no other", () => {
    const values = [1, -1.5, NaN, NaN, NaN, 0.5, NaN, 3];
    const pixels = new Uint32Array(4);
    rasterize([{ values, faded: null, scale, palette }], [0, 3, 5, 6, 8], pixels);
    expect([...pixels]).toEqual([colour(-1.5), colour(NaN), colour(0.5), colour(3)]);
  });

  it("can be of a part of the tokens, and of rows that are too short yet", () => {
    const pixels = new Uint32Array(4);
    rasterize([{ values: [1, 2, 3], faded: null, scale, palette }, { values: [4], faded: null, scale, palette }], [1, 2, 3], pixels);
    expect([...pixels]).toEqual([colour(2), colour(3), 0, 0]);
  });
});
