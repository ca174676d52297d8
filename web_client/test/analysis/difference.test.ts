import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { align, NONE } from "../../src/analysis/align";
import { departures, differences, largest } from "../../src/analysis/difference";

describe("differences", () => {
  it("are right minus left, at the right text's tokens that have a partner", () => {
    const alignment = align([1, 2, 3], [1, 9, 8, 3]);
    const found = differences([1, 2, 3], [1.5, 7, 7, 2], alignment);
    expect([...found]).toEqual([0.5, NaN, NaN, -1]);
    expect([...differences([1, 2, NaN], [NaN, 7, 7, 2], alignment)]).toEqual([NaN, NaN, NaN, NaN]);
  });

  it("of a text and itself are zero, and turn with the sides", () => {
    const side = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.float({ min: -9, max: 9, noNaN: true })), { maxLength: 20 });
    fc.assert(fc.property(side, side, (left, right) => {
      const [idsLeft, idsRight] = [left.map(([id]) => id), right.map(([id]) => id)];
      const [valuesLeft, valuesRight] = [left.map(([, value]) => value), right.map(([, value]) => value)];
      expect(differences(valuesLeft, valuesLeft, align(idsLeft, idsLeft)).every((difference) => difference === 0)).toBe(true);
      const there = align(idsLeft, idsRight);
      const back = { leftToRight: there.rightToLeft, rightToLeft: there.leftToRight };
      const forth = differences(valuesLeft, valuesRight, there);
      const reverse = differences(valuesRight, valuesLeft, back);
      there.rightToLeft.forEach((partner, j) => {
        if (partner === NONE) expect(forth[j]).toBeNaN();
        else expect(forth[j]).toBe(-(reverse[partner] as number) + 0);
      });
    }));
  });

  it("are largest where their size is, of the tokens that count", () => {
    expect(largest([NaN, 1, -3, 3], () => true)).toBe(2);
    expect(largest([NaN, 1, -3, 3], (token) => token !== 2)).toBe(3);
    expect(largest([NaN], () => true)).toBeNull();
    expect(largest([0, 0], () => true)).toBe(0);
  });

  it("order the neurons, those without any left out", () => {
    const values: Record<string, number[]> = { A: [0.5, 1], B: [-2, 0], C: [NaN, NaN], D: [2, 9] };
    expect(departures(["A", "B", "C", "D"], (key) => values[key] ?? [], (token) => token === 0)).toEqual([
      { key: "B", token: 0, difference: -2 }, { key: "D", token: 0, difference: 2 }, { key: "A", token: 0, difference: 0.5 },
    ]);
  });
});
