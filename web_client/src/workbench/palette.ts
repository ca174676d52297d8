/**
 * What the command palette offers for its input: commands, models, neurons (`L3N42`, `3/42`, `L3N40-48`) and the
 * strongest ones here (`top 8 here`).
 */
import { MOST_AT_ONCE, type NeuroscopeClient, parseNeurons } from "../client";
import type { Commands } from "./commands";
import type { Discovery } from "./discovery";
import { match } from "./match";
import type { Notices } from "./notices";
import type { Rows } from "./rows";

export interface Offer {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly keys?: string;
  /** Indices of the matched letters of `label`. */
  readonly at: readonly number[];
  readonly enabled: boolean;
  /** Whether this is the current choice of its group; absent if there is nothing to choose. */
  readonly checked?: boolean;
  readonly run: () => void;
}

export interface OfferGroup {
  /** Null for search results, which are sorted by score across groups. */
  readonly title: string | null;
  readonly offers: readonly Offer[];
}

/** The part of the workbench that the palette builds on. */
export interface PaletteContext {
  readonly client: NeuroscopeClient;
  readonly commands: Commands;
  readonly discovery: Discovery;
  readonly notices: Notices;
  readonly rows: Rows;
  loadModel(id: string): Promise<void>;
}

/** The command that opens the palette is not offered in it. */
export const PALETTE = "palette.open";
export const DEFAULT_TOP = 8;

const MOST_RECENT = 5;
const MOST_FOUND = 50;
/** Recently used commands are more likely wanted again. */
const RECENT_BONUS = 3;

/** An offer's full name, for searching and outside its group. */
export function label({ group, title }: Pick<Offer, "group" | "title">): string {
  return `${group}: ${title}`;
}

export class Palette {
  readonly #workbench: PaletteContext;
  #recent: readonly string[] = [];

  constructor(workbench: PaletteContext) {
    this.#workbench = workbench;
  }

  /** The offers for `query`; for an empty one everything, recently used ones first. */
  offers(query: string): readonly OfferGroup[] {
    const all = [...this.#commands(), ...this.#models()];
    if (query.trim() === "") return this.#browse(all);
    const direct = this.#direct(query);
    const found = all
      .map((offer) => ({ offer, found: match(query, label(offer)) }))
      .flatMap(({ offer, found }) => (found === null ? [] : [{ offer: { ...offer, at: found.at }, score: found.score + this.#bonus(offer) }]))
      .sort((one, other) => other.score - one.score)
      .slice(0, MOST_FOUND);
    const offers = [...direct, ...found.map(({ offer }) => offer)];
    return offers.length === 0 ? [] : [{ title: null, offers }];
  }

  /** Run an offer; false if it cannot be run now. */
  run(offer: Offer): boolean {
    if (!offer.enabled) return false;
    this.#recent = [offer.id, ...this.#recent.filter((id) => id !== offer.id)].slice(0, MOST_RECENT);
    offer.run();
    return true;
  }

  #bonus({ id, enabled }: Offer): number {
    return (this.#recent.includes(id) ? RECENT_BONUS : 0) - (enabled ? 0 : RECENT_BONUS);
  }

  #browse(all: readonly Offer[]): readonly OfferGroup[] {
    const recent = this.#recent.flatMap((id) => all.find((offer) => offer.id === id) ?? []);
    const groups = new Map<string, Offer[]>(recent.length > 0 ? [["Recent", recent]] : []);
    for (const offer of all) {
      if (!recent.includes(offer)) groups.set(offer.group, [...(groups.get(offer.group) ?? []), offer]);
    }
    return [...groups].map(([title, offers]) => ({ title, offers }));
  }

  #commands(): Offer[] {
    return this.#workbench.commands.list.filter(({ id }) => id !== PALETTE).map(({ id, group, title, keys, enabled, checked, run }) => ({
      id, group, title, at: [], enabled: enabled?.() !== false, run,
      ...(keys === undefined ? {} : { keys }), ...(checked === undefined ? {} : { checked: checked() }),
    }));
  }

  #models(): Offer[] {
    const { client } = this.#workbench;
    if (client.models.length < 2) return [];
    return client.models.map(({ id, title }) => ({
      id: `model.${id}`, group: "Model", title, at: [], enabled: client.ready, checked: id === client.model?.id,
      run: () => { void this.#workbench.loadModel(id); },
    }));
  }

  // ------------------------------------------------------------------ direct input

  #direct(query: string): Offer[] {
    const top = parseTop(query);
    if (top !== null) return [this.#top(top)];
    const { keys, problem } = parseNeurons(query);
    if (problem !== null) return LIKE_A_NEURON.test(query) ? [refusal(problem)] : [];
    const [first] = keys;
    if (first === undefined) return [];
    const { discovery, rows } = this.#workbench;
    const lacking = rows.lacking(keys);
    if (lacking !== null) return [refusal(lacking)];
    const there = keys.length === 1 && rows.get(first) !== null;
    const title = there ? `Colour the text by ${first}` : keys.length === 1 ? `Add ${first}` : `Add ${keys.length} neurons: ${listing(keys)}`;
    return [{
      id: `neurons.${keys.join()}`, group: "Neurons", title, at: [], enabled: true,
      run: () => { void discovery.add(keys); },
    }];
  }

  #top({ count, layer = null, by = "activation" }: TopRequest): Offer {
    const { client, discovery, notices } = this.#workbench;
    const where = discovery.token === null ? "" : ` at token ${discovery.token}`;
    const how = `${by === "ratio" ? ", by share of their maximum" : ""}${layer === null ? "" : `, of layer ${layer}`}`;
    const layers = client.model?.layers ?? 0;
    if (layer !== null && layer >= layers) return refusal(`This model has layers 0 to ${layers - 1}.`);
    if (by === "ratio" && !discovery.ranksByRatio) return refusal("This model has no statistics, so shares are unknown.");
    if (discovery.token === null) return refusal("There is no token at the caret.");
    const many = count === 1 ? "the strongest neuron" : `the ${count} strongest neurons`;
    return {
      id: "neurons.top", group: "Neurons", title: `Add ${many}${where}${how}`, at: [], enabled: true,
      run: () => { void notices.tellFailure(discovery.addTop(count, { layer, by })); },
    };
  }
}

/** The first and the last of many. */
function listing(keys: readonly string[]): string {
  return keys.length <= 4 ? keys.join(", ") : `${keys.slice(0, 2).join(", ")} … ${keys.at(-1) ?? ""}`;
}

/** Shown instead of an offer: why the input is not possible. */
function refusal(sentence: string): Offer {
  return { id: "refusal", group: "Neurons", title: sentence, at: [], enabled: false, run: () => undefined };
}

/** Begins like a neuron, so that its error is worth showing. */
const LIKE_A_NEURON = /^\s*(?:L\s*\d+\s*N|\d+\s*[/,.:])/i;

export interface TopRequest {
  readonly count: number;
  readonly layer?: number | null;
  readonly by?: "activation" | "ratio";
}

const TOP = /^\s*top(?:\s*(\d{1,4}))?((?:\s+(?:here|neurons?|at|in|of|by|the|caret|activation|ratio|share|layer\s*\d{1,4}|L\s*\d{1,4}))*)\s*$/i;

/** Read `top 8 here`, `top 5 by ratio`, `top 8 in layer 3`, `top`; null for anything else. */
export function parseTop(query: string): TopRequest | null {
  const found = TOP.exec(query);
  if (found === null) return null;
  const [, number, more = ""] = found;
  const count = Math.min(MOST_AT_ONCE, number === undefined ? DEFAULT_TOP : Number(number));
  if (count === 0) return null;
  const layer = /(?:layer|L)\s*(\d+)/i.exec(more)?.[1];
  return {
    count,
    ...(layer === undefined ? {} : { layer: Number(layer) }),
    ...(/ratio|share/i.test(more) ? { by: "ratio" as const } : {}),
  };
}
