import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ActivationTable, Freshness } from "../../src/client";

interface Cell {
  value: number;
  freshness: Freshness;
}
const missing = (): Cell => ({ value: NaN, freshness: Freshness.missing });

const step = fc.oneof(
  fc.record({
    kind: fc.constant("splice" as const),
    start: fc.nat(60),
    deleteCount: fc.nat(40),
    insert: fc.array(fc.boolean(), { maxLength: 90 }),
    stale: fc.nat(200),
  }),
  fc.record({
    kind: fc.constant("write" as const),
    key: fc.constantFrom("A", "B", "C"),
    start: fc.nat(80),
    values: fc.array(fc.float({ noNaN: true }), { maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant("rows" as const), keys: fc.uniqueArray(fc.constantFrom("A", "B", "C")) }),
  fc.record({ kind: fc.constantFrom("settle" as const, "doubt" as const, "reset" as const) }),
);

describe("an activation table", () => {
  it("does what one object a cell does, after any steps", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const table = new ActivationTable();
        const oracle = new Map<"A" | "B" | "C", Cell[]>();
        let length = 0;
        for (const one of steps) {
          if (one.kind === "splice") {
            const start = Math.min(one.start, length);
            const deleteCount = Math.min(one.deleteCount, length - start);
            length += one.insert.length - deleteCount;
            const staleTo = Math.min(length, start + one.insert.length + one.stale);
            table.splice(start, deleteCount, one.insert, staleTo);
            for (const cells of oracle.values()) {
              cells.splice(start, deleteCount, ...one.insert.map(missing));
              cells.slice(start + one.insert.length, staleTo).forEach((cell) => {
                if (cell.freshness === Freshness.fresh) cell.freshness = Freshness.stale;
              });
            }
          } else if (one.kind === "write") {
            const start = Math.min(one.start, length);
            const values = one.values.slice(0, length - start);
            table.write(one.key, start, values);
            values.forEach((value, i) => {
              oracle.get(one.key)?.splice(start + i, 1, { value, freshness: Freshness.fresh });
            });
          } else if (one.kind === "rows") {
            table.setRows(one.keys);
            for (const key of [...oracle.keys()]) if (!one.keys.includes(key)) oracle.delete(key);
            for (const key of one.keys) if (!oracle.has(key)) oracle.set(key, Array.from({ length }, missing));
          } else {
            table[one.kind]();
            for (const cells of oracle.values()) {
              for (const cell of cells) {
                if (one.kind === "settle" && cell.freshness === Freshness.stale) cell.freshness = Freshness.fresh;
                if (one.kind === "doubt" && cell.freshness === Freshness.fresh) cell.freshness = Freshness.stale;
                if (one.kind === "reset") Object.assign(cell, missing());
              }
            }
          }
          expect(table.length).toBe(length);
          expect(table.keys.sort()).toEqual([...oracle.keys()].sort());
          for (const [key, cells] of oracle) {
            expect([...table.values(key)]).toEqual(cells.map(({ value }) => value));
            expect([...table.freshness(key)]).toEqual(cells.map(({ freshness }) => freshness));
          }
          expect(table.complete(table.keys)).toBe(
            [...oracle.values()].every((cells) => cells.every(({ freshness }) => freshness !== Freshness.missing)),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives extremes over the text's own tokens", () => {
    const table = new ActivationTable();
    table.setRows(["A"]);
    table.splice(0, 0, [true, false, false, false], 0);
    expect(table.extent("A")).toBeNull();
    table.write("A", 0, [9, -1, NaN, 2]);
    expect(table.extent("A")).toEqual({ max: 2, maxAt: 3, min: -1, minAt: 1 });
    expect(table.widest("A")).toBe(2);
    table.write("A", 3, [0]);
    expect(table.extent("A")).toEqual({ max: 0, maxAt: 3, min: -1, minAt: 1 });
    expect(table.widest("A")).toBe(2); // a scale that only grows
    expect(table.extent("B")).toBeNull();
  });
});
