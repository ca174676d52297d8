/**
 * Average-linkage clustering of rows on correlation distance, and an order that puts similar rows together.
 *
 * The tree is UPGMA (Sokal and Michener 1958), found by nearest-neighbour chains (Murtagh 1983) in O(n^2) after the
 * O(n^2 m) distances. Its leaves are ordered as Gruvaeus and Wainer (1972) do: two branches are joined at their most
 * similar ends. Everything is deterministic; ties go to the first row.
 */

/** One joining of two branches. Branches below `leaves` are rows, branch `leaves + i` is merge `i`. */
export interface Merge {
  readonly a: number;
  readonly b: number;
  /** Mean distance between the rows of the two branches. */
  readonly height: number;
}

export interface Dendrogram {
  /** Rows in display order. */
  readonly order: readonly number[];
  /** One merge fewer than rows; a branch comes after those it joins. */
  readonly merges: readonly Merge[];
}

/**
 * Cluster rows of equal length, [rows][tokens]; no value may be NaN.
 *
 * A generator, because 200 rows of 4000 tokens take some 100 ms: it yields where it can be interrupted.
 */
export function* clusterRows(rows: readonly ArrayLike<number>[]): Generator<undefined, Dendrogram> {
  const distances = yield* correlationDistances(rows);
  return averageLinkage(distances, rows.length);
}

/**
 * One minus Pearson's correlation of every two rows, [rows * rows].
 *
 * A constant row correlates with nothing, so its distance is 1 from rows that vary, and 0 from other constant rows.
 */
export function* correlationDistances(rows: readonly ArrayLike<number>[]): Generator<undefined, Float64Array> {
  const count = rows.length;
  const width = rows[0]?.length ?? 0;
  const unit = new Float64Array(count * width); // each row centred and of length 1, or all zero
  const flat = new Uint8Array(count);
  for (const [i, row] of rows.entries()) {
    flat[i] = standardise(row, unit.subarray(i * width, (i + 1) * width)) ? 0 : 1;
    yield undefined;
  }
  const distances = new Float64Array(count * count);
  for (let i = 1; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const distance = flat[i] === 1 && flat[j] === 1 ? 0 : Math.max(0, 1 - dot(unit, i * width, j * width, width));
      distances[i * count + j] = distance;
      distances[j * count + i] = distance;
    }
    yield undefined;
  }
  return distances;
}

/** Centre a row and scale it to length 1, into `into`; false, and zeros, if it is constant. */
function standardise(row: ArrayLike<number>, into: Float64Array): boolean {
  const { length } = row;
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < length; i++) {
    sum += row[i] as number;
    largest = Math.max(largest, Math.abs(row[i] as number));
  }
  const mean = sum / length;
  let squares = 0;
  for (let i = 0; i < length; i++) {
    const centred = (row[i] as number) - mean;
    into[i] = centred;
    squares += centred * centred;
  }
  const norm = Math.sqrt(squares);
  // A constant's rounding errors are not variation.
  const varies = norm > largest * Math.sqrt(length) * 1e-9;
  for (let i = 0; i < length; i++) into[i] = varies ? (into[i] as number) / norm : 0;
  return varies;
}

/** Four independent sums: about twice as fast as one. */
function dot(values: Float64Array, a: number, b: number, length: number): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s += (values[a + i] as number) * (values[b + i] as number);
    t += (values[a + i + 1] as number) * (values[b + i + 1] as number);
    u += (values[a + i + 2] as number) * (values[b + i + 2] as number);
    v += (values[a + i + 3] as number) * (values[b + i + 3] as number);
  }
  for (; i < length; i++) s += (values[a + i] as number) * (values[b + i] as number);
  return s + t + u + v;
}

/** UPGMA of `count` things from their symmetric distances, [count * count], which are not changed. */
export function averageLinkage(distances: Float64Array, count: number): Dendrogram {
  const between = distances.slice(); // of the branches not joined yet, each at the index of its first row
  const at = (i: number, j: number): number => between[i * count + j] as number;
  const size = new Int32Array(count).fill(1);
  const branch = Int32Array.from({ length: count }, (_, i) => i);
  const leaves: (number[] | null)[] = Array.from({ length: count }, (_, i) => [i]);
  const open = Array.from({ length: count }, (_, i) => i);
  const merges: Merge[] = [];
  const chain: number[] = [];
  while (open.length > 1) {
    if (chain.length === 0) chain.push(open[0] as number);
    const end = chain.at(-1) as number;
    const previous = chain.at(-2);
    // The previous one in the chain wins a tie, so that the chain ends.
    let nearest = previous ?? -1;
    for (const other of open) {
      if (other !== end && (nearest < 0 || at(end, other) < at(end, nearest))) nearest = other;
    }
    if (nearest !== previous) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    const [first, second] = end < nearest ? [end, nearest] : [nearest, end];
    merges.push({ a: branch[first] as number, b: branch[second] as number, height: at(first, second) });
    const [m, n] = [size[first] as number, size[second] as number];
    for (const other of open) {
      const mean = (m * at(first, other) + n * at(second, other)) / (m + n);
      between[first * count + other] = mean;
      between[other * count + first] = mean;
    }
    leaves[first] = join(leaves[first] ?? [], leaves[second] ?? [], distances, count);
    leaves[second] = null;
    size[first] = m + n;
    branch[first] = count + merges.length - 1;
    open.splice(open.indexOf(second), 1);
  }
  return { order: leaves[0] ?? [], merges };
}

/** Joins two orders, each reversed if that makes the adjacent rows more similar. */
function join(a: number[], b: number[], distances: Float64Array, count: number): number[] {
  const ends = [
    [a.at(-1), b[0]], [a.at(-1), b.at(-1)], [a[0], b[0]], [a[0], b.at(-1)],
  ].map(([i, j]) => distances[(i as number) * count + (j as number)] as number);
  const best = ends.indexOf(Math.min(...ends));
  return [...(best < 2 ? a : a.toReversed()), ...(best % 2 === 0 ? b : b.toReversed())];
}
