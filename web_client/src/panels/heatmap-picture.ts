/**
 * Paints the heatmap: cells, row labels, token labels or a ruler, the tree of the rows, the cursor.
 *
 * Everything is repainted each time except the cells, whose pixels are cached until something that they depend on
 * changes.
 */
import { cellOf, css, inkOf, type Theme } from "../colour/palette";
import { type Palette, paletteOf, rasterize } from "../colour/raster";
import type { Scale } from "../colour/scale";
import { bins, type Cell, type Grid, type GridWindow, place, type Placed } from "./grid-window";

export interface HeatRow {
  readonly key: string;
  readonly hue: number;
  readonly values: ArrayLike<number>;
  readonly faded: ArrayLike<number> | null;
  readonly scale: Scale;
}

/** The tree over the rows: each merge joins two branches, numbered as in analysis/cluster. */
export interface Tree {
  /** Place of each leaf among the rows, from the top. */
  readonly places: readonly number[];
  readonly merges: readonly { readonly a: number; readonly b: number; readonly height: number }[];
}

/** Everything that is drawn. */
export interface HeatScene {
  readonly rows: readonly HeatRow[];
  /** Texts of the tokens, as shown on the page. */
  readonly tokens: { readonly length: number; textAt(index: number): string; breakAt(index: number): boolean };
  readonly window: GridWindow;
  readonly tree: Tree | null;
  /** Row in focus, row and token under the pointer, and the cell with the keyboard focus. */
  readonly focus: string | null;
  readonly pointed: string | null;
  readonly cursor: number | null;
  readonly cell: Cell | null;
}

export interface HeatColours {
  readonly theme: Theme;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly nothing: string;
  readonly mono: string;
}

/** Where things are on the canvas, in CSS pixels. */
export interface HeatLayout {
  readonly left: number;
  readonly top: number;
  readonly grid: Grid;
}

const LABEL_SIZE = 11;
const SWATCH = 4;
const GAP = 6;
const TREE = 44;
const RULER = 18;
const LABELS = 62;
/** Tokens have labels from this cell width on. */
const LABELLED = 12;
/** Rows are separated by a line from this height on. */
const PARTED = 6;
const LEAST_LABEL_DISTANCE = 12;
const FADED = 0.4;

/** Positions of the grid and its labels. */
export function layOut(scene: Pick<HeatScene, "rows" | "tokens" | "window" | "tree">, width: number, height: number, measure: (text: string) => number): HeatLayout {
  const labels = scene.rows.reduce((widest, { key }) => Math.max(widest, measure(key)), 0);
  const left = Math.min(Math.ceil(SWATCH + GAP + labels + GAP), Math.round(width * 0.4)) + (scene.tree === null ? 0 : TREE);
  const columns = scene.tokens.length;
  const grid = (top: number): Grid => ({ columns, rows: scene.rows.length, width: Math.max(1, width - left), height: Math.max(1, height - top) });
  const top = place(scene.window, grid(RULER)).cellWidth >= LABELLED ? LABELS : RULER;
  return { left, top, grid: grid(top) };
}

const palettes = new Map<string, Palette>();

function paletteFor(hue: number, theme: Theme): Palette {
  const name = `${theme} ${hue}`;
  const palette = palettes.get(name) ?? paletteOf((bucket, faded) => cellOf(bucket, hue, theme, faded ? FADED : 1));
  palettes.set(name, palette);
  return palette;
}

export class HeatPicture {
  readonly #cells = document.createElement("canvas");
  #drawn = "";
  #from = 0;
  #to = 0;

  /** Paint a scene. `state` identifies everything that the cells' pixels depend on, except window and size. */
  paint(context: CanvasRenderingContext2D, scene: HeatScene, layout: HeatLayout, colours: HeatColours, state: string): void {
    const density = devicePixelRatio;
    const { left, top, grid } = layout;
    const placed = place(scene.window, grid);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.scale(density, density);
    context.font = `${LABEL_SIZE}px ${colours.mono}`;
    context.textBaseline = "middle";
    const [first, last] = [Math.floor(placed.y), Math.min(grid.rows, Math.ceil(placed.y + grid.height / placed.cellHeight))];

    context.save();
    context.beginPath();
    context.rect(left, top, grid.width, grid.height);
    context.clip();
    this.#paintCells(context, scene, layout, placed, first, last, colours, state);
    paintBreaks(context, scene, layout, placed, colours);
    paintCursor(context, scene, layout, placed, colours);
    context.restore();

    context.save();
    context.beginPath();
    context.rect(0, top, left, grid.height);
    context.clip();
    paintRowLabels(context, scene, layout, placed, first, last, colours);
    if (scene.tree !== null) paintTree(context, scene.tree, layout, placed, colours);
    context.restore();

    context.save();
    context.beginPath();
    context.rect(left, 0, grid.width, top);
    context.clip();
    if (top === LABELS) paintTokenLabels(context, scene, layout, placed, colours);
    else paintRuler(context, layout, placed, colours);
    context.restore();
  }

  #paintCells(
    context: CanvasRenderingContext2D, scene: HeatScene, { left, top, grid }: HeatLayout, placed: Placed, first: number, last: number,
    { theme, nothing }: HeatColours, state: string,
  ): void {
    const density = devicePixelRatio;
    const drawn = JSON.stringify([state, theme, density, grid, placed]);
    if (drawn !== this.#drawn) {
      const { edges, from, to } = bins(placed.x, placed.cellWidth, grid.columns, grid.width, density);
      const image = new ImageData(Math.max(1, edges.length - 1), Math.max(1, last - first));
      rasterize(
        scene.rows.slice(first, last).map(({ hue, values, faded, scale }) => ({ values, faded, scale, palette: paletteFor(hue, theme) })),
        edges, new Uint32Array(image.data.buffer),
      );
      this.#cells.width = image.width;
      this.#cells.height = image.height;
      this.#cells.getContext("2d")?.putImageData(image, 0, 0);
      this.#from = from / density;
      this.#to = to / density;
      this.#drawn = drawn;
    }
    const high = (last - first) * placed.cellHeight;
    const above = top + (first - placed.y) * placed.cellHeight;
    context.fillStyle = nothing;
    context.fillRect(left, above, this.#to, high);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#cells, left + this.#from, above, this.#to - this.#from, high);
    if (placed.cellHeight < PARTED) return;
    context.fillStyle = css(cellOf(0, 0, theme));
    for (let row = first + 1; row < last; row++) {
      context.fillRect(left, Math.round((top + (row - placed.y) * placed.cellHeight) * density) / density, grid.width, 1 / density);
    }
  }
}

/** Dashes before the first token of a context. */
function paintBreaks(context: CanvasRenderingContext2D, { tokens }: HeatScene, { left, top, grid }: HeatLayout, placed: Placed, { muted }: HeatColours): void {
  context.fillStyle = muted;
  const last = Math.min(grid.columns, Math.ceil(placed.x + grid.width / placed.cellWidth));
  for (let column = Math.floor(placed.x); column < last; column++) {
    if (!tokens.breakAt(column)) continue;
    for (let y = top; y < top + grid.height; y += 7) context.fillRect(left + (column - placed.x) * placed.cellWidth - 0.5, y, 1, 4);
  }
}

/** The column at the pointer or caret, the row under the pointer, and the keyboard's cell. */
function paintCursor(context: CanvasRenderingContext2D, scene: HeatScene, { left, top, grid }: HeatLayout, placed: Placed, { accent, text }: HeatColours): void {
  const { cursor, cell, pointed, rows } = scene;
  const high = Math.min(grid.height, (grid.rows - placed.y) * placed.cellHeight);
  const wide = Math.min(grid.width, (grid.columns - placed.x) * placed.cellWidth);
  const crisp = (length: number): number => Math.round(length * devicePixelRatio) / devicePixelRatio;
  const columnAt = (column: number): number => crisp(left + (column - placed.x) * placed.cellWidth);
  const rowAt = (row: number): number => crisp(top + (row - placed.y) * placed.cellHeight);
  const outline = (x: number, y: number, width: number, height: number): void => {
    context.strokeRect(x - context.lineWidth / 2, y - context.lineWidth / 2, crisp(width) + context.lineWidth, crisp(height) + context.lineWidth);
  };
  context.lineWidth = 1;
  context.strokeStyle = accent;
  if (cursor !== null) outline(columnAt(cursor), top, Math.max(1, placed.cellWidth), high);
  const row = rows.findIndex(({ key }) => key === pointed);
  if (row >= 0) outline(left, rowAt(row), wide, placed.cellHeight);
  if (cell !== null) {
    context.lineWidth = 2;
    context.strokeStyle = text;
    outline(columnAt(cell.column), rowAt(cell.row), Math.max(2, placed.cellWidth), Math.max(2, placed.cellHeight));
  }
}

/** Name and hue of every row; only some names if rows are lower than a line of text. */
function paintRowLabels(
  context: CanvasRenderingContext2D, scene: HeatScene, { left, top }: HeatLayout, placed: Placed, first: number, last: number,
  { theme, text, muted, mono }: HeatColours,
): void {
  const every = Math.max(1, Math.ceil(LEAST_LABEL_DISTANCE / placed.cellHeight));
  const edge = left - (scene.tree === null ? 0 : TREE);
  context.textAlign = "right";
  for (let row = first; row < last; row++) {
    const { key, hue } = scene.rows[row] as HeatRow;
    const y = top + (row - placed.y) * placed.cellHeight;
    const parting = placed.cellHeight < PARTED ? 0 : 1;
    context.fillStyle = css(inkOf(hue, theme));
    context.fillRect(0, y, SWATCH, placed.cellHeight - parting);
    const marked = key === scene.focus || key === scene.pointed;
    if (row % every !== 0 && !marked) continue;
    context.font = `${key === scene.focus ? "700 " : ""}${LABEL_SIZE}px ${mono}`;
    context.fillStyle = marked ? text : muted;
    context.fillText(key, edge - GAP, y + placed.cellHeight / 2, edge - SWATCH - 2 * GAP);
  }
}

/** The tree of the order by similarity: merges further to the left are less similar. */
function paintTree(context: CanvasRenderingContext2D, { merges, places }: Tree, { left, top }: HeatLayout, placed: Placed, { muted }: HeatColours): void {
  const highest = merges.reduce((most, { height }) => Math.max(most, height), 0) || 1;
  const right = left - 3;
  const x = (height: number): number => right - (height / highest) * (TREE - 8);
  const ends = places.map((leaf) => ({ x: right, y: top + (leaf + 0.5 - placed.y) * placed.cellHeight }));
  context.strokeStyle = muted;
  context.lineWidth = 1;
  context.beginPath();
  for (const { a, b, height } of merges) {
    const [one, other] = [ends[a], ends[b]];
    if (one === undefined || other === undefined) continue;
    context.moveTo(one.x, one.y);
    context.lineTo(x(height), one.y);
    context.lineTo(x(height), other.y);
    context.lineTo(other.x, other.y);
    ends.push({ x: x(height), y: (one.y + other.y) / 2 });
  }
  context.stroke();
}

/** Tokens, read from the bottom up. */
function paintTokenLabels(context: CanvasRenderingContext2D, scene: HeatScene, { left, top, grid }: HeatLayout, placed: Placed, { text, muted, mono }: HeatColours): void {
  const last = Math.min(grid.columns, Math.ceil(placed.x + grid.width / placed.cellWidth));
  context.textAlign = "left";
  for (let column = Math.floor(placed.x); column < last; column++) {
    context.save();
    context.translate(left + (column + 0.5 - placed.x) * placed.cellWidth, top - 4);
    context.rotate(-Math.PI / 2);
    context.font = `${column === scene.cursor ? "700 " : ""}${LABEL_SIZE}px ${mono}`;
    context.fillStyle = column === scene.cursor ? text : muted;
    context.fillText(scene.tokens.textAt(column), 0, 0);
    context.restore();
  }
}

/** Token indices at round steps. */
function paintRuler(context: CanvasRenderingContext2D, { left, top, grid }: HeatLayout, placed: Placed, { muted }: HeatColours): void {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((count) => count * placed.cellWidth >= 60) ?? 10_000;
  context.fillStyle = muted;
  context.textAlign = "left";
  const last = Math.min(grid.columns, Math.ceil(placed.x + grid.width / placed.cellWidth));
  for (let column = Math.ceil(placed.x / step) * step; column < last; column += step) {
    const x = left + (column - placed.x) * placed.cellWidth;
    context.fillRect(x, top - 5, 1, 5);
    context.fillText(String(column), x + 3, top - 10);
  }
}
