import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/client";
import { decodeFloats, decodeValues } from "../../src/client/encoding";
import { base64 } from "../scripted-server";

describe("values", () => {
  it("are the same in both encodings, bit by bit", () => {
    const rows = fc
      .integer({ min: 1, max: 5 })
      .chain((count) =>
        fc.array(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: count, maxLength: count }), {
          minLength: 1,
          maxLength: 4,
        }),
      );
    fc.assert(
      fc.property(rows, (values) => {
        const shape = [values.length, (values[0] as number[]).length] as const;
        const neurons = values.map((_, i) => `L0N${i}`);
        const json = decodeValues({ neurons, count: shape[1], values });
        const packed = decodeValues({
          neurons,
          count: shape[1],
          values: { dtype: "float32", shape: [...shape], data: base64(values.flat()) },
        });
        expect(packed.map((row) => [...row])).toEqual(values);
        expect(json.map((row) => [...row])).toEqual(values);
      }),
    );
  });

  it("are NaN where JSON has null", () => {
    expect([...(decodeValues({ neurons: ["a"], count: 2, values: [[null, 1]] })[0] as Float32Array)]).toEqual([NaN, 1]);
    expect([...decodeFloats(base64([NaN, Infinity]))]).toEqual([NaN, Infinity]);
  });

  it("are refused in any other shape", () => {
    const two = { neurons: ["a", "b"], count: 1 };
    for (const values of [[[1]], [[1], [1, 2]], [[1], null as unknown as number[]]]) {
      expect(() => decodeValues({ ...two, values })).toThrow(DecodeError);
    }
    for (const [shape, data] of [
      [[1, 2], base64([1, 2])],
      [[2, 1], base64([1])],
      [[2, 1], "AAA="],
      [[2, 1], "%%%%"],
    ] as const) {
      expect(() => decodeValues({ ...two, values: { dtype: "float32", shape: [...shape], data } })).toThrow(
        DecodeError,
      );
    }
  });
});
