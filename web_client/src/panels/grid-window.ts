/**
 * Which part of a grid of columns and rows is visible, and how large its cells are. All lengths are in CSS pixels.
 *
 * A cell size of null fits the whole grid, and follows it as it grows. Windows are plain values; every function returns
 * one within the grid.
 */

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  /** Size of its viewport. */
  readonly width: number;
  readonly height: number;
}

export interface GridWindow {
  /** Left and top edge, in columns and rows. */
  readonly x: number;
  readonly y: number;
  readonly cellWidth: number | null;
  readonly cellHeight: number | null;
}

/** The window with cell sizes in pixels. */
export interface Placed {
  readonly x: number;
  readonly y: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
}

export interface Cell {
  readonly row: number;
  readonly column: number;
}

export const wholeGrid: GridWindow = { x: 0, y: 0, cellWidth: null, cellHeight: null };

/** Largest cells, and the largest when fitted, so that few tokens do not fill the whole page. */
const LARGEST = { width: 96, height: 20 };
const LARGEST_FIT = { width: 32, height: 20 };

/** Rows do not get lower than this; if there are too many to fit, they scroll. */
const LOWEST = 1;

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

function fitOf({ columns, rows, width, height }: Grid): { width: number; height: number } {
  return {
    width: Math.min(width / Math.max(1, columns), LARGEST_FIT.width),
    height: clamp(height / Math.max(1, rows), LOWEST, LARGEST_FIT.height),
  };
}

/** A cell is not larger than the viewport. */
function largestOf({ width, height }: Grid): { width: number; height: number } {
  return { width: Math.min(LARGEST.width, width), height: Math.min(LARGEST.height, height) };
}

/** Cell sizes and edges as drawn. */
export function place(window: GridWindow, grid: Grid): Placed {
  const fit = fitOf(grid);
  const largest = largestOf(grid);
  const cellWidth = window.cellWidth === null ? fit.width : clamp(window.cellWidth, fit.width, largest.width);
  const cellHeight = window.cellHeight === null ? fit.height : clamp(window.cellHeight, fit.height, largest.height);
  return {
    cellWidth, cellHeight,
    x: clamp(window.x, 0, Math.max(0, grid.columns - grid.width / (cellWidth || 1))),
    y: clamp(window.y, 0, Math.max(0, grid.rows - grid.height / (cellHeight || 1))),
  };
}

/** Move by these pixels to the right and down. */
export function pan(window: GridWindow, grid: Grid, right: number, down: number): GridWindow {
  const { x, y, cellWidth, cellHeight } = place(window, grid);
  const moved = place({ ...window, x: x + right / cellWidth, y: y + down / cellHeight }, grid);
  return { ...window, x: moved.x, y: moved.y };
}

export type Axes = "both" | "columns" | "rows";

/** Make cells `factor` times as large; what is at (left, top) stays there. */
export function zoom(window: GridWindow, grid: Grid, factor: number, { left, top }: { left: number; top: number }, axes: Axes = "both"): GridWindow {
  const before = place(window, grid);
  const fit = fitOf(grid);
  const most = largestOf(grid);
  const sized = (size: number, fitting: number, largest: number, axis: Axes): number | null => {
    const next = clamp(size * (axes === "both" || axes === axis ? factor : 1), fitting, Math.max(fitting, largest));
    return next <= fitting * (1 + 1e-6) ? null : next;
  };
  const cellWidth = sized(before.cellWidth, fit.width, most.width, "columns");
  const cellHeight = sized(before.cellHeight, fit.height, most.height, "rows");
  const x = before.x + left / before.cellWidth - left / (cellWidth ?? fit.width);
  const y = before.y + top / before.cellHeight - top / (cellHeight ?? fit.height);
  const placed = place({ x, y, cellWidth, cellHeight }, grid);
  return { x: placed.x, y: placed.y, cellWidth, cellHeight };
}

/** Move only as far as needed to show a whole cell. */
export function reveal(window: GridWindow, grid: Grid, { row, column }: Cell): GridWindow {
  const { x, y, cellWidth, cellHeight } = place(window, grid);
  const within = (edge: number, index: number, seen: number): number => clamp(edge, index + 1 - Math.max(1, seen), index);
  const moved = place({
    ...window, x: within(x, column, grid.width / cellWidth), y: within(y, row, grid.height / cellHeight),
  }, grid);
  return { ...window, x: moved.x, y: moved.y };
}

/** The cell at a point of the viewport; null outside the grid. */
export function cellAt(window: GridWindow, grid: Grid, left: number, top: number): Cell | null {
  if (left < 0 || top < 0 || left >= grid.width || top >= grid.height) return null;
  const { x, y, cellWidth, cellHeight } = place(window, grid);
  const column = Math.floor(x + left / cellWidth);
  const row = Math.floor(y + top / cellHeight);
  return column < grid.columns && row < grid.rows ? { row, column } : null;
}

/**
 * Edges of the bins in which columns are drawn, with the start and total width in device pixels: one bin per column if
 * columns are at least a pixel wide, otherwise one per pixel.
 */
export function bins(start: number, size: number, count: number, length: number, density: number): { edges: Int32Array; from: number; to: number } {
  const scale = size * density; // device pixels per column
  const pixels = Math.round(length * density);
  const first = Math.floor(start);
  const last = Math.min(count, Math.ceil(start + pixels / scale));
  if (scale >= 1) {
    const edges = Int32Array.from({ length: Math.max(0, last - first) + 1 }, (_, i) => first + i);
    return { edges, from: (first - start) * scale, to: (last - start) * scale };
  }
  const used = Math.min(pixels, Math.ceil((count - start) * scale));
  const edges = Int32Array.from({ length: Math.max(0, used) + 1 }, (_, pixel) => Math.min(count, Math.floor(start + pixel / scale)));
  edges[used] = Math.max(edges[used] ?? 0, Math.min(count, last));
  return { edges, from: 0, to: used };
}
