/** Names of neurons: `L3N42` for an MLP neuron, `{hook}/{index}` for a unit of any other hook point. */
import type { NeuronsParams } from "../wire";

/** Any way to name a neuron: its key, `{layer, neuron}` or `{hook, index}`. */
export type NeuronRef = NeuronsParams["neurons"][number];

export interface NeuronName {
  readonly layer: number;
  readonly neuron: number;
}

const MLP_HOOK = /^blocks\.(\d+)\.mlp\.hook_post$/;
const MLP_KEY = /^L(\d+)N(\d+)$/;

/** The key under which the protocol names this neuron. */
export function neuronKey(ref: NeuronRef): string {
  if (typeof ref === "string") return ref;
  if ("layer" in ref) return `L${ref.layer}N${ref.neuron}`;
  const layer = MLP_HOOK.exec(ref.hook)?.[1];
  return layer === undefined ? `${ref.hook}/${ref.index}` : `L${Number(layer)}N${ref.index}`;
}

/** A reference the server understands for a key. */
export function neuronRef(key: string): NeuronRef {
  const slash = key.lastIndexOf("/");
  return MLP_KEY.test(key) || slash < 0 ? key : { hook: key.slice(0, slash), index: Number(key.slice(slash + 1)) };
}

/** Layer and index of an MLP neuron's key; null for any other. */
export function neuronName(key: string): NeuronName | null {
  const match = MLP_KEY.exec(key);
  return match === null ? null : { layer: Number(match[1]), neuron: Number(match[2]) };
}

/** Most neurons of one input, so that a typing error in a range does not subscribe to thousands. */
export const MOST_AT_ONCE = 256;

/** What an input names. */
export interface TypedNeurons {
  /** Their keys, each once, in order; empty if there is a problem. */
  readonly keys: readonly string[];
  /** What is wrong with it, as a sentence; null if nothing is. */
  readonly problem: string | null;
}

const FORMS = "name it by layer and number, L3N42 or 3/42, or several by a range, L3N40-48";
const NEURON = /^\s*(?:L\s*(\d{1,6})\s*N\s*(\d{1,9})|(\d{1,6})\s*[/,.: ]\s*(\d{1,9}))\s*$/i;
/** The dash of a range with spaces around it, and its replacement. */
const DASH = /\s*(?:[-–—…]|\.\.\.?)\s*/g;

/**
 * Read what a person types to name neurons: one (`L3N42`, `3/42`), a range (`L3N40-48`, `3/40-48`), or several of these,
 * separated by commas, semicolons or spaces.
 */
export function parseNeurons(input: string): TypedNeurons {
  const joined = input.replace(DASH, "-");
  const whole = parseRange(joined); // "3 42" and "3,42" are one neuron
  const parts = whole === null ? joined.split(/[\s,;]+/).filter((part) => part !== "") : [joined.trim()];
  const ranges = parts.map((part) => ({ part, range: parseRange(part) }));
  const wrong = ranges.find(({ range }) => range === null);
  if (wrong !== undefined) return { keys: [], problem: `${wrong.part} is not a neuron: ${FORMS}.` };
  const count = ranges.reduce((sum, { range }) => sum + (range === null ? 0 : Math.abs(range.last - range.first) + 1), 0);
  if (count > MOST_AT_ONCE) return { keys: [], problem: `That names ${count} neurons; name at most ${MOST_AT_ONCE} at once.` };
  return { keys: [...new Set(ranges.flatMap(({ range }) => (range === null ? [] : keysOf(range))))], problem: null };
}

/** Read one neuron: `L3N42`, `l3n42`, `3/42`, `3 42`, `3.42`; null for anything else. */
export function parseNeuron(input: string): string | null {
  const match = NEURON.exec(input);
  if (match === null) return null;
  return neuronKey({ layer: Number(match[1] ?? match[3]), neuron: Number(match[2] ?? match[4]) });
}

interface Range {
  readonly layer: number;
  readonly first: number;
  readonly last: number;
}

/** A neuron, or a range of them in one layer: `L3N40-48`, `L3N40-N48`, `L3N40-L3N48`; null for anything else. */
function parseRange(input: string): Range | null {
  const [from = "", to, more] = input.split("-");
  const start = neuronName(parseNeuron(from) ?? "");
  if (start === null || more !== undefined) return null;
  const { layer, neuron: first } = start;
  if (to === undefined) return { layer, first, last: first };
  const end = /^N?(\d{1,9})\s*$/i.exec(to)?.[1];
  const last = neuronName(parseNeuron(to) ?? "");
  if (end !== undefined) return { layer, first, last: Number(end) };
  return last?.layer === layer ? { layer, first, last: last.neuron } : null;
}

function keysOf({ layer, first, last }: Range): string[] {
  const step = Math.sign(last - first);
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => neuronKey({ layer, neuron: first + i * step }));
}
