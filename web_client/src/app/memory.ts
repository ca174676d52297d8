/**
 * The page's state in the browser's storage: the last one, for the next visit, and each tab's own, for a reload.
 *
 * Each state is written by one call, so tabs cannot mix theirs: a new tab opens with the state of the tab that was used
 * last, and a reloaded tab with its own. A tab's own state counts only at the address that it was stored with: at
 * another, somebody followed a link. Storage may be forbidden, full or damaged; the page then works without it.
 */
export interface Kept {
  /** The page as `encodePlain` writes it. */
  readonly state: string;
  /** The address's fragment, present or pending; "" for none. */
  readonly fragment: string;
  /** Whether anything was changed in this tab: a link that was only viewed does not replace the last state. */
  readonly used: boolean;
}

export type Storages = Readonly<Record<"visit" | "tab", Storage | null>>;

/** The browser's storages that can be used. */
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

  /** `place` is the page's path; it distinguishes the pages of one origin. */
  constructor(storages: Storages, place: string) {
    this.#storages = storages;
    this.#state = `neuroscope.state ${place}`;
    this.#fragment = `neuroscope.fragment ${place}`;
  }

  /** The stored state for an address with this fragment; null if there is none, or the fragment is a link to open. */
  recall(fragment: string): string | null {
    const { tab, visit } = this.#storages;
    if (read(tab, this.#fragment) === fragment) return read(tab, this.#state);
    return fragment === "" ? read(visit, this.#state) : null;
  }

  /** Store a state; false if the browser has no room for it. The previous one then stays. */
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

/** The result of `access`; undefined if the storage throws because it is forbidden, full or damaged. */
function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
