import { describe, expect, it } from "vitest";
import { MOST_AT_ONCE, neuronKey, neuronName, neuronRef, parseNeuron, parseNeurons } from "../../src/client";

describe("a neuron's name", () => {
  it("is one key, however it is given", () => {
    expect(neuronKey("L3N42")).toBe("L3N42");
    expect(neuronKey({ layer: 3, neuron: 42 })).toBe("L3N42");
    expect(neuronKey({ hook: "blocks.3.mlp.hook_post", index: 42 })).toBe("L3N42");
    expect(neuronKey({ hook: "blocks.3.hook_resid_post", index: 7 })).toBe("blocks.3.hook_resid_post/7");
  });

  it("goes back to a reference that the server understands", () => {
    expect(neuronRef("L3N42")).toBe("L3N42");
    expect(neuronRef("blocks.3.hook_resid_post/7")).toEqual({ hook: "blocks.3.hook_resid_post", index: 7 });
    expect(neuronName("L3N42")).toEqual({ layer: 3, neuron: 42 });
    expect(neuronName("blocks.3.hook_resid_post/7")).toBeNull();
  });

  it("is read along with others", () => {
    const keys = (input: string): readonly string[] => parseNeurons(input).keys;
    expect(keys("L1N5, L2N7")).toEqual(["L1N5", "L2N7"]);
    expect(keys(" l1n5 2/7;L1N5,\n3.4 ")).toEqual(["L1N5", "L2N7", "L3N4"]);
    expect(keys("3, 42")).toEqual(["L3N42"]);
    expect(parseNeurons(" , ")).toEqual({ keys: [], problem: null });
    expect(parseNeurons("L1N5, L2, L3N4")).toEqual({
      keys: [], problem: "L2 is not a neuron: name it by layer and number, L3N42 or 3/42, or several by a range, L3N40-48.",
    });
  });

  it("can be a range, in one layer and not too many", () => {
    const range = ["L3N40", "L3N41", "L3N42"];
    for (const input of ["L3N40-42", "l3n40 - 42", "3/40-42", "3 40-42", "3.40..42", "L3N40–42", "L3N40…42", "L3N40-N42", "L3N40-L3N42", "3/40-3/42"]) {
      expect(parseNeurons(input)).toEqual({ keys: range, problem: null });
    }
    expect(parseNeurons("L3N41-40, L3N42 L3N40").keys).toEqual(["L3N41", "L3N40", "L3N42"]);
    expect(parseNeurons("L3N7-7").keys).toEqual(["L3N7"]);
    for (const input of ["L3N40-L4N42", "L3N40-", "-L3N40", "L3-4", "L3N1-2-3", "L3N4--6"]) {
      expect(parseNeurons(input)).toMatchObject({ keys: [], problem: expect.stringContaining("is not a neuron") as string });
    }
    expect(parseNeurons(`L0N0-${MOST_AT_ONCE - 1}`).keys).toHaveLength(MOST_AT_ONCE);
    expect(parseNeurons(`L0N1-${MOST_AT_ONCE}, L1N0`)).toEqual({
      keys: [], problem: `That names ${MOST_AT_ONCE + 1} neurons; name at most ${MOST_AT_ONCE} at once.`,
    });
    expect(parseNeurons("L0N0-999999999").problem).toContain("1000000000 neurons");
  });

  it("is read as people type it", () => {
    for (const input of ["L3N42", " l3n42 ", "3/42", "3 42", "3,42", "3.42", "3:42", "L3 N42", "L03N042"]) {
      expect(parseNeuron(input)).toBe("L3N42");
    }
    for (const input of ["", "42", "L3", "N42", "L-1N2", "3//42", "L3N4x", "a/b", "1e3/4"])
      expect(parseNeuron(input)).toBeNull();
  });
});
