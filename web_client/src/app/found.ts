/** What the page opens with: a link, else what the browser kept, else nothing, which is the server's sample. */
import { readQuery } from "./deep-link";
import { decodeFragment, decodePlain, LinkError, type LinkState } from "./link";
import type { Memory } from "./memory";

export interface Found {
  readonly state: LinkState;
  /** Whether somebody asked for this state, or it is just the last one. */
  readonly asked: boolean;
  /** Why a link could not be followed, as a sentence. */
  readonly problem: string | null;
}

/** Look at an address and at what the browser kept. */
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

/** What was kept last. What another version of the page kept is passed over. */
function lastState(memory: Memory): LinkState {
  const kept = memory.recall("");
  if (kept === null) return {};
  try {
    return decodePlain(kept);
  } catch {
    return {};
  }
}
