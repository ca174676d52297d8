import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rankLabel, rankMarks, rankOf, rankWords } from "../../src/colour/rank";

const spread = { min: -0.2, max: 8, quantiles: { "0.01": -0.17, "0.5": -0.1, "0.9": 0.2, "0.99": 1, "0.999": 3 } };

describe("the rank of a value", () => {
  it("names the highest level that it exceeds", () => {
    expect([-0.3, -0.15, -0.1, 0.5, 1, 2.9, 3.1, 8, 8.1].map((value) => rankOf(value, spread).level))
      .toEqual([null, 0.01, 0.01, 0.9, 0.9, 0.99, 0.999, 0.999, 0.999]);
    expect([8, 8.1].map((value) => rankOf(value, spread).record)).toEqual([false, true]);
    expect([-0.3, 2.9, 9].map((value) => rankLabel(rankOf(value, spread)))).toEqual(["low", "> 99 %", "> max"]);
    expect(rankWords(rankOf(3.1, spread))).toBe("stronger than on 99.9 % of held-out tokens");
    expect(rankWords(rankOf(9, spread))).toBe("stronger than on any held-out token");
    expect(rankWords(rankOf(-1, spread))).toBe("weaker than on nearly all held-out tokens");
  });

  it("stands on a scale of nines, which ends at the maximum", () => {
    expect(rankMarks(spread).map(({ place }) => place)).toEqual([0.25, 0.5, 0.75].map((place) => expect.closeTo(place) as number));
    expect([-1, -0.2, 0.2, 1, 2, 3, 5.5, 8, 20].map((value) => rankOf(value, spread).place))
      .toEqual([0, 0, 0.25, 0.5, 0.625, 0.75, 0.875, 1, 1].map((place) => expect.closeTo(place) as number));
  });

  it("stands at the first of several quantiles of one value, as it exceeds none", () => {
    const flat = { min: 0, max: 1, quantiles: { "0.1": 0, "0.5": 0, "0.9": 0, "0.99": 0.5 } };
    expect(rankOf(0, flat)).toEqual({ level: null, record: false, place: 0 });
    expect(rankOf(0.1, flat).level).toBe(0.9);
    expect(rankOf(0.1, flat).place).toBeGreaterThan(1 / 3);
  });

  it("never falls, and handles statistics with levels missing", () => {
    const number = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    fc.assert(fc.property(fc.array(number, { minLength: 2, maxLength: 9 }), number, number, (values, a, b) => {
      const rising = [...values].sort((x, y) => x - y);
      const quantiles = Object.fromEntries(rising.slice(1, -1).map((value, i) => [String((i + 1) / (rising.length - 1)), value]));
      const given = { min: rising[0] as number, max: rising.at(-1) as number, quantiles };
      const [low, high] = a < b ? [a, b] : [b, a];
      const [lower, upper] = [rankOf(low, given), rankOf(high, given)];
      expect(lower.place).toBeLessThanOrEqual(upper.place + 1e-9);
      expect(lower.level ?? 0).toBeLessThanOrEqual(upper.level ?? 0);
      expect(upper.place).toBeGreaterThanOrEqual(0);
      expect(upper.place).toBeLessThanOrEqual(1);
    }));
  });
});
