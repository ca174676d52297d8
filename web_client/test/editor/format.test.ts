import { describe, expect, it } from "vitest";
import { formatValue, visibleText } from "../../src/editor/format";

describe("numbers and texts for people", () => {
  it("have decimals where they matter and a real minus sign", () => {
    expect([0, 1.23456, -0.17, 12.345, -123.456, NaN, -0.0001].map(formatValue)).toEqual([
      "0.000",
      "1.235",
      "−0.170",
      "12.35",
      "−123.5",
      "–",
      "0.000",
    ]);
  });

  it("show what cannot be seen", () => {
    expect([" the", "\n", "\t\tx", "a b", "  ", "\u0000", "x "].map(visibleText)).toEqual([
      "·the",
      "↵",
      "⇥⇥x",
      "a b",
      "··",
      "␀",
      "x·",
    ]);
  });
});
