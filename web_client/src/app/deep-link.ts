/**
 * Links that are written by hand or by a notebook: `?model=gpt2&layer=9&neuron=652&text=...`.
 *
 * `layer` and `neuron` may come several times, in pairs; `neurons=L9N652,L3N42` names several at once. The first is in focus.
 */
import { LinkError, type LinkState } from "./link";
import { neuronKey, parseNeurons } from "../client/neuron";
import { plainBreaks } from "../editor/characters";

const OWN = ["model", "text", "layer", "neuron", "neurons"];

/** The state that an address's query names; null if it names none. Throws LinkError. */
export function readQuery(query: string): LinkState | null {
  const all = new URLSearchParams(query);
  if (!OWN.some((name) => all.has(name))) return null;
  const model = all.get("model");
  const text = all.get("text");
  const keys = [...readPairs(all.getAll("layer"), all.getAll("neuron")), ...readList(all.getAll("neurons").join(","))];
  const [focus] = keys;
  return {
    ...(model === null ? {} : { model }),
    ...(text === null ? {} : { text: plainBreaks(text) }),
    ...(focus === undefined ? {} : { neurons: [...new Set(keys)].map((key) => ({ key })), focus }),
  };
}

/** The query without what `readQuery` understands, as "?theme=x" or "". */
export function withoutQuery(query: string): string {
  const all = new URLSearchParams(query);
  for (const name of OWN) all.delete(name);
  return all.size === 0 ? "" : `?${all.toString()}`;
}

function readPairs(layers: readonly string[], neurons: readonly string[]): string[] {
  if (layers.length !== neurons.length) throw new LinkError("This link names a layer without a neuron, or a neuron without a layer.");
  return layers.map((layer, i) => {
    const neuron = neurons[i] as string;
    if (!/^\d{1,6}$/.test(layer) || !/^\d{1,9}$/.test(neuron)) {
      throw new LinkError(`This link asks for neuron “${neuron}” of layer “${layer}”; both must be whole numbers.`);
    }
    return neuronKey({ layer: Number(layer), neuron: Number(neuron) });
  });
}

function readList(input: string): readonly string[] {
  const { keys, problem } = parseNeurons(input);
  if (problem !== null) throw new LinkError(`This link cannot be opened: ${problem}`);
  return keys;
}
