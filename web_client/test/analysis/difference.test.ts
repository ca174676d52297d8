import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { align, NONE } from "../../src/analysis/align";
import { differences, furthestFirst, largest } from "../../src/analysis/difference";

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

  it("order the neurons", () => {
    const departure = (key: string, difference: number) => ({ key, token: 0, difference });
    const found = furthestFirst([departure("A", 0.5), departure("B", -2), departure("C", 2), departure("D", 0)]);
    expect(found.map(({ key }) => key)).toEqual(["B", "C", "A", "D"]);
  });
});
