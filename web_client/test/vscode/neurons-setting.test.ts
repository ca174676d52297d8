import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNeurons, withNeurons, withoutNeuron } from "../../vscode/src/neurons-setting";

const entry = fc.oneof(
  fc.constantFrom("L1N5", "3/42", "L3N40-48", "L2N6, L2N9", "l1n7", "L3N48-40"), fc.constantFrom("oops", "", "L", "L1N5-"),
  fc.constantFrom(null, 7, true, { L1N5: 1 }, ["L1N5"]),
);
const setting = fc.oneof(fc.array(entry, { maxLength: 6 }), fc.constantFrom(undefined, null, "", "L1N5", "oops"));
const key = fc.constantFrom("L1N5", "L3N40", "L3N44", "L3N48", "L2N6", "L9N9");

describe("the setting", () => {
  it("gets what is added, and keeps every entry as it was written", () => {
    fc.assert(fc.property(setting, fc.array(key, { maxLength: 4 }), (value, keys) => {
      const before = Array.isArray(value) ? value : value ? [value] : [];
      const now = withNeurons(value, keys);
      expect(now?.slice(0, before.length)).toEqual(before);
      expect(new Set(readNeurons(now).keys)).toEqual(new Set([...readNeurons(value).keys, ...keys]));
    }));
  });

  it("loses what is removed, and nothing else", () => {
    fc.assert(fc.property(setting, key, (value, gone) => {
      const now = withoutNeuron(value, gone);
      expect(readNeurons(now).keys).toEqual(readNeurons(value).keys.filter((other) => other !== gone));
      const unread = (list: unknown): unknown[] => (Array.isArray(list) ? list as unknown[] : list ? [list] : []).filter((one) => readNeurons([one]).keys.length === 0);
      expect(unread(now)).toEqual(unread(value));
    }));
  });

  it("keeps what is left of a range as ranges", () => {
    expect(withoutNeuron(["L3N40-48", "oops"], "L3N44")).toEqual(["L3N40-43", "L3N45-48", "oops"]);
    expect(withoutNeuron(["L3N40-41"], "L3N40")).toEqual(["L3N41"]);
    expect(withoutNeuron(["L3N40"], "L3N40")).toEqual([]);
  });

  it("that is not a list is not changed", () => {
    for (const value of [7, { L1N5: true }, true]) {
      expect([withNeurons(value, ["L1N5"]), withoutNeuron(value, "L1N5"), readNeurons(value).keys]).toEqual([null, null, []]);
      expect(readNeurons(value).problem).toContain("is not a list");
    }
  });
});
