import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ExportedValues, shortest, toCsv, toJson } from "../../src/exports/data";
import { cut, documentOf, neuron, snapshotOf, valuesOf } from "./snapshots";

/** RFC 4180, word for word: what any reader of CSV makes of a file. */
function readCsv(content: string): string[][] {
  const rows: string[][] = [];
  let fields: string[] = [];
  for (let at = 0; at < content.length;) {
    let field = "";
    if (content[at] === '"') {
      for (at++; content[at] !== '"' || content[at + 1] === '"'; at++) {
        if (content[at] === '"') at++;
        field += content[at] as string;
      }
      at++;
    } else {
      while (content[at] !== "," && content[at] !== "\r") field += content[at++] as string;
    }
    fields.push(field);
    if (content[at] === ",") at++;
    else if (content.startsWith("\r\n", at)) {
      rows.push(fields);
      fields = [];
      at += 2;
    } else throw new Error(`neither comma nor line end at ${at}`);
  }
  return rows;
}

describe("values as data", () => {
  it("read back as the float32 that they are, in as few digits as tell it", () => {
    fc.assert(fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const short = shortest(value) as number;
      expect(Math.fround(short)).toBe(value + 0 === 0 ? 0 : value);
      for (let digits = 6; Number(value.toPrecision(digits)) !== short; digits++) {
        expect(Math.fround(Number(value.toPrecision(digits)))).not.toBe(value);
        expect(digits).toBeLessThan(9);
      }
    }));
    expect(shortest(Math.fround(0.1))).toBe(0.1);
    expect(shortest(Math.fround(-2.7182817))).toBe(-2.7182817);
    expect(shortest(Math.fround(16777216))).toBe(16777216);
    expect([shortest(NaN), shortest(Infinity)]).toEqual([null, null]);
  });

  it("are a CSV that gives back every token and value, whatever the tokens hold", () => {
    fc.assert(fc.property(cut, ({ text, tokens }) => {
      const document = documentOf(text, tokens);
      const snapshot = snapshotOf([document]);
      const [head, ...rows] = readCsv(toCsv(snapshot));
      expect(head).toEqual(["index", "id", "text", "from", "to", "L0N1", "L0N2", "L0N3"]);
      expect(rows.length).toBe(tokens.length);
      rows.forEach(([index, id, own, from, to, ...values], i) => {
        const token = tokens[i] as (typeof tokens)[number];
        expect([index, id, own, from, to]).toEqual([i, token.id, token.text, token.from, token.to].map(String));
        expect(values.map((value) => Math.fround(Number(value)))).toEqual(snapshot.neurons.map(({ key }) => valuesOf(document, key)[i]));
      });
    }));
  });

  it("name the document where there are two, and leave out what is not known", () => {
    const unknown = { ...documentOf("one"), values: new Map([["L0N1", [NaN, 0.5]]]) };
    const rows = readCsv(toCsv({ ...snapshotOf([documentOf("a, b"), { ...unknown, name: "Second" }], 0) }));
    expect(rows.map(([name]) => name)).toEqual(["document", "Text", "Text", "Text", "Text", "Second", "Second"]);
    expect(rows.slice(-2).map((row) => row.at(-1))).toEqual(["", "0.5"]);
  });

  it("are a JSON as the documentation shows it", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const [, example] = /JSON has the shape\n\n(( {4}.*\n)+)/.exec(readme) as RegExpExecArray;
    const typed = neuron("L9N652", 0, { scale: { min: -2.5, max: 2.5 }, origin: "typed", hidden: true });
    const tokens = [{ id: 464, text: "The", from: 0, to: 3 }];
    const document = { ...documentOf("The cat sat", tokens), values: new Map([["L9N652", [0.25]]]) };
    const snapshot = { model: null, neurons: [typed], focus: typed, stripes: [], documents: [document] };
    expect(JSON.parse(toJson(snapshot))).toEqual(JSON.parse((example as string).replace("{...}", "null")));
  });

  it("are a JSON that gives back every token and value", () => {
    fc.assert(fc.property(cut, ({ text, tokens }) => {
      const document = documentOf(text, tokens);
      const hidden = neuron("blocks.0.hook_resid_post/3", 4, { hidden: true, origin: "typed", scale: { min: -2, max: 0.5 } });
      const snapshot = { ...snapshotOf([document]), neurons: [neuron("L0N1", 0), hidden] };
      const read = JSON.parse(toJson(snapshot)) as ExportedValues;
      expect([read.format, read.version, read.focus, read.model]).toEqual(["neuroscope-values", 1, "L0N1", snapshot.model]);
      expect(read.neurons[1]).toEqual({ key: hidden.key, range: { min: -2, max: 0.5 }, rangeOrigin: "typed", hidden: true });
      expect(read.documents.length).toBe(1);
      expect(read.documents[0]?.text).toBe(text);
      expect(read.documents[0]?.tokens).toEqual(tokens);
      for (const { key } of snapshot.neurons) {
        expect(read.documents[0]?.values[key]?.map((value) => Math.fround(value ?? NaN))).toEqual(valuesOf(document, key));
      }
    }));
  });
});
