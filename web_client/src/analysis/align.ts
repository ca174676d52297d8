/**
 * Aligns the tokens of two texts.
 *
 * First a longest common subsequence of the token ids, by Myers's difference algorithm ("An O(ND) Difference Algorithm
 * and Its Variations", 1986) in its linear-space form. Then tokens that were replaced by equally many are paired one by
 * one: the differences of a minimal pair.
 */

/** Partners by token; NONE for tokens without one. Partners never cross. */
export interface Alignment {
  readonly leftToRight: Int32Array;
  readonly rightToLeft: Int32Array;
}

export const NONE = -1;

/** Partners of the tokens of two texts, given by their ids. */
export function align(left: ArrayLike<number>, right: ArrayLike<number>): Alignment {
  const { leftToRight, rightToLeft } = commonSubsequence(left, right);
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [x, y] = [i, j];
    while (i < left.length && leftToRight[i] === NONE) i++;
    while (j < right.length && rightToLeft[j] === NONE) j++;
    if (i - x === j - y) {
      for (let k = 0; x + k < i; k++) {
        leftToRight[x + k] = y + k;
        rightToLeft[y + k] = x + k;
      }
    }
    i++;
    j++;
  }
  return { leftToRight, rightToLeft };
}

/**
 * The number of differences searched for the shortest path. Texts that differ in more are aligned piecewise: still a
 * common subsequence, perhaps not the longest, in time O((m + n) * MOST).
 */
const MOST = 100;

/** A longest common subsequence, as pairs of equal tokens. */
export function commonSubsequence(left: ArrayLike<number>, right: ArrayLike<number>, most = MOST): Alignment {
  const leftToRight = new Int32Array(left.length).fill(NONE);
  const rightToLeft = new Int32Array(right.length).fill(NONE);
  const reach = Math.min(most, Math.ceil((left.length + right.length) / 2)) + 1;
  const forward = new Int32Array(2 * reach + 1);
  const backward = new Int32Array(2 * reach + 1);
  const pair = (i: number, j: number): void => {
    leftToRight[i] = j;
    rightToLeft[j] = i;
  };

  /** Pair the tokens of left[from, to) and right[start, stop). */
  const solve = (from: number, to: number, start: number, stop: number): void => {
    for (;;) {
      while (from < to && start < stop && left[from] === right[start]) pair(from++, start++);
      while (from < to && start < stop && left[to - 1] === right[stop - 1]) pair(--to, --stop);
      if (from === to || start === stop) return;
      const [x, y] = split(from, to, start, stop);
      solve(from, x, start, y);
      from = x;
      start = y;
    }
  };

  /** An inner point of a shortest path through the differences of the two pieces. */
  const split = (from: number, to: number, start: number, stop: number): readonly [number, number] => {
    const width = to - from;
    const height = stop - start;
    const delta = width - height;
    forward.fill(NONE);
    backward.fill(NONE);
    forward[reach + 1] = 0;
    backward[reach + 1] = 0;
    // Furthest point on diagonal k (x - y) after one more step; the neighbouring diagonals hold those of the previous
    // step.
    const step = (furthest: Int32Array, k: number): number => {
      const below = furthest[reach + k + 1] as number;
      const beside = (furthest[reach + k - 1] as number) + 1;
      const down = below >= 0 && below - k <= height ? below : NONE;
      const across = beside > 0 && beside <= width ? beside : NONE;
      return Math.max(down, across);
    };
    for (let d = 0; d < reach; d++) {
      for (let k = -d; k <= d; k += 2) {
        let x = step(forward, k);
        const begin = x;
        if (x !== NONE) while (x < width && x - k < height && left[from + x] === right[start + x - k]) x++;
        forward[reach + k] = x;
        const opposite = delta - k;
        if (x === NONE || delta % 2 === 0 || Math.abs(opposite) >= d) continue;
        const back = backward[reach + opposite] as number;
        if (back !== NONE && x + back >= width) return [from + begin, start + begin - k];
      }
      for (let k = -d; k <= d; k += 2) {
        let x = step(backward, k);
        if (x !== NONE) while (x < width && x - k < height && left[to - 1 - x] === right[stop - 1 - x + k]) x++;
        backward[reach + k] = x;
        const opposite = delta - k;
        if (x === NONE || delta % 2 !== 0 || Math.abs(opposite) > d) continue;
        const front = forward[reach + opposite] as number;
        if (front !== NONE && x + front >= width) return [to - x, stop - (x - k)];
      }
    }
    return furthestOf(forward, from, start);
  };

  /** The furthest point that the searched paths have reached. */
  const furthestOf = (furthest: Int32Array, from: number, start: number): readonly [number, number] => {
    let best: readonly [number, number] = [from, start];
    for (let k = 1 - reach; k < reach; k++) {
      const x = furthest[reach + k] as number;
      if (x !== NONE && 2 * x - k > best[0] - from + best[1] - start) best = [from + x, start + x - k];
    }
    return best;
  };

  solve(0, left.length, 0, right.length);
  return { leftToRight, rightToLeft };
}
