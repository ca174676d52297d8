import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { align, type Alignment, commonSubsequence, NONE } from "../../src/analysis/align";

const ids = (kinds: number): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 0, max: kinds }), { maxLength: 30 });
const pairs = fc.oneof(fc.tuple(ids(2), ids(2)), fc.tuple(ids(9), ids(9)), fc.tuple(ids(40), ids(40)));

/** The slow twin: length of a longest common subsequence, by dynamic programming. */
function longest(a: readonly number[], b: readonly number[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => table[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      (table[i] as number[])[j] = a[i - 1] === b[j - 1] ? at(i - 1, j - 1) + 1 : Math.max(at(i - 1, j), at(i, j - 1));
    }
  }
  return at(a.length, b.length);
}

/** Partners are mutual, and do not cross. */
function check({ leftToRight, rightToLeft }: Alignment): void {
  let last = -1;
  leftToRight.forEach((partner, i) => {
    if (partner === NONE) return;
    expect(partner).toBeGreaterThan(last);
    expect(rightToLeft[partner]).toBe(i);
    last = partner;
  });
  const paired = (partners: Int32Array): number => partners.filter((partner) => partner !== NONE).length;
  expect(paired(leftToRight)).toBe(paired(rightToLeft));
}

describe("a common subsequence", () => {
  it("is a longest one, of equals", () => {
    fc.assert(fc.property(pairs, ([a, b]) => {
      const found = commonSubsequence(a, b);
      check(found);
      found.leftToRight.forEach((partner, i) => { if (partner !== NONE) expect(b[partner]).toBe(a[i]); });
      expect(found.leftToRight.filter((partner) => partner !== NONE).length).toBe(longest(a, b));
    }), { numRuns: 1000 });
  });

  it("is still one, where texts differ in more than is looked through", () => {
    fc.assert(fc.property(pairs, fc.integer({ min: 1, max: 6 }), ([a, b], most) => {
      const found = commonSubsequence(a, b, most);
      check(found);
      found.leftToRight.forEach((partner, i) => { if (partner !== NONE) expect(b[partner]).toBe(a[i]); });
      expect(found.leftToRight.filter((partner) => partner !== NONE).length).toBeLessThanOrEqual(longest(a, b));
    }));
  });
});

describe("an alignment", () => {
  it("pairs what is equal, and what was replaced one by one", () => {
    //       the cat sat on the mat     the dog sat on a small mat
    const { leftToRight, rightToLeft } = align([1, 2, 3, 4, 1, 5], [1, 6, 3, 4, 7, 8, 5]);
    expect([...leftToRight]).toEqual([0, 1, 2, 3, NONE, 6]);
    expect([...rightToLeft]).toEqual([0, 1, 2, 3, NONE, NONE, 5]);
  });

  it("contains the longest common subsequence, and leaves nothing open between gaps of one size", () => {
    fc.assert(fc.property(pairs, ([a, b]) => {
      const found = align(a, b);
      check(found);
      const common = commonSubsequence(a, b);
      common.leftToRight.forEach((partner, i) => { if (partner !== NONE) expect(found.leftToRight[i]).toBe(partner); });
      // Between two neighbouring pairs at most one side has more than the other, and then neither has a partner.
      const anchors = [-1, ...[...common.leftToRight].flatMap((partner, i) => (partner === NONE ? [] : [i])), a.length];
      anchors.slice(1).forEach((next, n) => {
        const previous = anchors[n] as number;
        const from = previous < 0 ? -1 : common.leftToRight[previous] as number;
        const to = next === a.length ? b.length : common.leftToRight[next] as number;
        const even = next - previous === to - from;
        for (let i = previous + 1; i < next; i++) expect(found.leftToRight[i] !== NONE).toBe(even);
        for (let j = from + 1; j < to; j++) expect(found.rightToLeft[j] !== NONE).toBe(even);
      });
    }));
  });

  it("of equal texts is the identity, of empty ones empty", () => {
    fc.assert(fc.property(ids(3), (a) => { expect([...align(a, a).leftToRight]).toEqual(a.map((_, i) => i)); }));
    expect(align([], [1, 2])).toEqual({ leftToRight: Int32Array.of(), rightToLeft: Int32Array.of(NONE, NONE) });
  });

  it("of long texts that have nothing in common does not take for ever", () => {
    const a = Array.from({ length: 4000 }, (_, i) => i);
    const b = Array.from({ length: 4000 }, (_, i) => -i - 1);
    b[2000] = 2500;
    const found = align(a, b);
    check(found);
    expect(found.leftToRight.length).toBe(4000);
  });
});
