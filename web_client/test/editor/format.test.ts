import { describe, expect, it } from "vitest";
import { formatShare, formatValue, visibleText } from "../../src/editor/format";

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

  it("have shares in whole percents", () => {
    expect([0, 0.004, 0.756, 1.2, -0.31, -0.001, null].map(formatShare)).toEqual(["0 %", "0 %", "76 %", "120 %", "−31 %", "0 %", "–"]);
  });

  it("show what cannot be seen", () => {
    expect([" the", "\n", "\t\tx", "a b", "  ", "\u0000", "x "].map(visibleText)).toEqual([
      "·the",
      "↵",
      "⇥⇥x",
      "a b",
      "··",
      "‹NUL›",
      "x·",
    ]);
  });
});
