/** The page's first content: the server's sample text and neurons, or a simple default. */
import type { ModelInfo } from "../client";
import { plainBreaks } from "../editor/characters";

export interface Opening {
  readonly text: string;
  /** Null: chosen when the model is known. */
  readonly neurons: readonly string[] | null;
}

const ownText = "Type here. Every token is coloured by how strongly the neuron in focus fires on it.\n";
const OWN_NEURONS = 6;

/** Fetch `opening.json`; there is none if the default model has none. */
export async function fetchOpening(url: URL): Promise<Opening> {
  try {
    const response = await fetch(url);
    if (!response.ok) return { text: ownText, neurons: null };
    const { text, neurons } = (await response.json()) as Record<string, unknown>;
    return {
      text: typeof text === "string" ? plainBreaks(text) : ownText,
      neurons: Array.isArray(neurons) && neurons.every((key) => typeof key === "string") ? neurons : null,
    };
  } catch {
    return { text: ownText, neurons: null };
  }
}

/** A few neurons of the middle layer, for a model without a sample. */
export function someNeurons(model: ModelInfo): string[] {
  const layer = Math.floor(model.layers / 2);
  return Array.from({ length: Math.min(OWN_NEURONS, model.neuronsPerLayer) }, (_, neuron) => `L${layer}N${neuron}`);
}
