import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { comparable, RowOrder } from "../../src/workbench/row-order";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // and a clock that runs
});
afterEach(() => {
  vi.useRealTimers();
});

const own = { special: false };
const keys = ["A", "B", "C", "D"];
const values: Record<string, readonly number[]> = {
  A: [1, 2, 3, 0], B: [9, -1, -2, 3], C: [NaN, 2.1, 3.1, 0.2], D: [-1, -1.1, -1.9, 2.9],
};
const valuesOf = (key: string): readonly number[] => values[key] ?? [];
const rows = comparable(keys, valuesOf, [{ special: true }, own, own, own]);

describe("the order of rows", () => {
  it("is that of the list, by the maximum, or like beside like", () => {
    const found = vi.fn();
    const order = new RowOrder(found);
    expect(order.apply(keys)).toEqual(keys);
    order.find("max", rows);
    expect(order.apply(keys)).toEqual(["C", "A", "B", "D"]);
    order.find("similarity", rows);
    expect(order.apply(keys)).toEqual(["C", "A", "B", "D"]); // until it is found
    expect(found).toHaveBeenCalledTimes(1);
    vi.runAllTimers();
    expect(found).toHaveBeenCalledTimes(2);
    expect(["ACDB", "CABD", "CADB", "ACBD"]).toContain(order.apply(keys).join(""));
    expect(order.treeOf(["D", "C", "B", "A"])?.merges.length).toBe(3);
    expect(order.treeOf(["A", "B"])).toBeNull();
    order.find("order", rows);
    expect(order.apply(keys)).toEqual(keys);
    expect(order.treeOf(keys)).toBeNull();
  });

  it("puts rows that came since at the end, and forgets those that went", () => {
    const order = new RowOrder(() => undefined);
    order.find("max", rows);
    expect(order.apply(["E", "A", "C", "F", "D"])).toEqual(["C", "A", "D", "E", "F"]);
  });

  it("is looked for between other things, and given up when asked anew or stopped", () => {
    const many = Array.from({ length: 120 }, (_, i) => `N${i}`);
    const wide = comparable(many, (key) => Array.from({ length: 2000 }, (_, t) => Math.sin(t * Number(key.slice(1)))), new Array(2000).fill(own));
    const found = vi.fn();
    const order = new RowOrder(found);
    order.find("similarity", wide);
    vi.runOnlyPendingTimers();
    expect(found).not.toHaveBeenCalled(); // more than one slice of work
    order.find("similarity", rows);
    vi.runAllTimers();
    expect(found).toHaveBeenCalledTimes(1);
    expect(order.treeOf(keys)).not.toBeNull();
    order.find("similarity", wide);
    order.stop();
    vi.runAllTimers();
    expect(found).toHaveBeenCalledTimes(1);
  });

  it("counts only the text's own tokens at which all rows have values", () => {
    expect(rows.values.map((row) => row.length)).toEqual([3, 3, 3, 3]);
    expect(comparable(keys, valuesOf, [own, own, own, own]).values.map((row) => row[0])).toEqual([2, -1, Math.fround(2.1), Math.fround(-1.1)]);
    expect(comparable([], valuesOf, [own]).values).toEqual([]);
    expect(comparable(["A", "X"], valuesOf, [own]).values.map((row) => row.length)).toEqual([0, 0]);
  });
});
