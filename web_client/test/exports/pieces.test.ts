import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketOf } from "../../src/colour/scale";
import { linesOf, painter, type Piece } from "../../src/exports/pieces";
import { striped, washed } from "../../src/exports/snapshot";
import { cut, documentOf, neuron, snapshotOf, valuesOf } from "./snapshots";

function tokensOf({ first, last }: Piece): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

describe("pieces", () => {
  it("hold every character once, in order, and every token that has a place", () => {
    fc.assert(fc.property(cut, ({ text, tokens }) => {
      const lines = linesOf(documentOf(text, tokens));
      expect(lines.map(({ pieces }) => pieces.map((piece) => piece.text).join("")).join("\n")).toBe(text);
      const breaks = lines.flatMap(({ pieces }) => pieces).filter(({ kind }) => kind === "break");
      expect(breaks.length).toBe(lines.length - 1);
      const seen = new Set(lines.flatMap(({ pieces }) => pieces.flatMap(tokensOf)));
      expect([...seen].sort((a, b) => a - b)).toEqual(tokens.map((_, i) => i));
    }));
  });

  it("have the colours of all tokens that share their characters", () => {
    fc.assert(fc.property(cut, ({ text, tokens }) => {
      const document = documentOf(text, tokens);
      const values = valuesOf(document, "L0N1");
      const scale = { min: -0.5, max: 2 };
      const shown = neuron("L0N1", 3, { scale });
      const paint = painter({ ...snapshotOf([document]), focus: shown, stripes: [shown] }, document);
      let at = 0;
      for (const { pieces } of linesOf(document)) {
        for (const piece of pieces) {
          const { kind, text: part } = piece;
          if (kind !== "text" && kind !== "break") continue;
          const end = at + (kind === "break" ? 1 : part.length);
          const covering = tokens.flatMap(({ from, to }, i) => (from < end && at < to ? [i] : []));
          expect(tokensOf(piece)).toEqual(covering);
          const buckets = covering.map((i) => bucketOf(values[i] ?? NaN, scale));
          expect(paint(piece)).toEqual({ back: buckets.map((bucket) => washed(3, bucket)), stripes: [buckets.map((bucket) => striped(3, bucket))] });
          at = end;
        }
      }
      expect(at).toBe(text.length);
    }));
  });

  it("put the signs of what the server added where they stand", () => {
    const [line, second] = linesOf(documentOf("ab\nc", [
      { id: 0, text: "<bos>", from: 0, to: 0, special: true },
      { id: 1, text: "ab\n", from: 0, to: 3 },
      { id: 0, text: "<bos>", from: 3, to: 3, special: true, segment: true },
      { id: 2, text: "c", from: 3, to: 4 },
    ]));
    expect(line?.pieces.map((piece) => [piece.kind, ...tokensOf(piece)])).toEqual([["special", 0], ["text", 1], ["break", 1]]);
    expect(second?.pieces.map((piece) => [piece.kind, ...tokensOf(piece)])).toEqual([["special", 2], ["text", 3]]);
  });
});
