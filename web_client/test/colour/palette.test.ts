import { describe, expect, it } from "vitest";
import {
  adaptiveColourOf,
  buckets,
  classOf,
  colourOf,
  ends,
  opacityOf,
  type Rgb,
  type Theme,
} from "../../src/colour/palette";
import { NO_VALUE, STEPS } from "../../src/colour/scale";

/** Relative luminance, WCAG 2. */
function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function over(bucket: number, theme: Theme): Rgb {
  const { negative, positive, page } = ends[theme];
  const alpha = opacityOf(bucket);
  return (bucket < 0 ? negative : positive).map(
    (channel, i) => channel * alpha + (page[i] as number) * (1 - alpha),
  ) as unknown as Rgb;
}

/** What a person with deuteranopia sees, linear RGB matrix of Viénot, Brettel and Mollon (1999). */
function deuteranope([red, green, blue]: Rgb): Rgb {
  return [0.29 * red + 0.71 * green, 0.29 * red + 0.71 * green, -0.02 * red + 0.02 * green + blue];
}

describe("the palette", () => {
  it("leaves text on every bucket a contrast of 4.5 : 1, in both themes", () => {
    for (const theme of ["light", "dark"] as const) {
      for (const bucket of buckets) expect(contrast(over(bucket, theme), ends[theme].text)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it("keeps both ends apart for those who see no green", () => {
    for (const theme of ["light", "dark"] as const) {
      const [negative, positive] = [deuteranope(over(-STEPS, theme)), deuteranope(over(STEPS, theme))];
      expect(Math.hypot(...negative.map((channel, i) => channel - (positive[i] as number)))).toBeGreaterThan(80);
    }
  });

  it("gives each bucket a class and a colour of its own, and none to nothing", () => {
    expect(buckets.length).toBe(2 * STEPS + 1);
    expect(new Set(buckets.map(classOf)).size).toBe(buckets.length);
    expect(new Set(buckets.map(adaptiveColourOf)).size).toBe(buckets.length);
    expect([classOf(-3), classOf(0), classOf(16), classOf(NO_VALUE)]).toEqual([
      "neuro-n3",
      "neuro-z",
      "neuro-p16",
      "neuro-none",
    ]);
    expect([colourOf(0, "light"), colourOf(NO_VALUE, "dark")]).toEqual(["transparent", "transparent"]);
  });
});
