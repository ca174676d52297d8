import { describe, expect, it } from "vitest";
import { neuronKey, neuronName, neuronRef, parseNeuron, parseNeurons } from "../../src/client";

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
    expect(parseNeurons("L1N5, L2N7")).toEqual(["L1N5", "L2N7"]);
    expect(parseNeurons(" l1n5 2/7;L1N5,\n3.4 ")).toEqual(["L1N5", "L2N7", "L3N4"]);
    expect(parseNeurons("3, 42")).toEqual(["L3N42"]);
    expect(parseNeurons("L1N5, L2, L3N4")).toBe("L2");
    expect(parseNeurons(" , ")).toEqual([]);
  });

  it("is read as people type it", () => {
    for (const input of ["L3N42", " l3n42 ", "3/42", "3 42", "3,42", "3.42", "3:42", "L3 N42", "L03N042"]) {
      expect(parseNeuron(input)).toBe("L3N42");
    }
    for (const input of ["", "42", "L3", "N42", "L-1N2", "3//42", "L3N4x", "a/b", "1e3/4"])
      expect(parseNeuron(input)).toBeNull();
  });
});
