/**
 * The heatmap: all visible neurons over all tokens of the text, on one canvas.
 *
 * Drag or scroll to move, Ctrl and scroll or pinch to zoom, click to focus the neuron and go to the token. With the
 * keyboard it is a grid with one current cell: arrow keys move it, Enter acts like a click.
 */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { hueClass } from "../colour/palette";
import { systemDark, themeOf } from "../colour/theme";
import type { Scale } from "../colour/scale";
import { formatValue, visibleText } from "../editor/format";
import { comparable, type Passage, ROW_SORTS, RowOrder, type RowSort } from "../workbench";
import { type Axes, type Cell, cellAt, type GridWindow, pan, place, type Placed, reveal, wholeGrid, zoom } from "./grid-window";
import { type HeatColours, type HeatLayout, HeatPicture, type HeatRow, type HeatScene, layOut, type Tree } from "./heatmap-picture";
import { Panel } from "./panel";
import { base, bucketStyles } from "./styles";

const SORT_TITLES: Record<RowSort, string> = { order: "as listed", max: "by maximum", similarity: "by similarity" };

/** Orders that depend on values are updated after this long without new values. */
const REST_MS = 250;
const ZOOM_STEP = 1.4;
/** The least time between two reports of a moving pointer to the rest of the page. */
const SHARE_MS = 60;
/** The pointer counts again this long after the wheel has stopped. */
const STILL_MS = 120;
/** Movement below this many px is a click. */
const CLICK_REACH = 4;
const LONGEST_LABEL = 9;

/** A cell by its content, so that it stays the same when rows are sorted again. */
interface Place {
  readonly key: string;
  readonly token: number;
}

export class HeatmapPanel extends Panel {
  static override properties: PropertyDeclarations = { cell: { state: true }, pointed: { state: true }, attended: { state: true } };
  static override styles = [base, bucketStyles, css`
    :host { display: flex; flex-direction: column; background: var(--page); }
    header { display: flex; align-items: center; gap: 4px 14px; padding: 5px 16px; font-size: 12.5px; border-bottom: 1px solid var(--line); white-space: nowrap; overflow-x: auto; }
    h2 { font-size: 13px; font-weight: 650; margin: 0; }
    label { display: flex; align-items: center; gap: 6px; color: var(--muted); }
    header :is(button, select) { min-height: 24px; padding: 1px 7px; color: var(--text); font-size: 12.5px; }
    .zoom { display: flex; gap: 4px; margin-left: auto; }
    .zoom button { min-width: 26px; }
    .place { position: relative; flex: 1; min-height: 0; padding: 6px 16px 8px; }
    .grid { position: relative; height: 100%; outline-offset: 2px; }
    .grid:focus-visible { outline: 2px solid var(--accent); }
    /* The canvas reads its colours here: computed styles resolve light-dark(), custom properties do not. */
    canvas {
      display: block; width: 100%; height: 100%; touch-action: pan-y; cursor: crosshair; font-family: var(--mono);
      color: var(--text); outline: 0 solid var(--accent); background: var(--page); caret-color: var(--muted);
      column-rule-color: var(--hover);
    }
    canvas.moving { cursor: grabbing; }
    .readout {
      position: absolute; top: 0; left: 0; z-index: 6; display: flex; align-items: baseline; gap: 8px; padding: 2px 8px; pointer-events: none; white-space: pre;
      font-size: 12.5px; color: var(--text); background: var(--raised); border: 1px solid var(--line); border-radius: 5px; max-width: min(90%, 420px);
    }
    .readout b { font-weight: 650; }
    .readout .mono { overflow: hidden; text-overflow: ellipsis; }
    .swatch { align-self: center; width: 9px; height: 9px; border-radius: 2px; background: var(--neuro-ink); flex: none; }
    .empty { padding: 14px 16px; color: var(--muted); }
    @media (max-width: 820px) { h2, label span { display: none; } header { gap: 6px; } label { min-width: 0; } header select { width: 100%; } }
  `];

  /** The cells of the keyboard and of the pointer. */
  declare cell: Place | null;
  declare pointed: Place | null;
  /** Whether the grid has the focus. */
  declare attended: boolean;

  #window: GridWindow = wholeGrid;
  #layout: HeatLayout | null = null;
  #rows: readonly HeatRow[] = [];
  readonly #picture = new HeatPicture();
  readonly #order = new RowOrder(() => { this.requestUpdate(); });
  /** Increases when values may have changed. */
  #state = 0;
  #looks = "";
  #found = "";
  #sorted: RowSort = "order";
  #rest: ReturnType<typeof setTimeout> | null = null;
  #followed: { readonly passage: Passage; readonly stop: () => void } | null = null;
  readonly #pointers = new Map<number, { readonly x: number; readonly y: number }>();
  #moved = 0;
  #sharing: ReturnType<typeof setTimeout> | null = null;
  #sharedAt = -Infinity;
  #still: ReturnType<typeof setTimeout> | null = null;
  readonly #repaint = (): void => { this.#paint(); };
  readonly #resized = new ResizeObserver(this.#repaint);

  constructor() {
    super();
    this.cell = null;
    this.pointed = null;
    this.attended = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    systemDark.addEventListener("change", this.#repaint);
    this.#resized.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    systemDark.removeEventListener("change", this.#repaint);
    this.#followed?.stop();
    this.#followed = null;
    this.#resized.disconnect();
    this.#order.stop();
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
    this.#leave();
  }

  /** The text whose values are shown. */
  get #passage(): Passage {
    const { comparison, text, view } = this.workbench;
    return comparison !== null && view.state.heatmapSide === "right" ? comparison.right : text;
  }

  // ------------------------------------------------------------------ what is shown

  protected override willUpdate(): void {
    this.#follow();
    this.#sort();
    const { rows, view } = this.workbench;
    const shown = rows.list.filter(({ hidden }) => !hidden);
    const common = view.state.heatmapCommonScale ? this.#commonScale(shown.map(({ key }) => key)) : null;
    const hues = new Map(shown.map(({ key, hue }) => [key, hue]));
    this.#rows = this.#order.apply(shown.map(({ key }) => key)).map((key): HeatRow => ({
      key, hue: hues.get(key) ?? 0, values: this.#passage.values(key), faded: this.#passage.fading(key),
      scale: common ?? this.workbench.scale(key),
    }));
    this.#looks = JSON.stringify(this.#rows.map(({ key, hue, scale }) => [key, hue, scale]));
  }

  /** Listen to changes of the shown passage's values. */
  #follow(): void {
    const passage = this.#passage;
    if (this.#followed?.passage === passage) return;
    this.#followed?.stop();
    this.#state += 1;
    this.#followed = { passage, stop: passage.on("restate", () => { this.#state += 1; }) };
  }

  #commonScale(keys: readonly string[]): Scale {
    const reach = keys.reduce((most, key) => {
      const { min, max } = this.workbench.scale(key);
      return Math.max(most, -min, max);
    }, 0);
    return { min: -reach, max: reach };
  }

  /** Update the order of the rows if it may have changed. */
  #sort(): void {
    const sort = this.workbench.view.state.heatmapSort;
    const keys = this.workbench.rows.list.filter(({ hidden }) => !hidden).map(({ key }) => key);
    const wanted = `${sort} ${sort === "order" ? "" : this.#state} ${keys.join(" ")}`;
    if (wanted === this.#found) return;
    const find = (): void => {
      this.#rest = null;
      this.#found = wanted;
      this.#sorted = sort;
      this.#order.find(sort, comparable(keys, (key) => this.#passage.values(key), this.#passage.document.tokens.infos));
    };
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
    // At once when another order is chosen, after a rest while typing.
    if (sort === "order" || sort !== this.#sorted) find();
    else if (this.#passage.settled) this.#rest = setTimeout(find, REST_MS);
  }

  #tree(): Tree | null {
    const keys = this.#rows.map(({ key }) => key);
    const tree = this.workbench.view.state.heatmapSort === "similarity" ? this.#order.treeOf(keys) : null;
    if (tree === null) return null;
    const places = new Map(keys.map((key, i) => [key, i]));
    return { merges: tree.merges, places: tree.keys.map((key) => places.get(key) ?? 0) };
  }

  /** Where a place is in the grid; null if it no longer exists. */
  #cellOf(place: Place | null): Cell | null {
    if (place === null || place.token >= this.#passage.document.tokens.length) return null;
    const row = this.#rows.findIndex(({ key }) => key === place.key);
    return row < 0 ? null : { row, column: place.token };
  }

  #placeOf(cell: Cell | null): Place | null {
    const key = cell === null ? undefined : this.#rows[cell.row]?.key;
    return cell === null || key === undefined ? null : { key, token: cell.column };
  }

  #textAt(token: number): string {
    const { infos } = this.#passage.document.tokens;
    return visibleText(infos[token]?.text ?? "");
  }

  override render(): TemplateResult {
    const { comparison, view } = this.workbench;
    const { heatmapSort, heatmapCommonScale, heatmapSide } = view.state;
    return html`
      <header>
        <h2>Heatmap</h2>
        <label><span>Rows</span>
          <select data-testid="heatmap-sort" aria-label="Order of the rows" @change=${this.#chooseSort}>
            ${ROW_SORTS.map((sort) => html`<option value=${sort} ?selected=${sort === heatmapSort}>${SORT_TITLES[sort]}</option>`)}
          </select></label>
        <label><span>Colours</span>
          <select data-testid="heatmap-scale" aria-label="Scale of the colours" @change=${this.#chooseScale}>
            <option value="own" ?selected=${!heatmapCommonScale}>each row's own scale</option>
            <option value="common" ?selected=${heatmapCommonScale}>one scale for all</option>
          </select></label>
        ${comparison === null ? nothing : html`
          <select data-testid="heatmap-side" aria-label="Text of the heatmap" @change=${this.#chooseSide}>
            <option value="left" ?selected=${heatmapSide === "left"}>left text</option>
            <option value="right" ?selected=${heatmapSide === "right"}>right text</option>
          </select>`}
        <div class="zoom" role="group" aria-label="Zoom">
          <button data-testid="heatmap-out" aria-label="Zoom out" title="Zoom out (−)" @click=${() => { this.#zoomBy(1 / ZOOM_STEP); }}>−</button>
          <button data-testid="heatmap-in" aria-label="Zoom in" title="Zoom in (+)" @click=${() => { this.#zoomBy(ZOOM_STEP); }}>+</button>
          <button data-testid="heatmap-fit" title="Show everything (0)" @click=${() => { this.#look(wholeGrid); }}>Fit</button>
          <button class="quiet" data-testid="heatmap-close" aria-label="Close the heatmap" title="Close"
            @click=${() => { view.set({ heatmap: false }); }}>×</button>
        </div>
      </header>
      ${this.#rows.length === 0 || this.#passage.document.tokens.length === 0
        ? html`<p class="empty">${this.#rows.length === 0 ? "Add a neuron, or show a hidden one." : "There is no text yet."}</p>`
        : html`<div class="place">${this.#grid()}${this.#readout()}</div>`}`;
  }

  #grid(): TemplateResult {
    const { tokens } = this.#passage.document;
    const cell = this.attended ? this.#cellOf(this.cell) : null;
    const row = cell === null ? undefined : this.#rows[cell.row];
    const id = cell === null ? null : `cell-${cell.row}-${cell.column}`;
    return html`
      <div class="grid" role="grid" tabindex="0" data-testid="heatmap" aria-readonly="true"
        aria-label="Heatmap of ${this.#rows.length} neurons over ${tokens.length} tokens" aria-describedby="keys"
        aria-rowcount=${this.#rows.length} aria-colcount=${tokens.length} aria-activedescendant=${id ?? nothing}
        @keydown=${this.#key} @focus=${this.#attend} @blur=${this.#unattend}>
        <canvas aria-hidden="true" data-testid="heatmap-canvas" @pointerdown=${this.#press} @pointermove=${this.#move} @pointerup=${this.#release}
          @pointercancel=${this.#release} @pointerleave=${this.#leave} @wheel=${this.#wheel}></canvas>
        ${cell === null || row === undefined ? html`
          <div class="sr" role="row"><span role="gridcell">Arrow keys move from cell to cell</span></div>` : html`
          <div class="sr" role="row" aria-rowindex=${cell.row + 1}>
            <span role="rowheader" translate="no">${row.key}</span>
            <span role="gridcell" translate="no" id=${id ?? nothing} aria-colindex=${cell.column + 1} data-testid="heatmap-cell">${this.#spoken(row, cell.column)}</span>
          </div>`}
      </div>
      <p class="sr" id="keys">Arrow keys, Home, End and Page keys move; Enter focuses the neuron and goes to the token; plus and minus zoom, 0 shows everything.</p>`;
  }

  #spoken({ key, values }: HeatRow, token: number): string {
    return `${this.#textAt(token)}, token ${token}, ${key}: ${formatValue(values[token] ?? NaN)}`;
  }

  /** Value, token and neuron of the pointer's or keyboard's cell, beside it. */
  #readout(): TemplateResult | typeof nothing {
    const place = this.pointed ?? (this.attended ? this.cell : null);
    const row = this.#rows.find(({ key }) => key === place?.key);
    if (place === null || row === undefined || this.#cellOf(place) === null) return nothing;
    return html`<div translate="no" class="readout ${hueClass(row.hue)}" data-testid="heatmap-readout" data-key=${place.key} data-token=${place.token} aria-hidden="true">
      <span class="swatch"></span><b translate="no" class="number">${place.key}</b><span translate="no" class="mono">${this.#textAt(place.token)}</span>
      <span translate="no" class="muted number">token ${place.token}</span><b translate="no" class="number" data-testid="heatmap-value">${formatValue(row.values[place.token] ?? NaN)}</b></div>`;
  }

  protected override updated(): void {
    this.#paint();
  }

  #paint(): void {
    const canvas = this.renderRoot.querySelector("canvas");
    const context = canvas?.getContext("2d") ?? null;
    this.#layout = null;
    if (canvas === null || context === null || canvas.clientWidth === 0) return;
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const style = getComputedStyle(canvas);
    const colours: HeatColours = {
      theme: themeOf(canvas), text: style.color, muted: style.caretColor, accent: style.outlineColor,
      nothing: style.columnRuleColor, mono: style.fontFamily,
    };
    const { rows } = this.workbench;
    const { tokens } = this.#passage.document;
    const scene: HeatScene = {
      rows: this.#rows, window: this.#window, tree: this.#tree(), focus: rows.focus, pointed: this.pointed?.key ?? rows.pointed,
      cursor: this.pointed?.token ?? this.#passage.cursor,
      cell: this.attended ? this.#cellOf(this.cell) : null,
      tokens: {
        length: tokens.length,
        textAt: (token) => {
          const text = this.#textAt(token);
          return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1)}…` : text;
        },
        breakAt: (token) => tokens.infos[token]?.segment === true,
      },
    };
    context.font = `11px ${colours.mono}`;
    this.#layout = layOut(scene, canvas.clientWidth, canvas.clientHeight, (text) => context.measureText(text).width);
    this.#picture.paint(context, scene, this.#layout, colours, `${this.#state} ${this.#passage.late} ${this.#looks}`);
    this.#putReadout(this.#layout);
  }

  /** Place the readout beside its cell, on the side with room. */
  #putReadout({ left, top, grid }: HeatLayout): void {
    const readout = this.renderRoot.querySelector<HTMLElement>(".readout");
    const box = this.renderRoot.querySelector<HTMLElement>(".place");
    const cell = this.#cellOf(this.pointed ?? this.cell);
    if (readout === null || box === null || cell === null) return;
    const { x, y, cellWidth, cellHeight } = place(this.#window, grid);
    const padding = { left: 16, top: 6 };
    const begin = padding.left + left + (cell.column - x) * cellWidth;
    const under = padding.top + top + (cell.row + 1 - y) * cellHeight + 6;
    const after = begin + cellWidth + 8;
    const horizontal = after + readout.offsetWidth <= box.clientWidth ? after : Math.max(0, begin - readout.offsetWidth - 8);
    const vertical = under + readout.offsetHeight <= box.clientHeight ? under : under - cellHeight - 12 - readout.offsetHeight;
    readout.style.transform = `translate(${Math.round(horizontal)}px, ${Math.round(Math.max(-30, vertical))}px)`;
  }

  /** Where the cells are on the canvas, in CSS pixels, and the rows' keys from the top: for tests and the console. */
  get geometry(): { readonly left: number; readonly top: number; readonly keys: readonly string[] } & Placed | null {
    if (this.#layout === null) return null;
    const { left, top, grid } = this.#layout;
    return { left, top, keys: this.#rows.map(({ key }) => key), ...place(this.#window, grid) };
  }

  // ------------------------------------------------------------------ choices

  readonly #chooseSort = (event: Event): void => {
    this.workbench.view.set({ heatmapSort: (event.target as HTMLSelectElement).value as RowSort });
  };

  readonly #chooseScale = (event: Event): void => {
    this.workbench.view.set({ heatmapCommonScale: (event.target as HTMLSelectElement).value === "common" });
  };

  readonly #chooseSide = (event: Event): void => {
    this.#point(null);
    this.workbench.view.set({ heatmapSide: (event.target as HTMLSelectElement).value === "right" ? "right" : "left" });
  };

  #look(window: GridWindow): void {
    this.#window = window;
    this.#paint();
  }

  /** Zoom about the keyboard's cell if there is one, otherwise about the middle. */
  #zoomBy(factor: number): void {
    if (this.#layout === null) return;
    const { grid } = this.#layout;
    const { x, y, cellWidth, cellHeight } = place(this.#window, grid);
    const cell = this.#cellOf(this.cell);
    const within = (at: number, length: number): number => (at >= 0 && at <= length ? at : length / 2);
    const left = cell === null ? grid.width / 2 : within((cell.column + 0.5 - x) * cellWidth, grid.width);
    const top = cell === null ? grid.height / 2 : within((cell.row + 0.5 - y) * cellHeight, grid.height);
    this.#look(zoom(this.#window, grid, factor, { left, top }));
  }

  // ------------------------------------------------------------------ pointer

  /** A point of the canvas in the grid. */
  #inGrid(event: MouseEvent): { readonly left: number; readonly top: number } {
    const box = (this.renderRoot.querySelector("canvas") as HTMLCanvasElement).getBoundingClientRect();
    return { left: event.clientX - box.left - (this.#layout?.left ?? 0), top: event.clientY - box.top - (this.#layout?.top ?? 0) };
  }

  #placeAt(event: MouseEvent): Place | null {
    if (this.#layout === null) return null;
    const { left, top } = this.#inGrid(event);
    return this.#placeOf(cellAt(this.#window, this.#layout.grid, left, top));
  }

  #point(place: Place | null): void {
    this.pointed = place;
    this.#share(place);
  }

  /** Share the pointer's place with the page, but not at every move: each token redraws the text. */
  #share(place: Place | null): void {
    if (this.#sharing !== null) clearTimeout(this.#sharing);
    const wait = place === null ? 0 : this.#sharedAt + SHARE_MS - performance.now();
    if (wait > 0) {
      this.#sharing = setTimeout(() => { this.#share(place); }, wait);
      return;
    }
    this.#sharing = null;
    this.#sharedAt = performance.now();
    this.workbench.rows.point(place?.key ?? null);
    this.#passage.hover(place?.token ?? null);
  }

  readonly #press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#moved = this.#pointers.size > 1 ? Infinity : 0;
  };

  readonly #move = (event: PointerEvent): void => {
    const before = this.#pointers.get(event.pointerId);
    const layout = this.#layout;
    if (before === undefined || layout === null) {
      if (this.#still !== null) clearTimeout(this.#still);
      this.#point(this.#placeAt(event));
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.#pointers.set(event.pointerId, now);
    this.#moved += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.#moved <= CLICK_REACH) return;
    (event.currentTarget as Element).classList.add("moving");
    this.#point(null);
    if (other === undefined) {
      this.#look(pan(this.#window, layout.grid, before.x - now.x, before.y - now.y));
      return;
    }
    const distance = (point: { x: number; y: number }): number => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.#look(zoom(this.#window, layout.grid, distance(now) / distance(before), this.#inGrid(event)));
  };

  readonly #release = (event: PointerEvent): void => {
    const pressed = this.#pointers.delete(event.pointerId);
    (event.currentTarget as Element).classList.remove("moving");
    const place = this.#placeAt(event);
    if (!pressed || event.type !== "pointerup" || this.#moved > CLICK_REACH || place === null) return;
    this.#point(place);
    this.cell = place;
    this.#go(place);
    this.renderRoot.querySelector<HTMLElement>(".grid")?.focus({ preventScroll: true }); // touch does not focus by itself
  };

  readonly #leave = (): void => {
    if (this.#still !== null) clearTimeout(this.#still);
    this.#point(null);
  };

  readonly #wheel = (event: WheelEvent): void => {
    if (this.#layout === null) return;
    const { grid } = this.#layout;
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const before = place(this.#window, grid);
    let window: GridWindow;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault(); // otherwise the page would zoom
      const axes: Axes = event.shiftKey ? "columns" : event.altKey ? "rows" : "both";
      const delta = (event.deltaY || event.deltaX) * unit; // with Shift, some systems scroll sideways
      window = zoom(this.#window, grid, Math.exp(-Math.max(-60, Math.min(60, delta)) * 0.01), this.#inGrid(event), axes);
    } else {
      const sideways = event.shiftKey && event.deltaX === 0;
      window = pan(this.#window, grid, (sideways ? event.deltaY : event.deltaX) * unit, (sideways ? 0 : event.deltaY) * unit);
      const after = place(window, grid);
      if (after.x === before.x && after.y === before.y) return; // let the page scroll
      event.preventDefault();
    }
    // Cells that pass under the pointer do not count: the text would be redrawn at each step.
    this.#point(null);
    if (this.#still !== null) clearTimeout(this.#still);
    this.#still = setTimeout(() => { this.#point(this.#placeAt(event)); }, STILL_MS);
    this.#look(window);
  };

  // ------------------------------------------------------------------ keyboard

  readonly #attend = (): void => {
    this.attended = true;
    if (this.#cellOf(this.cell) === null) {
      this.cell = { key: this.#rows.find(({ key }) => key === this.workbench.rows.focus)?.key ?? this.#rows[0]?.key ?? "", token: this.#passage.cursor ?? 0 };
    }
  };

  readonly #unattend = (): void => {
    this.attended = false;
    this.#point(null);
  };

  readonly #key = (event: KeyboardEvent): void => {
    if (event.altKey || event.metaKey || this.#layout === null) return;
    const cell = this.#cellOf(this.cell);
    const { grid } = this.#layout;
    if (!event.ctrlKey && (event.key === "+" || event.key === "=")) this.#zoomBy(ZOOM_STEP);
    else if (!event.ctrlKey && event.key === "-") this.#zoomBy(1 / ZOOM_STEP);
    else if (!event.ctrlKey && event.key === "0") this.#look(wholeGrid);
    else if (event.key === "Enter" && this.cell !== null) this.#go(this.cell);
    else {
      const next = cell === null ? null : moved(cell, event.key, event.ctrlKey, Math.max(1, Math.floor(grid.height / place(this.#window, grid).cellHeight) - 1));
      if (next === null) return;
      const held = {
        row: Math.max(0, Math.min(grid.rows - 1, next.row)), column: Math.max(0, Math.min(grid.columns - 1, next.column)),
      };
      this.cell = this.#placeOf(held);
      this.#window = reveal(this.#window, grid, held);
      this.pointed = null;
      this.#share(this.cell);
    }
    event.preventDefault();
  };

  #go({ key, token }: Place): void {
    this.workbench.rows.setFocus(key);
    this.#passage.reveal(token);
  }
}

/** The cell after a key; null for keys that do not move. */
function moved({ row, column }: Cell, key: string, far: boolean, page: number): Cell | null {
  switch (key) {
    case "ArrowLeft": return { row, column: column - (far ? 10 : 1) };
    case "ArrowRight": return { row, column: column + (far ? 10 : 1) };
    case "ArrowUp": return { row: row - (far ? 10 : 1), column };
    case "ArrowDown": return { row: row + (far ? 10 : 1), column };
    case "PageUp": return { row: row - page, column };
    case "PageDown": return { row: row + page, column };
    case "Home": return { row: far ? 0 : row, column: 0 };
    case "End": return { row: far ? Infinity : row, column: Infinity };
    default: return null;
  }
}
