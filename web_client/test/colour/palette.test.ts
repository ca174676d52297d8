import { describe, expect, it } from "vitest";
import {
  buckets, classOf, contrast, HUES, hueProperties, inkOf, over, type Rgb, slate, strengthOf, surfaces, type Theme, washOf, washOpacity,
} from "../../src/colour/palette";
import { NO_VALUE, STEPS } from "../../src/colour/scale";

const themes: readonly Theme[] = ["light", "dark"];
const hues = Array.from({ length: HUES }, (_, hue) => hue);

const linear = (part: number): number => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);

/** Linear RGB as dichromats see it: Machado, Oliveira and Fernandes (2009), severity 1. */
const sights: Record<string, readonly (readonly number[])[]> = {
  full: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

const times = (matrix: readonly (readonly number[])[], vector: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * (vector[i] as number), 0));

/** OKLab of linear RGB, Ottosson (2020). */
function oklab(rgb: readonly number[]): number[] {
  const lms = times([
    [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005],
  ], rgb).map((part) => Math.cbrt(Math.max(0, part)));
  return times([
    [0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766],
  ], lms);
}

function seen(colour: Rgb, sight: string): number[] {
  return oklab(times(sights[sight] as readonly (readonly number[])[], colour.map(linear)).map((part) => Math.min(1, Math.max(0, part))));
}

describe.each(themes)("the palette, %s", (theme) => {
  const { page, text } = surfaces[theme];
  const colours = [...hues.map((hue) => inkOf(hue, theme)), slate[theme]];

  it("leaves text on every colour a contrast of 4.5 : 1", () => {
    for (const ink of colours) {
      const strongest = washOpacity(ink, theme);
      expect(strongest).toBeGreaterThan(0.3);
      for (const bucket of buckets) {
        expect(contrast(over(ink, strongest * strengthOf(bucket), page), text)).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it("draws bars and stripes at 3 : 1 or more against the page", () => {
    for (const ink of colours) expect(contrast(ink, page)).toBeGreaterThanOrEqual(2.99);
  });

  // Just noticeable side by side is about 0.02.
  it.each([["full", 0.12], ["protanopia", 0.08], ["deuteranopia", 0.075], ["tritanopia", 0.055]] as const)(
    "keeps any two colours apart for %s sight", (sight, least) => {
      for (const [i, one] of colours.entries()) {
        for (const other of colours.slice(0, i)) {
          const b = seen(other, sight);
          expect(Math.hypot(...seen(one, sight).map((part, axis) => part - (b[axis] as number)))).toBeGreaterThanOrEqual(least);
        }
      }
    },
  );
});

describe("buckets", () => {
  it("have a class and a colour each, and none for nothing", () => {
    expect(buckets.length).toBe(2 * STEPS + 1);
    expect(new Set(buckets.map(classOf)).size).toBe(buckets.length);
    expect(new Set(buckets.map(washOf)).size).toBe(buckets.length);
    expect([classOf(-3), classOf(0), classOf(16), classOf(NO_VALUE)]).toEqual(["neuro-n3", "neuro-z", "neuro-p16", "neuro-none"]);
    expect([washOf(0), washOf(NO_VALUE)]).toEqual(["transparent", "transparent"]);
    expect([strengthOf(0), strengthOf(NO_VALUE), strengthOf(-STEPS)]).toEqual([0, 0, 1]);
  });

  it("have the hue above zero and the common slate below", () => {
    expect(washOf(5)).toContain("--neuro-wash");
    expect(washOf(-5)).toContain("--neuro-below");
    expect(new Set(hues.map((hue) => hueProperties(hue)["--neuro-ink"])).size).toBe(HUES);
    expect(new Set(hues.map((hue) => hueProperties(hue)["--neuro-below"])).size).toBe(1);
  });
});
