import { describe, expect, it } from "vitest";
import { charactersOf, hiddenIn, plainBreaks, withSigns } from "../../src/editor/characters";
import { visibleText } from "../../src/editor/format";

describe("what has no width", () => {
  const signs = (text: string): string[] => hiddenIn(text).map(({ sign }) => sign);

  it("has a sign: controls, overrides, joiners, fillers, tags, selectors and accents that stand alone", () => {
    expect(signs("abc\u202e def\u202c ghi\u200b\u200d\u2060j\u00adk")).toEqual(["RLO", "PDF", "ZWSP", "ZWJ", "WJ", "SHY"]);
    expect(signs("\ufeff\u2028\u2029\u000b\f\0\r\u001b\u007f\u0085")).toEqual(["BOM", "LS", "PS", "VT", "FF", "NUL", "CR", "ESC", "DEL", "U+0085"]);
    expect(signs("\u200e\u200f\u061c\u2066\u2067\u2068\u2069\u202a\u202b\u202d")).toEqual(["LRM", "RLM", "ALM", "LRI", "RLI", "FSI", "PDI", "LRE", "RLE", "LRO"]);
    expect(signs("\u115f\u1160\u3164\uffa0\u034f\u180e\u2063\ufff9\u200c")).toEqual([
      "U+115F", "U+1160", "U+3164", "U+FFA0", "CGJ", "MVS", "U+2063", "U+FFF9", "ZWNJ",
    ]);
    expect(signs("x\u{e0068}\u{e0069}\u{e007f}")).toEqual(["TAG h", "TAG i", "U+E007F"]);
    expect(signs("a\ufe0f\ufe01 \u{e0100}")).toEqual(["VS2", "U+E0100"]); // the first one selects a variant of the letter
    expect(signs("\u0301a\n\u0301")).toEqual(["◌\u0301", "◌\u0301"]);
  });

  it("has none where it is part of a character that is seen", () => {
    for (const text of [
      "plain text\n\twith breaks", "e\u0301 \u0301", "👨\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "👍🏽", "1\ufe0f\u20e3", "☺\ufe0e", "🇫🇷", "漢\u{e0100}", "क्\u200dष", "हिन्दी", "한국",
      "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}", "\u00a0\u2003\u3000", "\u1820\u180b",
    ]) expect([text, signs(text)]).toEqual([text, []]);
    // A hidden message behind a flag is no flag.
    expect(signs("\u{1f3f4}\u{e0068}\u{e0069}")).toEqual(["TAG h", "TAG i"]);
  });

  it("is shown in a token's text", () => {
    expect([" a\u202e", "\u200b\n", "\r\n", "\u0301", "👨\u200d👩"].map(visibleText)).toEqual(["·a‹RLO›", "‹ZWSP›↵", "‹CR›↵", "◌\u0301", "👨\u200d👩"]);
    expect(withSigns("a\u202eb", (sign, character) => `[${sign} ${character.length}]`)).toBe("a[RLO 1]b");
  });
});

describe("characters", () => {
  it("are what a reader takes for one", () => {
    expect(charactersOf("ae\u0301👨\u200d👩\r\nb\u200d\u202e")).toEqual(["a", "e\u0301", "👨\u200d👩", "\r", "\n", "b", "\u200d", "\u202e"]);
    expect(charactersOf("ab")).toEqual(["a", "b"]);
  });

  it("have one kind of line break", () => {
    expect(["a\r\nb", "a\r\r\nb\r\n", "a\rb", "\n\r"].map(plainBreaks)).toEqual(["a\nb", "a\nb\n", "a\rb", "\n\r"]);
  });
});
