/**
 * What the browser keeps of the page: the last state, for the next visit, and each tab's own, for its reload.
 *
 * A state is written in one piece by one call, so tabs cannot mix theirs: a new tab opens with that of the tab that was used
 * last, and every tab is reloaded with its own. The tab's own counts only at the address that it was kept with: with another one,
 * somebody followed a link. Storage may be forbidden, or full; the page then works without.
 */
export interface Kept {
  /** The page as `encodePlain` writes it. */
  readonly state: string;
  /** The fragment that the address had, or was about to get; "" for none. */
  readonly fragment: string;
  /** Whether somebody did anything in this tab: a link that was only looked at does not replace the last state. */
  readonly used: boolean;
}

export type Storages = Readonly<Record<"visit" | "tab", Storage | null>>;

/** The browser's storages, as far as they may be used. */
export function storages(): Storages {
  const allowed = (get: () => Storage): Storage | null => {
    try {
      return get();
    } catch {
      return null;
    }
  };
  return { visit: allowed(() => localStorage), tab: allowed(() => sessionStorage) };
}

export class Memory {
  readonly #storages: Storages;
  readonly #state: string;
  readonly #fragment: string;

  /** `place` tells apart the pages that one origin serves: the path of each. */
  constructor(storages: Storages, place: string) {
    this.#storages = storages;
    this.#state = `neuroscope.state ${place}`;
    this.#fragment = `neuroscope.fragment ${place}`;
  }

  /** The state to open with at an address with this fragment; null where there is none, or the fragment is a link to follow. */
  recall(fragment: string): string | null {
    const { tab, visit } = this.#storages;
    if (tab?.getItem(this.#fragment) === fragment) return tab.getItem(this.#state);
    return fragment === "" ? visit?.getItem(this.#state) ?? null : null;
  }

  /** Keep a state; false where the browser has no room for it. What was kept before then stays. */
  keep({ state, fragment, used }: Kept): boolean {
    const { tab, visit } = this.#storages;
    const kept = [
      write(tab, this.#state, state) && write(tab, this.#fragment, fragment),
      !used || write(visit, this.#state, state),
    ];
    return !kept.includes(false);
  }

  clear(): void {
    for (const storage of [this.#storages.tab, this.#storages.visit]) {
      storage?.removeItem(this.#state);
      storage?.removeItem(this.#fragment);
    }
  }
}

function write(storage: Storage | null, name: string, value: string): boolean {
  try {
    storage?.setItem(name, value);
    return true;
  } catch {
    return false; // full
  }
}
