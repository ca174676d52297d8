/** What of a document a view shows: its visible tokens by the colour bucket of one neuron's values, and the strongest of all. */
import type { NeuroscopeDocument } from "../../src/client";
import { bucketsOf, NO_VALUE, type Scale, STEPS } from "../../src/colour/scale";
import { cellsOf, strongest } from "../../src/editor/cells";
import type { Paint, Span } from "./host";

/** From here on a token is strong: half of what the colours reach. */
const STRONG = STEPS / 2;
/** More marks than this make one bar of the ruler. */
const MOST_MARKS = 2000;

export const bare: Paint = { hue: 0, layers: new Map(), lineEnds: new Map(), marks: [] };

/** The paint of `key`; tokens with value zero or without a value have none. */
export function paintOf(document: NeuroscopeDocument, key: string, scale: Scale, hue: number, visible: readonly Span[]): Paint {
  const { text, tokens, activations } = document;
  const buckets = bucketsOf(activations.values(key), scale);
  const layers = new Map<number, Span[]>();
  const lineEnds = new Map<number, number[]>();
  for (const { from, to } of joined(visible)) {
    for (const cell of cellsOf(tokens, from, document.text.slice(from, to))) {
      const bucket = strongest(buckets, cell);
      if (bucket === NO_VALUE || bucket === 0) continue;
      listOf(layers, bucket).push({ from: cell.from, to: cell.to });
      for (const { index } of text.slice(cell.from, cell.to).matchAll(/\r\n|\r|\n/g)) listOf(lineEnds, bucket).push(cell.from + index);
    }
  }
  return { hue, layers, lineEnds, marks: strongTokens(document, buckets).slice(0, MOST_MARKS) };
}

/** The strong tokens of a text, in order; those that share a character are one. */
export function strongSpans(document: NeuroscopeDocument, key: string, scale: Scale): Span[] {
  return strongTokens(document, bucketsOf(document.activations.values(key), scale));
}

function strongTokens({ tokens }: NeuroscopeDocument, buckets: Int8Array): Span[] {
  const spans: Span[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const bucket = buckets[i] ?? NO_VALUE;
    const [from, to] = [tokens.from[i] as number, tokens.to[i] as number];
    if (bucket === NO_VALUE || Math.abs(bucket) < STRONG || to <= from || spans.at(-1)?.to === to) continue;
    spans.push({ from, to });
  }
  return spans;
}

function listOf<T>(lists: Map<number, T[]>, bucket: number): T[] {
  const list = lists.get(bucket) ?? [];
  lists.set(bucket, list);
  return list;
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
