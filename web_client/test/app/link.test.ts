import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFragment, decodePlain, encodePlain, fragmentOf, LinkError, type LinkState, LONGEST_LINK, wordOf } from "../../src/app/link";
import { HUES } from "../../src/colour/palette";
import { plainBreaks } from "../../src/editor/characters";
import { sharedView, usualView } from "../../src/workbench";

const anyText = fc.string({ unit: "grapheme", maxLength: 200 }).map(plainBreaks);
const bound = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }).map((value) => value + 0);
const neuron = fc.record({
  key: fc.oneof(
    fc.tuple(fc.nat(99), fc.nat(99_999)).map(([layer, index]) => `L${layer}N${index}`),
    fc.tuple(fc.nat(99), fc.nat(999)).map(([layer, index]) => `blocks.${layer}.hook_resid_post/${index}`),
    fc.string({ unit: "grapheme-ascii", minLength: 1 }),
  ),
  hue: fc.nat(HUES - 1),
  pinned: fc.constant(true as const),
  hidden: fc.constant(true as const),
  range: fc.oneof(
    fc.record({ min: bound.map((value) => 0 - value), max: fc.constant(null) }),
    fc.record({ min: fc.constant(null), max: bound }),
    fc.record({ min: bound.map((value) => 0 - value), max: bound }),
    fc.record({ min: fc.constant(null), max: fc.oneof(fc.constant(null), bound), text: fc.constant(true as const) }),
  ),
}, { requiredKeys: ["key"] });
const state: fc.Arbitrary<LinkState> = fc.record({
  model: anyText,
  text: fc.oneof(anyText, anyText.map((text) => text.repeat(40))),
  neurons: fc.uniqueArray(neuron, { selector: ({ key }) => key, maxLength: 12 }),
  focus: anyText,
  compare: anyText,
  view: fc.infiniteStream(fc.nat(99)).map((stream) => sharedView((_, choices) => choices[(stream.next().value as number) % choices.length] ?? choices[0])),
}, { requiredKeys: [] });

/** What a browser makes of a fragment that is set and read again. */
function throughAddress(fragment: string): string {
  const url = new URL("http://127.0.0.1:8740/");
  url.hash = fragment;
  return url.hash.slice(1);
}

describe("links", () => {
  it("give back the state that they were made of, in an address and out of it", async () => {
    await fc.assert(fc.asyncProperty(state, async (wanted) => {
      const plain = encodePlain(wanted);
      expect(decodePlain(plain)).toEqual(wanted);
      const fragment = await fragmentOf(plain);
      expect(await decodeFragment(fragment ?? "")).toEqual(wanted);
      expect(await decodeFragment(throughAddress(fragment ?? ""))).toEqual(wanted);
    }), { numRuns: 300 });
  });

  it("hold every character of the text, control characters too", () => {
    const every = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join("");
    expect(decodePlain(encodePlain({ text: every })).text).toBe(every);
    expect(decodePlain(throughAddress(encodePlain({ text: every }))).text).toBe(every);
    expect(decodePlain(encodePlain({ text: "a\ud800b" })).text).toBe("a\ufffdb"); // no address holds half a character
  });

  it("have one kind of line break", () => {
    expect(decodePlain("text=a%0D%0Ab%0Dc&compare=%0D%0A&v=1")).toEqual({ text: "a\nb\rc", compare: "\n" });
  });

  it("are readable while they are short", async () => {
    const fragment = await fragmentOf(encodePlain({
      model: "gpt2",
      text: "The cat sat. (Ça va?)",
      neurons: [{ key: "L9N652", hue: 0, pinned: true }, { key: "L3N42", hidden: true, range: { min: null, max: 2.5 } }],
      focus: "L9N652",
      view: { ...usualView, side: "discover", stripes: false, heatmap: true, heatmapSort: "max" },
    }));
    expect(fragment).toBe(
      "model=gpt2&text=The+cat+sat.+%28Ça+va?%29&neurons=L9N652;hue=0;pinned,L3N42;hidden;max=2.5&focus=L9N652&view=discover,nostripes,heatmap,max&v=1",
    );
  });

  it("end in what every program takes for part of a link, and hold nothing that ends one", async () => {
    await fc.assert(fc.asyncProperty(state, async (wanted) => {
      const fragment = await fragmentOf(encodePlain(wanted));
      expect(fragment).toMatch(/v=1$/);
      expect(fragment).not.toMatch(/[\s"'<>()[\]{}|\\^`*]/);
    }));
  });

  it("are deflated when long, and given up when no address could hold them", async () => {
    const prose = "It was the best of times, it was the worst of times. ".repeat(400);
    const fragment = await fragmentOf(encodePlain({ text: prose }));
    expect(fragment).toMatch(/^z=[\w-]+&v=1$/);
    expect((fragment ?? prose).length).toBeLessThan(prose.length / 10);
    expect((await decodeFragment(fragment ?? "")).text).toBe(prose);
    const noise = Array.from({ length: LONGEST_LINK }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919 + ((i * i) % 10007)) % 20000))).join("");
    expect(await fragmentOf(encodePlain({ text: noise }))).toBeNull();
  });

  it("that were cut off, changed, or made elsewhere are refused with a sentence", async () => {
    const long = await fragmentOf(encodePlain({ text: "word ".repeat(2000) })) ?? "";
    const bad: [string, RegExp][] = [
      ["section-2", /incomplete, or not/],
      ["text=The+cat", /incomplete/],
      [long.slice(0, -10), /incomplete/],
      ["text=a&v=2", /another version/],
      [`${long.slice(0, 30)}&v=1`, /damaged/],
      ["z=%%%&v=1", /damaged/],
      ["z=&v=1", /damaged/],
      ["neurons=%25E0%25A4%25A&v=1", /is not a neuron/],
      [`neurons=${Array.from({ length: 5000 }, (_, i) => `L0N${i}`).join(",")}&v=1`, /more than 1024/],
    ];
    for (const [fragment, message] of bad) {
      const refusal = await decodeFragment(fragment).catch((error: unknown) => error);
      expect(refusal, fragment).toBeInstanceOf(LinkError);
      expect((refusal as LinkError).message).toMatch(message);
    }
  });

  it("do not fill the memory", async () => {
    const bomb = await fragmentOf(encodePlain({ text: "a".repeat(30_000_000) }));
    await expect(decodeFragment(bomb ?? "")).rejects.toThrow(LinkError);
  }, 20_000);

  it("keep to what a page can have", () => {
    expect(decodePlain("neurons=L0N1;hue=99;min=3;max=-1;later=5,L0N1;hue=1,,L0N2;hue=1.5;max=x&view=dancing&v=1")).toEqual({
      neurons: [{ key: "L0N1", hue: 1 }, { key: "L0N2" }],
      view: usualView,
    });
  });

  it("have a word of its own for every choice of the view", () => {
    const words: string[] = [];
    sharedView((name, choices) => {
      words.push(...choices.map((choice) => wordOf(name, choice)));
      return choices[0];
    });
    expect(new Set(words).size).toBe(words.length);
  });
});
