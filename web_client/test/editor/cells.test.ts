import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenList } from "../../src/client/tokens";
import { NO_VALUE } from "../../src/colour/scale";
import { cellsOf, sharesOf, strongest } from "../../src/editor/cells";
import { hiddenIn } from "../../src/editor/characters";
import { contextOf, explainToken } from "../../src/editor/explain";

/** Tokens with these spans. */
function list(...spans: readonly (readonly [from: number, to: number, text?: string, more?: { special?: true; segment?: true }])[]): TokenList {
  return TokenList.of(spans.map(([from, to, text = "x", more = {}], id) => ({ id, text, from, to, ...more })));
}

describe("cells", () => {
  it("are the tokens, and those together that share a character", () => {
    const tokens = list([0, 0, "<s>", { special: true }], [0, 3], [3, 6], [4, 6], [4, 6], [6, 9]);
    const text = "One 🙂 ok";
    expect(cellsOf(tokens, 0, text)).toEqual([
      { from: 0, to: 3, first: 1, last: 1 }, { from: 3, to: 4, first: 2, last: 2 }, { from: 4, to: 6, first: 2, last: 4 }, { from: 6, to: 9, first: 5, last: 5 },
    ]);
    expect(cellsOf(tokens, 2, text.slice(2, 4))).toEqual([{ from: 2, to: 3, first: 1, last: 1 }, { from: 3, to: 4, first: 2, last: 2 }]);
    expect(cellsOf(TokenList.empty, 0, text)).toEqual([]);
  });

  /** The cells of a text of which every code point is a token, as the text of each and its tokens. */
  function cellsOfPoints(text: string): [string, number, number][] {
    let end = 0;
    const points = Array.from(text, (point): [number, number, string] => [end, (end += point.length), point]);
    return cellsOf(list(...points), 0, text).map(({ from, to, first, last }) => [text.slice(from, to), first, last]);
  }

  it("hold what is seen as one character whole, whichever tokens it has", () => {
    expect(cellsOfPoints("ae\u0301x")).toEqual([["a", 0, 0], ["e\u0301", 1, 2], ["x", 3, 3]]);
    expect(cellsOfPoints("👨\u200d👩 हि 🇫🇷❤\ufe0f").map(([part, first, last]) => [part, last - first + 1])).toEqual([
      ["👨\u200d👩", 3], [" ", 1], ["हि", 2], [" ", 1], ["🇫🇷", 2], ["❤\ufe0f", 2],
    ]);
    // A token that ends in the middle of one has a share of it alone.
    const tokens = list([0, 4, "cafe"], [4, 5, "\u0301"], [5, 6, "s"]);
    expect(cellsOf(tokens, 0, "cafe\u0301s")).toEqual([
      { from: 0, to: 3, first: 0, last: 0 }, { from: 3, to: 5, first: 0, last: 1 }, { from: 5, to: 6, first: 2, last: 2 },
    ]);
  });

  it("are apart where a sign is shown", () => {
    expect(cellsOfPoints("a\u200db").map(([part]) => part)).toEqual(["a", "\u200d", "b"]);
    expect(cellsOfPoints("a\u{e0041}\u{e0042}\ufe0f").map(([part]) => part)).toEqual(["a", "\u{e0041}", "\u{e0042}", "\ufe0f"]);
    expect(cellsOfPoints("e\u0301\u034f\u0301").map(([part]) => part)).toEqual(["e\u0301", "\u034f", "\u0301"]);
  });

  it("agree with the segmenter, for any tokens", () => {
    const unit = fc.constantFrom("a", " ", "\n", "e\u0301", "\u0301", "👨\u200d👩\u200d👧", "\u200d", "🇫🇷", "हि", "न्दी", "❤\ufe0f", "\u202e", "漢", "\u{e0041}");
    fc.assert(fc.property(fc.array(unit, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), (units, lengths) => {
      const text = units.join("");
      const points = Array.from(text);
      const spans: [number, number][] = [];
      let end = 0;
      for (let i = 0; points.length > 0; i++) {
        const from = end;
        end += points.splice(0, lengths[i % lengths.length]).join("").length;
        spans.push([from, end]);
      }
      const cells = cellsOf(list(...spans), 0, text);
      expect(cells.map(({ from, to }) => text.slice(from, to)).join("")).toBe(text);
      const signs = hiddenIn(text).flatMap(({ from, to }) => [from, to]);
      const edges = new Set([...signs, ...Array.from(new Intl.Segmenter().segment(text), ({ index }) => index), text.length]);
      for (const { from, to, first, last } of cells) {
        expect([edges.has(from), edges.has(to)]).toEqual([true, true]);
        expect(spans.flatMap(([start, stop], i) => (start < to && stop > from ? [i] : []))).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
      }
    }));
  });

  it("cover what the tokens cover, once", () => {
    const spans = fc.array(fc.tuple(fc.nat(4), fc.nat(3)), { maxLength: 30 }).map((steps) => {
      let end = 0;
      let start = 0;
      return steps.map(([length, back]): [number, number] => {
        start = Math.max(start, end - back);
        end = Math.max(end, start + length);
        return [start, end];
      });
    });
    fc.assert(fc.property(spans, fc.nat(20), fc.nat(60), (given, start, length) => {
      const tokens = list(...given);
      const cells = cellsOf(tokens, start, "x".repeat(length));
      for (let position = start; position < start + length; position++) {
        const covering = given.flatMap(([from, to], i) => (from <= position && position < to ? [i] : []));
        const holding = cells.filter(({ from, to }) => from <= position && position < to);
        expect(holding).toHaveLength(covering.length === 0 ? 0 : 1);
        const [cell] = holding;
        if (cell !== undefined) expect(covering.some((i) => i >= cell.first && i <= cell.last)).toBe(true);
      }
    }));
  });

  it("show the strongest of their tokens", () => {
    const cell = { from: 0, to: 1, first: 1, last: 3 };
    expect(strongest(Int8Array.of(16, NO_VALUE, -3, 2), cell)).toBe(-3);
    expect(strongest(Int8Array.of(16, NO_VALUE, NO_VALUE, NO_VALUE), cell)).toBe(NO_VALUE);
    expect(strongest(new Int8Array(1), cell)).toBe(NO_VALUE);
  });
});

describe("a token in words", () => {
  const explained = (tokens: TokenList, index: number, text = ""): string[] => explainToken(tokens, index, (from, to) => text.slice(from, to));

  it("says which part of a character it is, and of which bytes", () => {
    const emoji = list([0, 3, " \ufffd"], [1, 3, "\ufffd"], [1, 3, "\ufffd"], [3, 4]);
    expect(sharesOf(emoji, 1)).toEqual([{ from: 1, to: 3, part: 2, parts: 3 }]);
    expect([0, 1, 2, 3].map((i) => explained(emoji, i, " 🙂."))).toEqual([
      ["part 1 of 3 of 🙂 (of the bytes F0 9F 99 82)"], ["part 2 of 3 of 🙂 (of the bytes F0 9F 99 82)"],
      ["part 3 of 3 of 🙂 (of the bytes F0 9F 99 82)"], [],
    ]);
    const bytes = list([0, 1], [0, 1], [0, 1]);
    expect(explained(bytes, 1, "漢")).toEqual(["part 2 of 3 of 漢 (byte BC of E6 BC A2)"]);
    // One token may end a character and begin the next.
    const across = list([0, 1], [0, 2], [1, 2]);
    expect(explained(across, 1, "éü")).toEqual(["part 2 of 2 of é (byte A9 of C3 A9)", "part 1 of 2 of ü (byte C3 of C3 BC)"]);
  });

  it("names what cannot be seen", () => {
    const told = (text: string): string[] => explained(list([0, text.length, text]), 0, text);
    expect(["\n", "\n\n", "\t", "    ", "\n    ", " a", "a"].map(told)).toEqual([
      ["line break"], ["2 line breaks"], ["tab"], ["4 spaces"], ["line break, 4 spaces"], [], [],
    ]);
    expect(told("a\u200d\u00a0")).toEqual(["with U+200D, U+00A0"]);
  });

  it("says what the server added, and where a context begins", () => {
    const tokens = list([0, 0, "<s>", { special: true }], [0, 1], [1, 1, "<s>", { special: true, segment: true }], [1, 2], [2, 3, "y", { segment: true }]);
    expect([0, 1, 2, 3, 4].map((i) => contextOf(tokens, i))).toEqual([1, 1, 2, 2, 3]);
    expect(explained(tokens, 0)).toEqual(["added by the server, not part of the text"]);
    expect(explained(tokens, 2)).toEqual([
      "added by the server, not part of the text", "context 2 begins: the model sees nothing before it",
    ]);
    expect(explained(tokens, 4)).toEqual(["context 3 begins: the model sees nothing before it"]);
  });
});
