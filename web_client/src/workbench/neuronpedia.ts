/**
 * Links to Neuronpedia's pages about neurons.
 *
 * A model's own neurons are at `https://www.neuronpedia.org/{model}/{layer}/{index}`: a source that is a plain number is the
 * MLP neurons of that layer (`isNeuronLayerSource` in its web application's `lib/utils/source.ts`, and its documentation's
 * example https://www.neuronpedia.org/gpt2-small/6/200; looked up in November 2026). Only models for which such a page
 * is documented are listed; most others have only pages of sparse autoencoder features.
 */
import { neuronName } from "../client";
import type { ModelInfo } from "../wire";

interface Served {
  /** Neuronpedia's name. */
  readonly model: string;
  readonly layers: number;
  readonly neuronsPerLayer: number;
}

/** By name on the Hugging Face Hub. */
const SERVED: Readonly<Record<string, Served>> = {
  "gpt2": { model: "gpt2-small", layers: 12, neuronsPerLayer: 3072 },
  "openai-community/gpt2": { model: "gpt2-small", layers: 12, neuronsPerLayer: 3072 },
};

/**
 * Address of a neuron's page; null if there is none. A model from a folder never has one, whatever its name: only
 * models from the Hub have a revision.
 */
export function neuronpediaPage(model: ModelInfo | null, key: string): string | null {
  const neuron = neuronName(key);
  const name = model?.id.split("@", 1)[0] ?? "";
  const served = Object.hasOwn(SERVED, name) ? SERVED[name] : undefined;
  if (neuron === null || served === undefined || model?.revision == null) return null;
  if (model.layers !== served.layers || model.neuronsPerLayer !== served.neuronsPerLayer) return null;
  return `https://www.neuronpedia.org/${served.model}/${neuron.layer}/${neuron.neuron}`;
}
