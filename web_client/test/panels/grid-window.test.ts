import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bins, cellAt, type Grid, type GridWindow, pan, place, reveal, wholeGrid, zoom } from "../../src/panels/grid-window";

const grid: fc.Arbitrary<Grid> = fc.record({
  columns: fc.integer({ min: 1, max: 5000 }), rows: fc.integer({ min: 1, max: 300 }),
  width: fc.integer({ min: 40, max: 2000 }), height: fc.integer({ min: 20, max: 600 }),
});
const share = fc.double({ min: 0, max: 0.999, noNaN: true });

/** Some window that zooming and panning lead to. */
const seen = fc.tuple(grid, fc.array(fc.tuple(fc.double({ min: 0.3, max: 6, noNaN: true }), share, share), { maxLength: 4 })).map(
  ([g, steps]): [Grid, GridWindow] => [g, steps.reduce(
    (window, [factor, left, top]) => pan(zoom(window, g, factor, { left: left * g.width, top: top * g.height }), g, left * 90, top * 30), wholeGrid,
  )],
);

describe("a window on a grid", () => {
  it("never leaves the grid, nor shows less than fits", () => {
    fc.assert(fc.property(seen, ([g, window]) => {
      const { x, y, cellWidth, cellHeight } = place(window, g);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + g.width / cellWidth).toBeLessThanOrEqual(Math.max(g.columns, g.width / cellWidth) + 1e-6);
      expect(y + g.height / cellHeight).toBeLessThanOrEqual(Math.max(g.rows, g.height / cellHeight) + 1e-6);
      const fit = place(wholeGrid, g);
      expect(g.width / fit.cellWidth).toBeGreaterThanOrEqual(g.columns - 1e-6);
      expect(cellWidth).toBeGreaterThanOrEqual(fit.cellWidth - 1e-9);
      expect(cellHeight).toBeGreaterThanOrEqual(fit.cellHeight - 1e-9);
    }));
  });

  it("zooms about a point, where the edges leave it room", () => {
    const g = { columns: 1000, rows: 100, width: 800, height: 200 };
    const near = zoom(wholeGrid, g, 4, { left: 400, top: 100 });
    expect(place(near, g)).toEqual({ x: 375, y: 37.5, cellWidth: 3.2, cellHeight: 8 });
    const nearer = zoom(near, g, 2, { left: 100, top: 50 }, "columns");
    expect(place(nearer, g)).toEqual({ x: 390.625, y: 37.5, cellWidth: 6.4, cellHeight: 8 });
    expect(zoom(nearer, g, 1 / 100, { left: 0, top: 0 })).toEqual(wholeGrid);
  });

  it("that shows all goes on doing so while the grid grows", () => {
    const g = { columns: 100, rows: 10, width: 800, height: 200 };
    expect(place(wholeGrid, g)).toEqual({ x: 0, y: 0, cellWidth: 8, cellHeight: 20 });
    expect(place(wholeGrid, { ...g, columns: 200, rows: 300 })).toEqual({ x: 0, y: 0, cellWidth: 4, cellHeight: 1 });
    const close = zoom(wholeGrid, g, 3, { left: 800, top: 0 }, "columns");
    expect(place(close, { ...g, columns: 20 })).toMatchObject({ x: 0, cellWidth: 32 });
  });

  it("finds the cell at a point, and comes to show any cell", () => {
    fc.assert(fc.property(seen, share, share, ([g, window], a, b) => {
      const cell = { row: Math.floor(a * g.rows), column: Math.floor(b * g.columns) };
      const shown = reveal(window, g, cell);
      const { x, y, cellWidth, cellHeight } = place(shown, g);
      const middle = { left: (cell.column + 0.5 - x) * cellWidth, top: (cell.row + 0.5 - y) * cellHeight };
      expect(cellAt(shown, g, middle.left, middle.top)).toEqual(cell);
      expect(reveal(shown, g, cell)).toEqual(shown); // it is there already
      expect(cellAt(shown, g, -1, 0)).toBeNull();
      expect(cellAt(shown, g, 0, g.height)).toBeNull();
    }));
    const few = { columns: 3, rows: 2, width: 500, height: 100 };
    expect(cellAt(wholeGrid, few, 70, 25)).toEqual({ row: 1, column: 2 });
    expect(cellAt(wholeGrid, few, 97, 25)).toBeNull();
    expect(cellAt(wholeGrid, few, 70, 41)).toBeNull();
  });
});

describe("bins", () => {
  it("cover what is seen, in order, each with at least one column", () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 10, max: 900 }), fc.constantFrom(1, 1.5, 2), share, share);
    fc.assert(fc.property(sizes, ([count, length, density, zoomed, moved]) => {
      const fit = Math.min(length / count, 32);
      const size = fit + zoomed * (96 - fit);
      const start = moved * Math.max(0, count - length / size);
      const { edges, from, to } = bins(start, size, count, length, density);
      const seen = Math.min(count, start + length / size);
      expect(edges[0]).toBe(Math.floor(start));
      expect(edges.at(-1)).toBeGreaterThanOrEqual(Math.floor(seen - 1e-6));
      expect(edges.at(-1)).toBeLessThanOrEqual(count);
      edges.slice(1).forEach((edge, i) => { expect(edge).toBeGreaterThan(edges[i] as number); });
      // A column's middle is drawn where the bin that has it is.
      const column = Math.min(count - 1, Math.floor(start + (seen - start) * zoomed));
      const bin = edges.findLastIndex((edge) => edge <= column);
      const at = from + ((bin + 0.5) * (to - from)) / (edges.length - 1);
      expect(Math.abs(at - (column + 0.5 - start) * size * density)).toBeLessThanOrEqual(1.5);
    }));
  });
});
