/** The state that the page opens with: a link, else the browser's stored state, else none, which means the server's
 * sample. */
import { readQuery } from "./deep-link";
import { decodeFragment, decodePlain, LinkError, type LinkState } from "./link";
import type { Memory } from "./memory";

export interface Found {
  readonly state: LinkState;
  /** Whether it comes from a link, or is just the last state. */
  readonly asked: boolean;
  /** Why a link could not be followed, as a sentence. */
  readonly problem: string | null;
}

/** Look at an address and the browser's stored state. */
export async function find({ hash, search }: { readonly hash: string; readonly search: string }, memory: Memory): Promise<Found> {
  const fragment = hash.replace(/^#/, "");
  let problem: string | null = null;
  try {
    const own = fragment === "" ? null : memory.recall(fragment);
    if (own !== null) return { state: decodePlain(own), asked: false, problem };
    if (fragment !== "") return { state: await decodeFragment(fragment), asked: true, problem };
    const state = readQuery(search);
    if (state !== null) return { state, asked: true, problem };
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    problem = error.message;
  }
  return { state: lastState(memory), asked: false, problem };
}

/** The state that was stored last; ignored if another version of the page stored it. */
function lastState(memory: Memory): LinkState {
  const kept = memory.recall("");
  if (kept === null) return {};
  try {
    return decodePlain(kept);
  } catch {
    return {};
  }
}
