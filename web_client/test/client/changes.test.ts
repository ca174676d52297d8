import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyChanges, type ChangeSet, mapOffset, mapSpans, normalize } from "../../src/client";
import { edit, fit, text } from "../arbitraries";

/** The change on a text whose characters each have a name of their own; inserted ones get null. */
function applyToNames(names: readonly (number | null)[], changes: ChangeSet): (number | null)[] {
  const result = [...names];
  for (const { from, to, insert } of [...changes].reverse())
    result.splice(from, to - from, ...Array.from({ length: insert.length }, () => null));
  return result;
}

describe("changes", () => {
  it("apply to the text as separate replacements from the end do", () => {
    fc.assert(
      fc.property(text, edit, (content, parts) => {
        const changes = normalize(fit(parts, content), content.length);
        const expected = [...changes]
          .reverse()
          .reduce((soFar, { from, to, insert }) => soFar.slice(0, from) + insert + soFar.slice(to), content);
        expect(applyChanges(content, changes)).toBe(expected);
      }),
    );
  });

  it("are sorted and joined where they touch, and refused where they overlap or leave the text", () => {
    expect(
      normalize(
        [
          { from: 3, to: 4, insert: "" },
          { from: 0, to: 1, insert: "x" },
        ],
        4,
      ).map(({ from }) => from),
    ).toEqual([0, 3]);
    expect(
      normalize(
        [
          { from: 1, to: 2, insert: "b" },
          { from: 0, to: 1, insert: "a" },
        ],
        4,
      ),
    ).toEqual([{ from: 0, to: 2, insert: "ab" }]);
    expect(() =>
      normalize(
        [
          { from: 0, to: 2, insert: "" },
          { from: 1, to: 3, insert: "" },
        ],
        4,
      ),
    ).toThrow(RangeError);
    expect(() => normalize([{ from: 0, to: 5, insert: "" }], 4)).toThrow(RangeError);
    expect(() => normalize([{ from: 2, to: 1, insert: "" }], 4)).toThrow(RangeError);
    expect(() => normalize([{ from: 0.5, to: 1, insert: "" }], 4)).toThrow(RangeError);
  });

  it("leave a span with what survives of its characters", () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 });
    fc.assert(
      fc.property(text, cuts, edit, (content, fractions, parts) => {
        const edges = [...new Set([0, content.length, ...fractions.map((f) => Math.round(f * content.length))])].sort(
          (a, b) => a - b,
        );
        const from = Int32Array.from(edges.slice(0, -1));
        const to = Int32Array.from(edges.slice(1));
        const before = { from: [...from], to: [...to] };
        const changes = normalize(fit(parts, content), content.length);
        mapSpans(from, to, changes);
        const names = applyToNames(
          Array.from({ length: content.length }, (_, i) => i),
          changes,
        );
        for (let i = 0; i < from.length; i++) {
          const own = names.flatMap((name, at) =>
            name !== null && name >= (before.from[i] as number) && name < (before.to[i] as number) ? [at] : [],
          );
          if (own.length === 0) expect(from[i]).toBe(to[i]);
          else expect([from[i], to[i]]).toEqual([own[0], (own.at(-1) as number) + 1]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("keep spans ascending, empty ones included", () => {
    fc.assert(
      fc.property(text, edit, fc.array(fc.nat({ max: 40 })), (content, parts, places) => {
        const edges = places.map((place) => Math.min(place, content.length)).sort((a, b) => a - b);
        const from = Int32Array.from(edges);
        const to = Int32Array.from(edges.slice(1).concat(content.length));
        mapSpans(from, to, normalize(fit(parts, content), content.length));
        expect([...from]).toEqual([...from].sort((a, b) => a - b));
        expect([...to]).toEqual([...to].sort((a, b) => a - b));
      }),
    );
  });

  it("keep an empty span at the start where it is when text is put before everything", () => {
    const from = Int32Array.of(0, 0);
    const to = Int32Array.of(0, 3);
    mapSpans(from, to, [{ from: 0, to: 0, insert: "xy" }]);
    expect([...from]).toEqual([0, 2]);
    expect([...to]).toEqual([0, 5]);
  });

  it("move an offset before or after what is put there", () => {
    const changes = [{ from: 2, to: 4, insert: "xyz" }];
    expect([1, 2, 3, 4, 5].map((offset) => mapOffset(offset, changes, -1))).toEqual([1, 2, 2, 2, 6]);
    expect([1, 2, 3, 4, 5].map((offset) => mapOffset(offset, changes, 1))).toEqual([1, 5, 5, 5, 6]);
  });
});
