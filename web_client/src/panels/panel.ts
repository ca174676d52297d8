/** Connects a panel to the workbench: it renders again, at most once per frame, when something changes. */
import { LitElement, type PropertyDeclarations } from "lit";
import type { Workbench } from "../workbench";

/** A panel of the page. */
export abstract class Panel extends LitElement {
  static override properties: PropertyDeclarations = { workbench: { attribute: false } };
  declare workbench: Workbench;
  #stop: (() => void) | null = null;
  #frame: number | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.workbench.on("change", () => {
      this.#frame ??= requestAnimationFrame(() => {
        this.#frame = null;
        this.requestUpdate();
      });
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }
}
