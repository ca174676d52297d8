/** What of a document an editor wears: the visible tokens, by the colour bucket of one neuron's values. */
import type { NeuroscopeDocument } from "../../src/client";
import { bucketsOf, NO_VALUE, type Scale } from "../../src/colour/scale";
import { cellsOf, strongest } from "../../src/editor/cells";
import type { Paint, Span } from "./host";

export const bare: Paint = { hue: 0, layers: new Map() };

/** The paint of `key`; tokens whose value is zero, or not there, wear none. */
export function paintOf(document: NeuroscopeDocument, key: string, scale: Scale, hue: number, visible: readonly Span[]): Paint {
  const { tokens, activations } = document;
  const buckets = bucketsOf(activations.values(key), scale);
  const layers = new Map<number, Span[]>();
  for (const { from, to } of joined(visible)) {
    for (const cell of cellsOf(tokens, from, document.text.slice(from, to))) {
      const bucket = strongest(buckets, cell);
      if (bucket === NO_VALUE || bucket === 0) continue;
      const layer = layers.get(bucket);
      if (layer === undefined) layers.set(bucket, [{ from: cell.from, to: cell.to }]);
      else layer.push({ from: cell.from, to: cell.to });
    }
  }
  return { hue, layers };
}

/** The same ground in spans that lie apart, in order. */
function joined(spans: readonly Span[]): Span[] {
  const result: { from: number; to: number }[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}
