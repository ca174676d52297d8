import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenList } from "../../src/client";
import type { Token } from "../../src/wire";

const token = fc.record({ id: fc.nat(), text: fc.string({ maxLength: 3 }), from: fc.nat(500), to: fc.nat(500) });
const splice = fc.record({
  start: fc.nat(20),
  deleteCount: fc.nat(20),
  tokens: fc.array(token, { maxLength: 8 }),
  shift: fc.integer({ min: -3, max: 9 }),
});

describe("a token list", () => {
  it("splices as a plain array does", () => {
    fc.assert(
      fc.property(fc.array(splice, { maxLength: 12 }), (splices) => {
        let list = TokenList.empty;
        let oracle: Token[] = [];
        for (const wanted of splices) {
          const start = Math.min(wanted.start, oracle.length);
          const deleteCount = Math.min(wanted.deleteCount, oracle.length - start);
          list = list.splice(start, deleteCount, wanted.tokens, wanted.shift);
          oracle = [
            ...oracle.slice(0, start),
            ...wanted.tokens,
            ...oracle
              .slice(start + deleteCount)
              .map((old) => ({ ...old, from: old.from + wanted.shift, to: old.to + wanted.shift })),
          ];
          expect(list.length).toBe(oracle.length);
          expect(list.infos.map((_, i) => list.at(i))).toEqual(
            oracle.map((old) => ({ ...old, special: false, segment: false })),
          );
        }
      }),
    );
  });

  it("finds the token at an offset", () => {
    const list = TokenList.of([
      { id: 0, text: "<bos>", from: 0, to: 0, special: true },
      { id: 1, text: "ab", from: 0, to: 2 },
      { id: 2, text: " c", from: 2, to: 4 },
      { id: 3, text: "\ufffd", from: 4, to: 6 },
      { id: 4, text: "\ufffd", from: 4, to: 6 },
      { id: 5, text: "x", from: 8, to: 9 },
    ]);
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((offset) => list.covering(offset))).toEqual([
      1, 1, 2, 2, 3, 3, -1, -1, 5, -1,
    ]);
    expect([0, 1, 2, 3, 6, 9, 10].map((offset) => list.firstEndingAt(offset))).toEqual([0, 1, 1, 2, 3, 5, 6]);
    const overlapping = (start: number, end: number): number[] => {
      const { from, to } = list.overlapping(start, end) ?? { from: -1, to: -1 };
      return [from, to];
    };
    expect([overlapping(0, 1), overlapping(1, 3), overlapping(0, 9), overlapping(5, 6), overlapping(6, 8)]).toEqual([
      [1, 2], [1, 3], [1, 6], [3, 5], [-1, -1],
    ]);
    expect(TokenList.empty.overlapping(0, 5)).toBeNull();
    expect(TokenList.empty.covering(0)).toBe(-1);
  });

  it("says which token is not there", () => {
    expect(() => TokenList.empty.at(0)).toThrow("there is no token 0");
  });
});
