import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { indexAt, type ListShape, offsetOf, windowOf } from "../../src/panels/windowing";

const shape = fc.record({ count: fc.nat(60), height: fc.integer({ min: 1, max: 90 }), more: fc.nat(90), opened: fc.nat(70) })
  .map(({ opened, ...rest }): ListShape => ({ ...rest, opened: opened < rest.count ? opened : -1 }));

/** Tops and bottoms of all rows, one after the other. */
function laidOut({ count, height, opened, more }: ListShape): [number, number][] {
  const rows: [number, number][] = [];
  let top = 0;
  for (let i = 0; i < count; i++) {
    const bottom = top + height + (i === opened ? more : 0);
    rows.push([top, bottom]);
    top = bottom;
  }
  return rows;
}

describe("the window of a list", () => {
  it("knows where each row is", () => {
    fc.assert(fc.property(shape, (list) => {
      const rows = laidOut(list);
      expect(rows.map((_, i) => offsetOf(list, i))).toEqual(rows.map(([top]) => top));
      expect(offsetOf(list, list.count)).toBe(rows.at(-1)?.[1] ?? 0);
    }));
  });

  it("knows which row is at a place", () => {
    fc.assert(fc.property(shape, fc.integer({ min: -50, max: 6000 }), (list, offset) => {
      const rows = laidOut(list);
      const found = rows.findIndex(([top, bottom]) => offset >= top && offset < bottom);
      const expected = offset < 0 ? Math.min(0, list.count - 1) : found < 0 ? list.count - 1 : found;
      expect(indexAt(list, offset)).toBe(expected);
    }));
  });

  it("holds every row that is seen, few others, and those to keep", () => {
    fc.assert(fc.property(shape, fc.integer({ min: -50, max: 4000 }), fc.nat(900), fc.array(fc.integer({ min: -1, max: 70 })), (list, top, height, keep) => {
      const held = windowOf(list, top, top + height, 2, keep);
      expect(held).toEqual([...new Set(held)].sort((a, b) => a - b));
      laidOut(list).forEach(([from, to], i) => {
        if (to > top && from <= top + height) expect(held).toContain(i);
      });
      for (const i of keep) if (i >= 0 && i < list.count) expect(held).toContain(i);
      expect(held.length).toBeLessThanOrEqual(Math.ceil(height / list.height) + 6 + keep.length);
    }));
  });
});
