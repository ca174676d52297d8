import { describe, expect, it } from "vitest";
import { findModel } from "../../src/app/showing";

describe("the model that a link names", () => {
  const models = ["neuroscope-demo", "gpt2", "EleutherAI/pythia-70m@main", "lab/tiny", "other/tiny"].map((id) => (
    { id, title: id, loaded: false, default: false }
  ));
  const found = (wanted: string): string | undefined => findModel(models, wanted)?.id;

  it("is that of its name", () => {
    expect(models.map(({ id }) => found(id))).toEqual(models.map(({ id }) => id));
  });

  it("may be named without its organisation or revision, or with them", () => {
    expect(found("openai-community/gpt2")).toBe("gpt2");
    expect(found("GPT2")).toBe("gpt2");
    expect(found("pythia-70m")).toBe("EleutherAI/pythia-70m@main");
    expect(found("eleutherai/Pythia-70m")).toBe("EleutherAI/pythia-70m@main");
  });

  it("is none that is only alike", () => {
    expect(["gpt2-xl", "pythia-70m@step1000", "tiny", "third/tiny", ""].map(found)).toEqual([
      undefined, undefined, undefined, undefined, undefined,
    ]);
  });
});
