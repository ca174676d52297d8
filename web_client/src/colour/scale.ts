/**
 * From an activation to a colour bucket.
 *
 * The scale diverges at zero: -STEPS is the strongest slate, 0 the page itself, +STEPS the strongest of the neuron's
 * hue. Both sides have the same reach unless the user typed another one, so that equal sizes look equally strong. The
 * reach does not follow the current text unless chosen: it comes from the neuron's statistics, or else from the largest
 * magnitude seen, which only grows. From the statistics it takes a high quantile, because next to a corpus's single
 * largest value nearly all others would be pale.
 */

/** Buckets on each side of zero. */
export const STEPS = 16;

/** Instead of a bucket if there is no value. */
export const NO_VALUE = -128;

/** Values at which the colours are strongest; min <= 0 <= max. */
export interface Scale {
  readonly min: number;
  readonly max: number;
}

/** The range that the user typed; null is automatic. */
export interface TypedRange {
  readonly min: number | null;
  readonly max: number | null;
  /** Automatic bounds follow the current text instead of the neuron's statistics. */
  readonly text?: true;
}

export const automatic: TypedRange = { min: null, max: null };

/** A neuron's activations over a corpus: extremes, and quantiles by level, such as "0.999". */
export interface Spread {
  readonly min: number;
  readonly max: number;
  readonly quantiles: Readonly<Record<string, number>>;
}

const LEAST_LEVEL = 0.999;

/**
 * The reach of a neuron's colours, and the level of that quantile; null if it comes from the extremes.
 *
 * The level is the lowest given one from 0.999 on. Its lower counterpart, if given, counts if it is further from zero.
 */
export function reachOf({ min, max, quantiles }: Spread): { readonly reach: number; readonly level: number | null } {
  const rising = Object.entries(quantiles).map(([level, value]) => [Number(level), value] as const).sort(([a], [b]) => a - b);
  const high = rising.find(([level]) => level >= LEAST_LEVEL && level < 1);
  if (high !== undefined) {
    const [level, value] = high;
    const low = rising.find(([other]) => Math.abs(other - (1 - level)) < 1e-9)?.[1] ?? 0;
    const reach = Math.max(Math.abs(value), Math.abs(low));
    if (reach > 0 && Number.isFinite(reach)) return { reach, level };
  }
  return { reach: Math.max(Math.abs(min), Math.abs(max)), level: null };
}

/** Where a scale comes from, in words. */
export function originOf(known: Spread | null, range: TypedRange): string {
  if (range.min !== null || range.max !== null) return "typed";
  if (range.text === true) return "widest of this text";
  if (known === null) return "widest seen";
  const { level } = reachOf(known);
  return level === null ? "extremes of held-out text" : `${Number((level * 100).toFixed(4))} % of held-out text`;
}

/** Possible sources of the reach of a neuron's colours. */
export interface Reaches {
  /** Its spread over a corpus; null without statistics. */
  readonly known: Spread | null;
  /** The widest value seen. */
  readonly widest: number;
  /** The widest value of the current text. */
  readonly text: number;
}

/** The scale of a neuron. */
export function scaleOf({ known, widest, text }: Reaches, range: TypedRange): Scale {
  const reach = range.text === true ? text : known === null ? widest : reachOf(known).reach;
  const usable = reach > 0 && Number.isFinite(reach) ? reach : 1;
  return { min: range.min ?? -usable, max: range.max ?? usable };
}

/** Whether a range is the default. */
export function isAutomatic({ min, max, text }: TypedRange): boolean {
  return min === null && max === null && text !== true;
}

/** The bucket of a value, in [-STEPS, STEPS]; NO_VALUE for NaN. A side without reach has no colours. */
export function bucketOf(value: number, { min, max }: Scale): number {
  if (Number.isNaN(value)) return NO_VALUE;
  const reach = value < 0 ? -min : max;
  if (reach <= 0) return 0;
  return Math.sign(value) * Math.min(STEPS, Math.round((Math.abs(value) / reach) * STEPS));
}

/** Buckets of many values, into `into` or a new array. */
export function bucketsOf(values: ArrayLike<number>, scale: Scale): Int8Array {
  const buckets = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) buckets[i] = bucketOf(values[i] as number, scale);
  return buckets;
}

/** Read a typed bound: null if empty, NaN if it is not a number or on the wrong side of zero. */
export function parseBound(input: string, side: "min" | "max"): number | null {
  const text = input.trim().replace("\u2212", "-").replace(",", ".");
  if (text === "") return null;
  const value = Number(text);
  return Number.isFinite(value) && (side === "max" ? value >= 0 : value <= 0) ? value : NaN;
}
