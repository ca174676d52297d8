import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  automatic, bucketOf, bucketsOf, isAutomatic, NO_VALUE, parseBound, type Reaches, reachOf, type Scale, scaleOf, STEPS, type TypedRange,
} from "../../src/colour/scale";

describe("the colour scale", () => {
  it("comes from statistics, else from the widest value, and gives way to what is typed", () => {
    const known = { min: -0.2, max: 4, quantiles: {} };
    const scale = (reaches: Partial<Reaches>, range: TypedRange): Scale => scaleOf({ known: null, widest: 0, text: 0, ...reaches }, range);
    expect(scale({ known, widest: 9, text: 8 }, automatic)).toEqual({ min: -4, max: 4 });
    expect(scale({ known: { ...known, min: -6 } }, automatic)).toEqual({ min: -6, max: 6 });
    expect(scale({ widest: 2.5, text: 1 }, automatic)).toEqual({ min: -2.5, max: 2.5 });
    expect(scale({}, automatic)).toEqual({ min: -1, max: 1 });
    expect(scale({ widest: NaN }, automatic)).toEqual({ min: -1, max: 1 });
    expect(scale({ known }, { min: -0.2, max: null })).toEqual({ min: -0.2, max: 4 });
    expect(scale({ known }, { min: null, max: 1 })).toEqual({ min: -4, max: 1 });
    expect(scale({ known, widest: 9, text: 0.5 }, { min: null, max: null, text: true })).toEqual({ min: -0.5, max: 0.5 });
    expect(scale({ known, text: 0.5 }, { min: -1, max: null, text: true })).toEqual({ min: -1, max: 0.5 });
    expect([automatic, { min: null, max: null, text: true as const }, { min: 0, max: null }].map(isAutomatic)).toEqual([true, false, false]);
  });

  it("reaches as far as a high quantile where one is given, else to the extremes", () => {
    const spread = { min: -5, max: 9 };
    const quantiles = { "0.001": -0.2, "0.01": -0.1, "0.99": 2, "0.999": 3, "0.9999": 6 };
    expect(reachOf({ ...spread, quantiles })).toEqual({ reach: 3, level: 0.999 });
    expect(reachOf({ ...spread, quantiles: { ...quantiles, "0.001": -4 } })).toEqual({ reach: 4, level: 0.999 });
    expect(reachOf({ ...spread, quantiles: { "0.9999": 6 } })).toEqual({ reach: 6, level: 0.9999 });
    expect(reachOf({ ...spread, quantiles: { "0.5": 1, "0.99": 2, "1": 9 } })).toEqual({ reach: 9, level: null });
    expect(reachOf({ ...spread, quantiles: { "0.001": 0, "0.999": 0 } })).toEqual({ reach: 9, level: null });
    expect(scaleOf({ known: { ...spread, quantiles }, widest: 99, text: 0 }, automatic)).toEqual({ min: -3, max: 3 });
  });

  it("is white at zero, strongest at its ends, blue below and red above, and never falls", () => {
    const scale = { min: -2, max: 4 };
    expect([-9, -2, -1, -0, 0, 1, 2, 4, 99].map((value) => bucketOf(value, scale))).toEqual([
      -16, -16, -8, -0, 0, 4, 8, 16, 16,
    ]);
    expect(bucketOf(NaN, scale)).toBe(NO_VALUE);
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(bucketOf(low, scale)).toBeLessThanOrEqual(bucketOf(high, scale));
        expect(Math.abs(bucketOf(a, scale))).toBeLessThanOrEqual(STEPS);
        expect(a * bucketOf(a, scale)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("has no colour on a side of no reach", () => {
    expect(bucketOf(-3, { min: 0, max: 1 })).toBe(0);
    expect(bucketOf(3, { min: -1, max: 0 })).toBe(0);
    expect([...bucketsOf([-3, NaN, 1], { min: 0, max: 1 })]).toEqual([0, NO_VALUE, 16]);
  });

  it("reads bounds as they are typed", () => {
    expect(["", "  ", "2", "2,5", "-1", "x", "1e400"].map((input) => parseBound(input, "max"))).toEqual([
      null,
      null,
      2,
      2.5,
      NaN,
      NaN,
      NaN,
    ]);
    expect(["0", "-2", "\u22122.5", "1"].map((input) => parseBound(input, "min"))).toEqual([0, -2, -2.5, NaN]);
  });
});
