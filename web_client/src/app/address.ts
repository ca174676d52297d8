/**
 * Keeps the address, and the browser's stored state, up to date: copying the address copies the page.
 *
 * Written after a pause in changes, and now and then while they go on: browsers limit the rate. If the page is too long
 * for an address, the address has no state, and only the browser's storage does.
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
   * `describe` returns the page as `encodePlain` writes it, or null while it changes from one state to another. `full`
   * is called once if the browser has no room to store it.
   */
  constructor(memory: Memory, describe: () => string | null, full: () => void) {
    this.#memory = memory;
    this.#describe = describe;
    this.#full = full;
    for (const sign of ["keydown", "pointerdown", "drop"]) addEventListener(sign, () => { this.#used = true; }, { capture: true, once: true });
    // The timer of a page that is being left may not run. Compressing takes time, so only the stored state is written,
    // which wins.
    addEventListener("pagehide", () => { this.#keepNow(); });
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") this.#keepNow(); });
  }

  /** Something may have changed. */
  touch(): void {
    const now = performance.now();
    if (this.#timer === null) this.#dueBy = now + LONGEST_MS;
    else clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { void this.#write(); }, Math.max(0, Math.min(QUIET_MS, this.#dueBy - now)));
  }

  /** The address now belongs to another state. */
  refute(): void {
    this.#written = null;
    this.touch();
  }

  /** Delete the stored state; it is stored again when the page changes. */
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
    if (this.#written !== state) return; // there is a newer one now
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

/** A link to a page in this state, without the address's other parts; null if it would be too long. */
export async function linkTo(state: string): Promise<string | null> {
  const fragment = await fragmentOf(state);
  return fragment === null ? null : new URL(`#${fragment}`, location.origin + location.pathname).href;
}
