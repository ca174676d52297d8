import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { charactersOf } from "../../src/editor/characters";
import { breaksBetween, columnsOf, visualOrder } from "../../src/exports/columns";
import { layOut, type Placed } from "../../src/exports/layout";
import { linesOf } from "../../src/exports/pieces";
import type { Token } from "../../src/wire";
import { cut, documentOf } from "./snapshots";

/** The rows of a text in one piece, as text. */
function rowsOf(text: string, columns: number): string[] {
  const tokens: Token[] = text === "" ? [] : [{ id: 1, text, from: 0, to: text.length }];
  const { rows, placed } = layOut(linesOf(documentOf(text, tokens)), columns);
  return Array.from({ length: rows }, (_, row) => placed.filter((one) => one.row === row).map((one) => one.text).join(""));
}

/** A line in rows, decided one character after the other. */
function slowly(line: string, columns: number): string[] {
  const rows: string[] = [];
  let rest = charactersOf(line);
  do {
    let fits = 0;
    for (let width = 0; fits < rest.length; fits++) {
      width += columnsOf(rest[fits] as string, width);
      if (width > columns) break;
    }
    let end = fits;
    while (end > 0 && end < rest.length && !breaksBetween(rest[end - 1] as string, rest[end] as string)) end--;
    if (end === 0) end = Math.max(1, fits);
    rows.push(rest.slice(0, end).join(""));
    rest = rest.slice(end);
  } while (rest.length > 0);
  return rows;
}

describe("the grid of a picture", () => {
  it("breaks lines after spaces, after hyphens in words, between characters of scripts without spaces, or anywhere", () => {
    expect(rowsOf("The cat sat", 8)).toEqual(["The cat ", "sat"]);
    expect(rowsOf("The cat sat", 7)).toEqual(["The ", "cat sat"]);
    expect(rowsOf("well-known -x", 6)).toEqual(["well-", "known ", "-x"]);
    expect(rowsOf("unbreakable", 4)).toEqual(["unbr", "eaka", "ble"]);
    expect(rowsOf("漢字。漢字", 4)).toEqual(["漢", "字。", "漢字"]);
    expect(rowsOf("a\n\nb", 4)).toEqual(["a", "", "b"]);
    expect(rowsOf("", 4)).toEqual([""]);
    expect(rowsOf("ab", 0)).toEqual(["a", "b"]);
  });

  it("knows the columns of characters", () => {
    const columns = (text: string): number => charactersOf(text).reduce((at, one) => at + columnsOf(one, at), 0);
    expect(["a", "é", "e\u0301", "漢", "ｱ", "Ａ", "🙂", "👩‍👩‍👧", "🇫🇷", "❤\ufe0f", "👍🏽", "हि", "न्दी", "각", "\u0301", "\u202e"].map(columns)).toEqual([
      1, 1, 1, 2, 1, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 5,
    ]);
    expect([columns("\t"), columns("ab\t"), columns("abc\tx")]).toEqual([4, 4, 5]);
  });

  it("breaks where one would who goes character by character", () => {
    const words = fc.string({ unit: fc.constantFrom("a", "b", " ", "-", "漢", "。", "\t", "é"), maxLength: 40 });
    fc.assert(fc.property(words, fc.integer({ min: 1, max: 12 }), (line, columns) => {
      expect(rowsOf(line, columns)).toEqual(slowly(line, columns));
    }));
  });

  it("reads right-to-left words from right to left, and numbers in them from left to right", () => {
    const seen = (text: string): string => visualOrder(charactersOf(text)).map((i) => charactersOf(text)[i]).join("");
    expect(seen("ab אבג דה. cd")).toBe("ab הד גבא. cd");
    expect(seen("אב 12 גד")).toBe("דג 12 בא");
    expect(seen("אב\u200cגד")).toBe("דג\u200cבא"); // a sign is part of the word
    expect(seen("אב cd גד")).toBe("בא cd דג");
    const tokens = [{ id: 1, text: "a ", from: 0, to: 2 }, { id: 2, text: "אב", from: 2, to: 4 }, { id: 3, text: " ג", from: 4, to: 6 }];
    const { placed } = layOut(linesOf(documentOf("a אב ג", tokens)), 20);
    expect(placed.map(({ text, column, columns }) => [text, column, columns])).toEqual([["a ", 0, 2], ["אב", 4, 2], [" ג", 2, 2]]);
  });

  it("holds every character once, in order, side by side and not wider than it may be", () => {
    fc.assert(fc.property(cut, fc.integer({ min: 4, max: 30 }), ({ text, tokens }, columns) => {
      const { rows, placed } = layOut(linesOf(documentOf(text, tokens)), columns);
      expect(placed.map(({ piece, text: part }) => (piece.kind === "break" ? "\n" : part)).join("")).toBe(text);
      const before = new Map<number, Placed>();
      for (const one of placed.toSorted((a, b) => a.column - b.column || a.columns - b.columns)) {
        const left = before.get(one.row);
        if (left !== undefined) expect(one.column).toBeGreaterThanOrEqual(left.column + left.columns);
        before.set(one.row, one);
        expect(one.row).toBeLessThan(rows);
        if (one.piece.kind !== "break" && one.column > 0) expect(one.column + one.columns).toBeLessThanOrEqual(columns);
      }
      expect(new Set(placed.map(({ row }) => row)).size).toBeLessThanOrEqual(rows);
    }));
  });
});
