/**
 * The setting `neuroscope.neurons`, which a person may have written in any shape.
 *
 * What is added or removed changes the entries in question; all others stay as they were written, readable or not.
 */
import { neuronName, parseNeurons } from "../../src/client";

export interface NeuronsSetting {
  /** The neurons that its readable entries name, each once, in order. */
  readonly keys: readonly string[];
  /** What cannot be read, as a sentence; null where everything can. */
  readonly problem: string | null;
}

export function readNeurons(value: unknown): NeuronsSetting {
  const entries = entriesOf(value);
  if (entries === null) return { keys: [], problem: NO_LIST };
  const read = entries.map(readEntry);
  return { keys: [...new Set(read.flatMap(({ keys }) => keys))], problem: read.find(({ problem }) => problem !== null)?.problem ?? null };
}

/** The setting with neurons added at its end, those that it names already left out; null where it is not a list. */
export function withNeurons(value: unknown, keys: readonly string[]): unknown[] | null {
  const entries = entriesOf(value);
  if (entries === null) return null;
  const before = readNeurons(value).keys;
  return [...entries, ...new Set(keys.filter((key) => !before.includes(key)))];
}

/** The setting without one neuron; a range that named it becomes the ranges beside it. Null where it is not a list. */
export function withoutNeuron(value: unknown, key: string): unknown[] | null {
  return entriesOf(value)?.flatMap((entry) => {
    const { keys } = readEntry(entry);
    return keys.includes(key) ? keys.filter((other) => other !== key).reduce<string[]>(joined, []) : [entry];
  }) ?? null;
}

const NO_LIST = 'The setting neuroscope.neurons is not a list: write it as ["L3N42", "L3N40-48"].';

/** One neuron or range may stand without the list around it. */
function entriesOf(value: unknown): readonly unknown[] | null {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value : null;
}

function readEntry(entry: unknown): NeuronsSetting {
  return typeof entry === "string" ? parseNeurons(entry) : { keys: [], problem: `${JSON.stringify(entry)} in neuroscope.neurons is not the name of a neuron.` };
}

/** Appends a neuron to a list of entries: to its last range where it is the next one of that. */
function joined(entries: readonly string[], key: string): string[] {
  const last = entries.at(-1);
  const keys = last === undefined ? [] : parseNeurons(last).keys;
  const [first, before, next] = [keys[0], keys.at(-1), key].map((one) => neuronName(one ?? ""));
  if (first == null || next?.layer !== before?.layer || next?.neuron !== (before?.neuron ?? NaN) + 1) return [...entries, key];
  return [...entries.slice(0, -1), `L${next.layer}N${first.neuron}-${next.neuron}`];
}
