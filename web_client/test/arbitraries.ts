/** Random texts and changes for property tests. */
import fc from "fast-check";
import type { ChangeSet } from "../src/client";

export const text = fc.string({
  unit: fc.constantFrom("a", "b", "c", " ", " ", "\n", "é", "漢", "🙂", "."),
  maxLength: 40,
});

/** Non-overlapping replacements of a text, by fractions so that they fit a text known only later. */
export const edit = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    size: fc.nat({ max: 6 }),
    insert: fc.oneof(fc.constant(""), text),
  }),
  { minLength: 1, maxLength: 3 },
);

/** Fit a random edit to a text. */
export function fit(parts: readonly { at: number; size: number; insert: string }[], content: string): ChangeSet {
  let end = 0;
  return parts
    .map(({ at, size, insert }) => ({ start: Math.round(at * content.length), size, insert }))
    .sort((a, b) => a.start - b.start)
    .map(({ start, size, insert }) => {
      const from = boundary(content, Math.max(start, end));
      const to = boundary(content, Math.min(content.length, from + size));
      end = to;
      return { from, to, insert };
    });
}

/** Not between the halves of a surrogate pair. */
function boundary(content: string, offset: number): number {
  const unit = content.charCodeAt(offset);
  return offset > 0 && unit >= 0xdc00 && unit < 0xe000 ? offset + 1 : offset;
}
