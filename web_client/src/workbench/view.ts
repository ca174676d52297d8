/** Which parts of the page are open. */
import { Emitter } from "../client/emitter";
import { COMPARE_COLOURS, type CompareColours } from "./comparison";
import { ROW_SORTS, type RowSort } from "./row-order";

export interface ViewState {
  /** The tab of the side panel. */
  readonly side: "neurons" | "discover";
  /** Whether neurons beside the one in focus are drawn as stripes. */
  readonly stripes: boolean;
  readonly heatmap: boolean;
  readonly heatmapSort: RowSort;
  /** Whether all rows of the heatmap share one scale. */
  readonly heatmapCommonScale: boolean;
  /** Which of two texts the heatmap shows. */
  readonly heatmapSide: "left" | "right";
  /** Whether two texts are compared. */
  readonly compare: boolean;
  readonly compareColours: CompareColours;
  readonly palette: boolean;
  readonly help: boolean;
  /** Light, dark, or the system's. Personal: not part of a link. */
  readonly theme: Theme;
}

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** The shared part of the view: the choices of each member, the default first. */
export const SHARED_VIEW = {
  side: ["neurons", "discover"],
  stripes: [true, false],
  heatmap: [false, true],
  heatmapSort: ROW_SORTS,
  heatmapCommonScale: [false, true],
  heatmapSide: ["left", "right"],
  compare: [false, true],
  compareColours: COMPARE_COLOURS,
} as const satisfies { readonly [name in keyof ViewState]?: readonly ViewState[name][] };

export type SharedView = Pick<ViewState, keyof typeof SHARED_VIEW>;

/** The shared part of a view: `choose` returns each member, by name and choices. */
export function sharedView(
  choose: <Name extends keyof SharedView>(name: Name, choices: readonly [SharedView[Name], ...SharedView[Name][]]) => SharedView[Name],
): SharedView {
  const names = Object.keys(SHARED_VIEW) as (keyof SharedView)[];
  return Object.fromEntries(names.map((name) => [name, choose(name, SHARED_VIEW[name])])) as unknown as SharedView;
}

/** The default of the shared view. */
export const usualView: SharedView = sharedView((_, [usual]) => usual);

const closed: ViewState = { ...usualView, palette: false, help: false, theme: "system" };

export class View extends Emitter<{ change: ViewState }> {
  #state = closed;

  get state(): ViewState {
    return this.#state;
  }

  set(change: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...change };
    this.emit("change", this.#state);
  }

  toggle(name: "stripes" | "heatmap" | "compare" | "palette" | "help"): void {
    this.set({ [name]: !this.#state[name] });
  }
}
