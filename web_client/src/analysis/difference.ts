/** Differences of the values of two texts, token by token. */
import { type Alignment, NONE } from "./align";

/** right - left at every token of the right text, [right tokens]; NaN without a partner or a value. */
export function differences(left: ArrayLike<number>, right: ArrayLike<number>, { rightToLeft }: Alignment): Float32Array {
  return Float32Array.from(rightToLeft, (partner, token) => (
    partner === NONE ? NaN : (right[token] ?? NaN) - (left[partner] ?? NaN)
  ));
}

/** The largest difference of a neuron, and where. */
export interface Departure {
  readonly key: string;
  /** right - left. */
  readonly difference: number;
  /** Token of the right text. */
  readonly token: number;
}

/** The token with the largest difference, among those that `counts` accepts; null if there is none. */
export function largest(values: ArrayLike<number>, counts: (token: number) => boolean): number | null {
  let best: number | null = null;
  for (let token = 0; token < values.length; token++) {
    const size = Math.abs(values[token] as number); // NaN fails the comparison
    if (size > (best === null ? -1 : Math.abs(values[best] as number)) && counts(token)) best = token;
  }
  return best;
}

/** The largest first. */
export function furthestFirst(departures: readonly Departure[]): Departure[] {
  return [...departures].sort((a, b) => Math.abs(b.difference) - Math.abs(a.difference));
}
