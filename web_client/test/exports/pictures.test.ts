import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketOf, STEPS } from "../../src/colour/scale";
import { withSigns } from "../../src/editor/characters";
import { formatValue } from "../../src/editor/format";
import { Kin } from "../../src/editor/source";
import { toCsv } from "../../src/exports/data";
import { visibleControls } from "../../src/exports/escape";
import { toHtml } from "../../src/exports/html";
import { ACCENT } from "../../src/exports/legend";
import { INK, PAPER, striped, washed } from "../../src/exports/snapshot";
import { toSvg } from "../../src/exports/svg";
import type { Token } from "../../src/wire";
import { cut, documentOf, neuron, snapshotOf, valuesOf } from "./snapshots";

const MARKUP = `<script>alert(1)</script> "q" 'a' &amp; <img src=x onerror="alert(1)"> ]]> --> \u0000\u001b\ufffd\u202e`;

/** The text between the tags, with the characters that were escaped. */
function unescaped(markup: string): string {
  const names: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'" };
  return markup.replace(/<[^>]*>/g, "").replace(/&([a-z]+|#\d+);/g, (_, name: string) => names[name] ?? "?");
}

function linesOfHtml(html: string): string[] {
  return [...html.matchAll(/<div class="line[^"]*">(.*?)<\/div>/gs)].map(([, line]) => unescaped(line as string));
}

describe("the coloured text as HTML", () => {
  it("is the text, whatever it holds, and no token becomes markup", () => {
    fc.assert(fc.property(cut, ({ text, tokens }) => {
      const html = toHtml(snapshotOf([documentOf(text, tokens)]));
      expect(linesOfHtml(html)).toEqual(visibleControls(text).split("\n"));
    }));
    const html = toHtml(snapshotOf([documentOf(MARKUP), { ...documentOf("b"), name: MARKUP }]));
    expect(html).not.toMatch(/<script|<img|onerror="/);
    expect(html).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/); // eslint-disable-line no-control-regex -- what must not be there
    expect(linesOfHtml(html)[0]).toBe(visibleControls(MARKUP));
  });

  it("has every token's colours, those of the page", () => {
    const document = documentOf("one two three four");
    const snapshot = snapshotOf([document], 2);
    const spans = [...toHtml(snapshot).matchAll(/<span class="t[^"]*" title="[^"]*"(?: style="([^"]*)")?/g)].map(([, style]) => style ?? "");
    expect(spans.length).toBe(document.tokens.length);
    spans.forEach((style, token) => {
      const expected = snapshot.neurons.flatMap(({ key, hue, scale }, i) => {
        const colour = (i === 0 ? washed : striped)(hue, bucketOf(valuesOf(document, key)[token] ?? NaN, scale));
        return colour === null ? [] : [i === 0 ? `--b:${colour},${colour}` : `--s${i - 1}:${colour},${colour}`];
      });
      expect(style).toBe(expected.join(";"));
    });
  });

  it("has a legend with neurons, ranges and the model, and a value on hover", () => {
    const snapshot = snapshotOf([documentOf("one <two>")], 1);
    const html = toHtml({ ...snapshot, stripes: [neuron("L3N4", 3, { scale: { min: -0.25, max: 12.5 }, origin: "typed" })] });
    expect(unescaped(html)).toMatch(/tiny, float32, BOS prepended\s+L0N1background\s+−1\s+1widest seen\s+L3N4stripe 1\s+−0\.25\s+12\.5typed/);
    expect(html).toMatch(/title="one · token 1 · id \d+\nL0N1 −?\d\.\d{3}\nL0N2 /);
    expect(html).toContain("&lt;");
  });
});

describe("the coloured text as SVG", () => {
  it("holds every character that can be seen, and no token becomes markup", () => {
    fc.assert(fc.property(cut, fc.integer({ min: 4, max: 40 }), ({ text, tokens }, columns) => {
      const { svg } = toSvg(snapshotOf([documentOf(text, tokens)]), columns);
      const drawn = unescaped((/<g font-family="[^"]*" font-size="14"[^>]*>(.*)<\/g>/s.exec(svg) as RegExpExecArray)[1] as string);
      const seen = (markup: string): string => markup.replace(/[\s↵⇥]|BOS|⋯/gu, "");
      expect(seen(drawn)).toBe(seen(visibleControls(withSigns(text))));
    }));
    const { svg } = toSvg(snapshotOf([documentOf(MARKUP)]), 40);
    expect(svg).not.toMatch(/<script|<img|<foreignObject|href/);
    expect(svg).not.toMatch(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u); // what XML may not hold
  });

  it("draws a token's colours where its text stands, on white", () => {
    const document = documentOf("one two");
    const snapshot = { ...snapshotOf([document], 1), neurons: [], focus: neuron("L0N1", 4), stripes: [neuron("L0N2", 5)] };
    const { svg, width, height } = toSvg(snapshot, 80);
    expect(svg).toContain(`<rect width="${width}" height="${height}" fill="${PAPER}"/>`);
    const [, , second] = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)">/g)].map((match) => match.slice(1).map(Number));
    expect(second).toBeUndefined(); // BOS has no letters of its own
    const [one, two] = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)">(\w+)/g)];
    expect([one?.[4], two?.[4]]).toEqual(["one", "two"]);
    const value = valuesOf(document, "L0N1")[2] ?? NaN;
    const left = (Number(two?.[1]) - 8.4).toFixed(1); // its leading space
    expect(svg).toContain(`<rect x="${left}" y="${Number(two?.[2]) - 14.5}" width="33.6" height="20" fill="${washed(4, bucketOf(value, { min: -1, max: 1 }))}"/>`);
    expect(svg).toContain(`fill="${striped(5, bucketOf(valuesOf(document, "L0N2")[2] ?? NaN, { min: -1, max: 1 }))}"/>`);
  });

  it("draws a character whole, its width shared by the colours of its tokens", () => {
    const points = (text: string): Token[] => {
      let end = 0;
      return Array.from(text, (point, i) => ({ id: i, text: point, from: end, to: (end += point.length) }));
    };
    const drawn = (text: string): { texts: string[]; colours: number[] } => {
      const snapshot = snapshotOf([documentOf(text, points(text))], 0);
      const { svg } = toSvg({ ...snapshot, neurons: [] }, 80);
      const body = svg.slice(svg.indexOf("xml:space"));
      return {
        texts: [...body.matchAll(/<text x="[^"]*" y="[^"]*" textLength[^>]*>([^<]*)</g)].map(([, found]) => found as string),
        colours: [...body.matchAll(/<rect [^>]*width="([\d.]+)" height="20"/g)].map(([, width]) => Number(width)).filter((width) => width > 0.5),
      };
    };
    expect(drawn("e\u0301")).toEqual({ texts: ["e\u0301"], colours: [4.2, 4.2] });
    expect(drawn("👨\u200d👩\u200d👧")).toEqual({ texts: ["👨\u200d👩\u200d👧"], colours: [3.36, 3.36, 3.36, 3.36, 3.36] });
    expect(drawn("हि न्दी").texts).toEqual(["हि", "न्दी"]);
    expect(drawn("قط").texts).toEqual(["قط"]); // two letters that join
    expect(drawn("a\u202eb").texts).toEqual(["a", "‹RLO›", "b"]);
  });

  it("shows where a long document's contexts begin", () => {
    const long = snapshotOf([documentOf("one\ntwo\nthree", [
      { id: 0, text: "<bos>", from: 0, to: 0, special: true },
      { id: 1, text: "one\n", from: 0, to: 4 },
      { id: 2, text: "two\n", from: 4, to: 8 },
      { id: 0, text: "<bos>", from: 8, to: 8, special: true, segment: true },
      { id: 3, text: "three", from: 8, to: 13 },
    ])]);
    expect([...toHtml(long).matchAll(/<div class="line begins">/g)].length).toBe(1);
    expect([...toSvg(long, 40).svg.matchAll(/stroke-dasharray/g)].length).toBe(1);
  });

  it("grows with its text, and is no wider than asked", () => {
    const long = snapshotOf([documentOf("word ".repeat(200))], 8);
    const narrow = toSvg(long, 40);
    const wide = toSvg(long, 120);
    expect(narrow.width).toBeLessThan(wide.width);
    expect(narrow.height).toBeGreaterThan(wide.height);
    expect(wide.width).toBeLessThan(120 * 8.4 + 90);
  });
});

describe("two texts", () => {
  it("are told apart by name; the second shows differences, and what has no equal in the first", () => {
    const left = { ...documentOf("one two"), name: "Left" };
    const right = documentOf("one three");
    const shown = new Map([["L0N1", [0, 0.5, -1]]]);
    const kin = Uint8Array.of(Kin.same, Kin.same, Kin.replaced);
    const snapshot = snapshotOf([left, { ...right, name: "Right", note: "difference", shown, kin }], 0);
    const html = toHtml(snapshot);
    expect([...html.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, name]) => name)).toEqual(["Left", "Right: difference"]);
    const value = formatValue(valuesOf(right, "L0N1")[2] ?? NaN);
    expect(html).toMatch(new RegExp(`class="t replaced" title="· ?three · token 2 · id \\d+\nL0N1 ${value} \\(difference −1\\.000\\)" style="--b:${washed(0, -STEPS)},${washed(0, -STEPS)}"`));
    const { svg } = toSvg(snapshot, 40);
    expect(svg).toContain(">Right: difference</text>");
    expect([...svg.matchAll(new RegExp(`stroke="${ACCENT}"`, "g"))].length).toBe(1);
    expect(toCsv(snapshot)).toContain(`"Right",2,`);
  });
});

describe("colours on paper", () => {
  it("are the page's own, and none where there is no value", () => {
    expect([washed(0, 0), washed(0, -128), striped(0, 0), PAPER, INK]).toEqual([null, null, null, "#ffffff", "#1c1e21"]);
    expect(striped(0, STEPS)).toBe("#e02f37");
    expect(washed(3, -STEPS)).toBe(washed(5, -STEPS)); // below zero all neurons are alike
  });
});
