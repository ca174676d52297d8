/** The scale of a neuron's colours in certain texts. */
import type { NeuroscopeDocument, Subscriptions } from "../client";
import { type Scale, scaleOf, type TypedRange } from "../colour/scale";

/** From the neuron's statistics, its values in `documents`, and the chosen range. */
export function scaleIn(subscriptions: Subscriptions, documents: readonly NeuroscopeDocument[], key: string, range: TypedRange): Scale {
  const tables = documents.map(({ activations }) => activations);
  return scaleOf({
    known: subscriptions.neuron(key)?.statistics ?? null,
    widest: Math.max(...tables.map((table) => table.widest(key))),
    text: Math.max(...tables.map((table) => {
      const extent = table.extent(key);
      return extent === null ? 0 : Math.max(Math.abs(extent.max), Math.abs(extent.min));
    })),
  }, range);
}
