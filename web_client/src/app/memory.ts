/**
 * What the browser keeps of the page: the last state, for the next visit, and each tab's own, for its reload.
 *
 * A state is written in one piece by one call, so tabs cannot mix theirs: a new tab opens with that of the tab that was used
 * last, and every tab is reloaded with its own. The tab's own counts only at the address that it was kept with: with another one,
 * somebody followed a link. Storage may be forbidden, full or damaged; the page then works without it.
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
  const usable = (get: () => Storage): Storage | null => attempt(() => {
    const storage = get();
    storage.getItem(""); // a damaged one throws here
    return storage;
  }) ?? null;
  return { visit: usable(() => localStorage), tab: usable(() => sessionStorage) };
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
    if (read(tab, this.#fragment) === fragment) return read(tab, this.#state);
    return fragment === "" ? read(visit, this.#state) : null;
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
      for (const name of [this.#state, this.#fragment]) attempt(() => { storage?.removeItem(name); });
    }
  }
}

function read(storage: Storage | null, name: string): string | null {
  return attempt(() => storage?.getItem(name)) ?? null;
}

function write(storage: Storage | null, name: string, value: string): boolean {
  return attempt(() => { storage?.setItem(name, value); return true; }) ?? false;
}

/** What `access` gives; undefined where the storage throws, being forbidden, full or damaged. */
function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
