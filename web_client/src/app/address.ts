/**
 * The address follows the page, and so does what the browser keeps of it: copying the address copies the page.
 *
 * Written when the page has been quiet for a moment, and while it is not, once in a while: browsers refuse floods. Where no
 * address could hold the page it is bare, and the browser's memory alone has it.
 */
import { withoutQuery } from "./deep-link";
import { fragmentOf } from "./link";
import type { Memory } from "./memory";

const QUIET_MS = 400;
const LONGEST_MS = 3000;

export class Address {
  readonly #memory: Memory;
  readonly #describe: () => string | null;
  readonly #full: () => void;
  #written: string | null = null;
  #kept: string | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #dueBy = Infinity;
  #used = false;

  /**
   * `describe` gives the page as `encodePlain` writes it, or null while it is between two states. `full` is called, once,
   * when the browser has no room to keep it.
   */
  constructor(memory: Memory, describe: () => string | null, full: () => void) {
    this.#memory = memory;
    this.#describe = describe;
    this.#full = full;
    for (const sign of ["keydown", "pointerdown", "drop"]) addEventListener(sign, () => { this.#used = true; }, { capture: true, once: true });
    // A page that goes may not come to its timer. Packing takes time, so the address stays; the memory outdoes it.
    addEventListener("pagehide", () => { this.#keepNow(); });
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") this.#keepNow(); });
  }

  /** Something may be different. */
  touch(): void {
    const now = performance.now();
    if (this.#timer === null) this.#dueBy = now + LONGEST_MS;
    else clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { void this.#write(); }, Math.max(0, Math.min(QUIET_MS, this.#dueBy - now)));
  }

  /** What is in the address now is not of this page. */
  refute(): void {
    this.#written = null;
    this.touch();
  }

  /** Forget what was kept; the page is kept again when it changes. */
  forget(): void {
    this.#kept = null;
    this.#memory.clear();
  }

  async #write(): Promise<void> {
    this.#timer = null;
    const state = this.#describe();
    if (state === null || state === this.#written) return;
    this.#written = state;
    const fragment = await fragmentOf(state);
    if (this.#written !== state) return; // meanwhile there is a newer one
    try {
      history.replaceState(history.state, "", `${location.pathname}${withoutQuery(location.search)}${fragment === null ? "" : `#${fragment}`}`);
    } catch {
      this.#written = null; // too often for this browser: the next change tries again
    }
    this.#keep(state);
  }

  #keepNow(): void {
    const state = this.#describe();
    if (state !== null && state !== this.#kept) this.#keep(state);
  }

  #keep(state: string): void {
    this.#kept = state;
    if (!this.#memory.keep({ state, fragment: location.hash.slice(1), used: this.#used })) this.#full();
  }
}

/** A link to a page in this state, for others: without what else the address had; null where it would be too long. */
export async function linkTo(state: string): Promise<string | null> {
  const fragment = await fragmentOf(state);
  return fragment === null ? null : new URL(`#${fragment}`, location.origin + location.pathname).href;
}
