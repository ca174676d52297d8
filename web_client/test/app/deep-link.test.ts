import { describe, expect, it } from "vitest";
import { readQuery, withoutQuery } from "../../src/app/deep-link";
import { LinkError } from "../../src/app/link";

describe("links that are written by hand", () => {
  it("name a model, a text and a neuron", () => {
    expect(readQuery("?model=gpt2&layer=9&neuron=652&text=The%20cat+sat%0Aon%20it")).toEqual({
      model: "gpt2", text: "The cat sat\non it", neurons: [{ key: "L9N652" }], focus: "L9N652",
    });
    expect(readQuery("?text=")).toEqual({ text: "" });
    expect(readQuery("?model=gpt2")).toEqual({ model: "gpt2" });
  });

  it("name several neurons, each once, the first in focus", () => {
    expect(readQuery("?layer=9&neuron=652&layer=3&neuron=4&neurons=L9N652,3/5 L0N1-2")).toEqual({
      neurons: [{ key: "L9N652" }, { key: "L3N4" }, { key: "L3N5" }, { key: "L0N1" }, { key: "L0N2" }], focus: "L9N652",
    });
  });

  it("leave alone what is not theirs", () => {
    expect(readQuery("")).toBeNull();
    expect(readQuery("?token=secret&theme=dark")).toBeNull();
    expect(withoutQuery("?token=a%2Bb&model=gpt2&layer=9&neuron=652&text=x")).toBe("?token=a%2Bb");
    expect(withoutQuery("?model=gpt2&neurons=L0N1")).toBe("");
  });

  it("that name no neuron are refused with a sentence", () => {
    for (const query of ["?layer=9", "?neuron=3", "?layer=9&neuron=x", "?layer=-1&neuron=2", "?layer=1.5&neuron=2", "?neurons=cat"]) {
      expect(() => readQuery(query), query).toThrow(LinkError);
    }
  });
});
