import { describe, expect, it } from "vitest";
import { neuronpediaPage } from "../../src/workbench/neuronpedia";
import type { ModelInfo } from "../../src/wire";
import { model } from "../scripted-server";

const gpt2: ModelInfo = { ...model, id: "gpt2", revision: "607a30d783dfa663caf39e06633721c8d4cfcd7e", layers: 12, neuronsPerLayer: 3072 };

describe("neuronpediaPage", () => {
  it("leads to the neuron's page", () => {
    expect(neuronpediaPage(gpt2, "L6N200")).toBe("https://www.neuronpedia.org/gpt2-small/6/200");
    expect(neuronpediaPage({ ...gpt2, id: "openai-community/gpt2@main" }, "L11N3071")).toBe("https://www.neuronpedia.org/gpt2-small/11/3071");
  });

  it("leads nowhere for other models, other units, and folders that are only named alike", () => {
    expect(neuronpediaPage(null, "L6N200")).toBeNull();
    expect(neuronpediaPage({ ...gpt2, id: "distilgpt2" }, "L1N200")).toBeNull();
    expect(neuronpediaPage({ ...gpt2, id: "constructor" }, "L1N200")).toBeNull();
    expect(neuronpediaPage(gpt2, "blocks.6.hook_resid_post/200")).toBeNull();
    expect(neuronpediaPage({ ...gpt2, revision: null }, "L6N200")).toBeNull();
    expect(neuronpediaPage({ ...gpt2, layers: 6 }, "L1N200")).toBeNull();
  });
});
