import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { match } from "../../src/workbench/match";

const best = (query: string, texts: readonly string[]): string | undefined =>
  texts.map((text) => ({ text, score: match(query, text)?.score ?? -Infinity }))
    .filter(({ score }) => score > -Infinity)
    .sort((one, other) => other.score - one.score)[0]?.text;

describe("matching", () => {
  it("finds letters in order, however far apart, whatever their case", () => {
    expect(match("hm", "Show the heatmap")?.at).toEqual([9, 13]);
    expect(match("SHEAT", "Show the heatmap")?.at).toEqual([0, 9, 10, 11, 12]);
    expect(match("pam", "Show the heatmap")).toBeNull();
    expect(match("heatmaps", "Show the heatmap")).toBeNull();
    expect(match("", "anything")?.at).toEqual([]);
  });

  it("wants every word, in any order", () => {
    expect(match("map show", "Show the heatmap")?.at).toEqual([0, 1, 2, 3, 13, 14, 15]);
    expect(match("map hide", "Show the heatmap")).toBeNull();
  });

  it("prefers beginnings of words, letters in a row and short texts", () => {
    const commands = ["Copy link", "Theme: light", "Theme: dark", "Export values as CSV", "Copy picture", "Switch to compare", "Add neuron"];
    expect(best("tl", commands)).toBe("Theme: light");
    expect(best("td", commands)).toBe("Theme: dark");
    expect(best("cp", commands)).toBe("Copy picture");
    expect(best("csv", commands)).toBe("Export values as CSV");
    expect(best("ink", commands)).toBe("Copy link");
    expect(best("help", ["Show help", "Help"])).toBe("Help");
  });

  it("agrees with a plain search for a subsequence, and marks what it found", () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }), fc.string({ unit: fc.constantFrom("a", "b", "c", " ") }), (query, text) => {
      const there = new RegExp(query.replace(/(?<=.)(?=.)/g, ".*")).test(text);
      const found = match(query, text);
      expect(found !== null).toBe(there);
      if (found !== null) expect(found.at.map((index) => text[index]).join("")).toBe(query);
    }));
  });
});
