/** Which parts of the page are open. */
import { Emitter } from "../client/emitter";

export interface ViewState {
  /** The tab of the side panel. */
  readonly side: "neurons" | "discover";
  readonly heatmap: boolean;
  readonly compare: boolean;
  readonly palette: boolean;
  readonly help: boolean;
}

const closed: ViewState = { side: "neurons", heatmap: false, compare: false, palette: false, help: false };

export class View extends Emitter<{ change: ViewState }> {
  #state = closed;

  get state(): ViewState {
    return this.#state;
  }

  set(change: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...change };
    this.emit("change", this.#state);
  }

  toggle(name: "heatmap" | "compare" | "palette" | "help"): void {
    this.set({ [name]: !this.#state[name] });
  }
}
