/** Which parts of the page are open. */
import { Emitter } from "../client/emitter";
import type { RowSort } from "./row-order";

export interface ViewState {
  /** The tab of the side panel. */
  readonly side: "neurons" | "discover";
  /** Whether neurons beside the one in focus are drawn as stripes. */
  readonly stripes: boolean;
  readonly heatmap: boolean;
  readonly heatmapSort: RowSort;
  /** Whether all rows of the heatmap are coloured on one scale, or each on its own. */
  readonly heatmapCommonScale: boolean;
  readonly compare: boolean;
  readonly palette: boolean;
  readonly help: boolean;
  /** Light or dark, or as the system has it. A person's own: no link carries it. */
  readonly theme: Theme;
}

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const closed: ViewState = {
  side: "neurons", stripes: true, heatmap: false, heatmapSort: "order", heatmapCommonScale: false, compare: false, palette: false, help: false,
  theme: "system",
};

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
