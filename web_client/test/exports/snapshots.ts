/** Snapshots for the tests of the exports. */
import fc from "fast-check";
import { TokenList } from "../../src/client";
import type { ExportDocument, ExportNeuron, Snapshot } from "../../src/exports/snapshot";
import type { Token } from "../../src/wire";
import { activations, model, tokenize } from "../scripted-server";

const KEYS = [...Array.from({ length: 12 }, (_, i) => `L0N${i}`), "L3N4", "blocks.0.hook_resid_post/3"];

/** Every value of a neuron in a document. */
export function valuesOf(document: ExportDocument, key: string): number[] {
  return Array.from(document.values.get(key) ?? []);
}

export function neuron(key: string, hue: number, more: Partial<ExportNeuron> = {}): ExportNeuron {
  return { key, hue, scale: { min: -1, max: 1 }, origin: "widest seen", hidden: false, ...more };
}

export function documentOf(text: string, tokens: readonly Token[] = tokenize(text), name = "Text"): ExportDocument {
  const list = TokenList.of(tokens);
  const values = new Map(KEYS.map((key) => [key, activations(key, tokens)]));
  return { name, text, tokens: list, values, shown: values, kin: null, note: null };
}

export function snapshotOf(documents: readonly ExportDocument[], stripes = 2): Snapshot {
  const neurons = Array.from({ length: stripes + 1 }, (_, i) => neuron(`L0N${i + 1}`, i));
  return { model, neurons, focus: neurons[0] as ExportNeuron, stripes: neurons.slice(1), documents };
}

/** Characters that formats stumble over. */
export const awkward = fc.string({
  unit: fc.oneof(
    fc.constantFrom("a", "b", " ", "\n", "\t", "\r", "-", '"', "'", "<", ">", "&", ",", ";", "\u0000", "\u001b", "\u007f", "\u0085", "\ufffd", "\uffff"),
    fc.constantFrom("é", "e\u0301", "漢", "字", "。", "👩‍👩‍👧", "❤\ufe0f", "🇫🇷", "א", "\u202e", "\u200b", "\ufeff"),
  ),
  maxLength: 60,
});

/**
 * A text cut into tokens anywhere, one character sometimes into several tokens as byte-level BPE does it, with special
 * tokens and contexts in between.
 */
export const cut: fc.Arbitrary<{ text: string; tokens: Token[] }> = fc
  .tuple(awkward, fc.array(fc.record({ length: fc.integer({ min: 1, max: 5 }), times: fc.integer({ min: 1, max: 3 }), sign: fc.nat(9) }), { minLength: 1 }))
  .map(([text, cuts]) => {
    const tokens: Token[] = [{ id: 0, text: "<bos>", from: 0, to: 0, special: true }];
    for (let from = 0, i = 0; from < text.length; i++) {
      const { length, times, sign } = cuts[i % cuts.length] as (typeof cuts)[number];
      const size = wholeCharacter(text, from, times === 1 ? length : 1);
      if (sign === 0) tokens.push({ id: 0, text: "<bos>", from, to: from, special: true, segment: true });
      const part = { id: 1 + (i % 50), text: text.slice(from, from + size), from, to: from + size };
      for (let copy = 0; copy < times; copy++) {
        tokens.push({ ...part, ...(times === 1 ? {} : { id: part.id + 100 * copy, text: "\ufffd" }), ...(sign === 1 && copy === 0 ? { segment: true } : {}) });
      }
      from += size;
    }
    return { text, tokens };
  });

function wholeCharacter(text: string, from: number, units: number): number {
  const last = text.charCodeAt(from + units - 1);
  return Math.min(text.length - from, last >= 0xd800 && last < 0xdc00 ? units + 1 : units);
}
