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

/**
 * Read what a person types to name several, separated by commas, semicolons or spaces: their keys, each once.
 * Where a part names none, that part.
 */
export function parseNeurons(input: string): string[] | string {
  const one = parseNeuron(input); // "3 42" and "3,42" are one neuron
  if (one !== null) return [one];
  const keys = new Set<string>();
  for (const part of input.split(/[\s,;]+/).filter((part) => part !== "")) {
    const key = parseNeuron(part);
    if (key === null) return part;
    keys.add(key);
  }
  return [...keys];
}

/** Read what a person types: `L3N42`, `l3n42`, `3/42`, `3 42`, `3.42`; null when it is none of these. */
export function parseNeuron(input: string): string | null {
  const match = /^\s*(?:L\s*(\d{1,6})\s*N\s*(\d{1,9})|(\d{1,6})\s*[/,.: ]\s*(\d{1,9}))\s*$/i.exec(input);
  if (match === null) return null;
  return neuronKey({ layer: Number(match[1] ?? match[3]), neuron: Number(match[2] ?? match[4]) });
}
