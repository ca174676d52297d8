/**
 * The rank of a value among a neuron's activations over a corpus, so that "strong" has a meaning.
 *
 * The scale counts nines: from the median on, each step is a value ten times as rare. This spreads the few tokens on
 * which a neuron fires; on a linear scale they would all be at one end.
 */
import type { Spread } from "./scale";

export interface Rank {
  /** The highest level whose quantile the value exceeds, in (0, 1); null if it exceeds none. */
  readonly level: number | null;
  /** Above everything in the corpus. */
  readonly record: boolean;
  /** On the scale of nines, 0 to 1 = the corpus's maximum. */
  readonly place: number;
}

/** A level's distance from the start of the scale, in nines: 0.9 is 1, 0.99 is 2. */
function ninesOf(level: number): number {
  return -Math.log10(1 - level);
}

interface Step {
  readonly level: number;
  readonly value: number;
  readonly place: number;
}

function risingLevels({ quantiles }: Spread): { readonly level: number; readonly value: number }[] {
  return Object.entries(quantiles)
    .map(([level, value]) => ({ level: Number(level), value }))
    .filter(({ level, value }) => level > 0 && level < 1 && Number.isFinite(value))
    .sort((a, b) => a.level - b.level);
}

/** The steps of the scale: the given levels from the median on, and the maximum one nine after the last. */
function stepsOf(spread: Spread): Step[] {
  const upper = risingLevels(spread).filter(({ level }) => level >= 0.5);
  const end = ninesOf(upper.at(-1)?.level ?? 0) + 1;
  return [
    ...upper.map(({ level, value }) => ({ level, value, place: ninesOf(level) / end })),
    { level: 1, value: spread.max, place: 1 },
  ];
}

/** Places of the levels given, for marks on the scale. */
export function rankMarks(spread: Spread): { readonly level: number; readonly place: number }[] {
  return stepsOf(spread).slice(0, -1).filter(({ level }) => level > 0.5).map(({ level, place }) => ({ level, place }));
}

export function rankOf(value: number, spread: Spread): Rank {
  const level = risingLevels(spread).findLast((given) => value > given.value)?.level ?? null;
  let before = { value: spread.min, place: 0 };
  for (const step of stepsOf(spread)) {
    if (value <= step.value) {
      const span = step.value - before.value; // several quantiles may be one value
      const share = span > 0 ? Math.max(0, (value - before.value) / span) : 0;
      return { level, record: false, place: before.place + share * (step.place - before.place) };
    }
    before = step;
  }
  return { level, record: true, place: 1 };
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(4))} %`;
}

/** A rank in a few characters. */
export function rankLabel({ level, record }: Rank): string {
  return record ? "> max" : level === null ? "low" : `> ${percent(level)}`;
}

/** A rank as the end of a sentence about a value. */
export function rankWords({ level, record }: Rank): string {
  if (record) return "stronger than on any held-out token";
  return level === null ? "weaker than on nearly all held-out tokens" : `stronger than on ${percent(level)} of held-out tokens`;
}
