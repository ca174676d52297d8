import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { averageLinkage, clusterRows, correlationDistances, type Dendrogram } from "../../src/analysis/cluster";

function finish<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Distances without ties, from a seed. */
function distancesOf(count: number, seed: number): Float64Array {
  let state = seed >>> 0;
  const random = (): number => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const distances = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) distances[i * count + j] = distances[j * count + i] = random() * 2;
  }
  return distances;
}

function meanBetween(a: readonly number[], b: readonly number[], distances: Float64Array, count: number): number {
  let sum = 0;
  for (const i of a) for (const j of b) sum += distances[i * count + j] as number;
  return sum / (a.length * b.length);
}

/** The slow twin: look at all pairs of clusters, join the two nearest, by the definition of the mean distance. */
function naiveClusters(distances: Float64Array, count: number): { members: number[]; height: number }[] {
  let clusters = Array.from({ length: count }, (_, i) => [i]);
  const joined: { members: number[]; height: number }[] = [];
  while (clusters.length > 1) {
    let best = { a: 0, b: 1, height: Infinity };
    for (let a = 0; a < clusters.length; a++) {
      for (let b = a + 1; b < clusters.length; b++) {
        const height = meanBetween(clusters[a] as number[], clusters[b] as number[], distances, count);
        if (height < best.height) best = { a, b, height };
      }
    }
    const members = [...(clusters[best.a] as number[]), ...(clusters[best.b] as number[])].sort((x, y) => x - y);
    clusters = [...clusters.filter((_, i) => i !== best.a && i !== best.b), members];
    joined.push({ members, height: best.height });
  }
  return joined;
}

/** Rows below each merge. */
function membersOf({ merges }: Dendrogram, count: number): number[][] {
  const members = Array.from({ length: count }, (_, i) => [i]);
  for (const { a, b } of merges) members.push([...(members[a] as number[]), ...(members[b] as number[])]);
  return members.slice(count);
}

describe("average linkage", () => {
  it("makes the clusters that joining the two nearest again and again makes", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 24 }), fc.integer(), (count, seed) => {
      const distances = distancesOf(count, seed);
      const tree = averageLinkage(distances, count);
      const found = membersOf(tree, count).map((members, i) => ({
        members: members.sort((x, y) => x - y), height: tree.merges[i]?.height ?? NaN,
      }));
      const byName = (a: { members: number[] }, b: { members: number[] }): number => (a.members.join() < b.members.join() ? -1 : 1);
      const expected = naiveClusters(distances, count).sort(byName);
      found.sort(byName);
      expect(found.map(({ members }) => members)).toEqual(expected.map(({ members }) => members));
      found.forEach(({ height }, i) => { expect(height).toBeCloseTo(expected[i]?.height ?? NaN, 9); });
    }));
  });

  it("keeps branches together, whatever the ties, and its heights are what they say", () => {
    const tied = fc.integer({ min: 1, max: 20 }).chain((count) => fc.tuple(
      fc.constant(count), fc.array(fc.integer({ min: 0, max: 3 }), { minLength: count * count, maxLength: count * count }),
    ));
    fc.assert(fc.property(tied, ([count, raw]) => {
      const distances = Float64Array.from(raw, (_, place) => {
        const [i, j] = [Math.floor(place / count), place % count];
        return i === j ? 0 : raw[Math.max(i, j) * count + Math.min(i, j)] as number;
      });
      const before = distances.slice();
      const tree = averageLinkage(distances, count);
      expect(distances).toEqual(before);
      expect([...tree.order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(tree.merges.length).toBe(count - 1);
      const place = new Map(tree.order.map((row, i) => [row, i]));
      const members = [...Array.from({ length: count }, (_, i) => [i]), ...membersOf(tree, count)];
      tree.merges.forEach(({ a, b, height }, i) => {
        const places = (members[count + i] as number[]).map((row) => place.get(row) as number);
        expect(Math.max(...places) - Math.min(...places)).toBe(places.length - 1);
        expect(height).toBeCloseTo(meanBetween(members[a] as number[], members[b] as number[], distances, count), 9);
        for (const branch of [a, b]) if (branch >= count) expect(tree.merges[branch - count]?.height).toBeLessThanOrEqual(height + 1e-9);
      });
      expect(averageLinkage(distances, count)).toEqual(tree);
    }));
  });

  it("turns branches so that what meets is alike", () => {
    // Points on a line, in a shuffled order: the only sensible order is the one along the line.
    const points = [9, 0, 4.1, 10, 1.1, 5];
    const distances = Float64Array.from({ length: 36 }, (_, i) => Math.abs((points[Math.floor(i / 6)] as number) - (points[i % 6] as number)));
    const along = averageLinkage(distances, 6).order.map((row) => points[row] as number);
    const rising = [...points].sort((a, b) => a - b);
    expect([rising, rising.toReversed()]).toContainEqual(along);
  });
});

describe("rows", () => {
  const row = (length: number): fc.Arbitrary<number[]> => fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: length, maxLength: length });

  it("are as far apart as Pearson's correlation says", () => {
    const rows = fc.integer({ min: 2, max: 30 }).chain((length) => fc.array(row(length), { minLength: 2, maxLength: 6 }));
    fc.assert(fc.property(rows, (values) => {
      const distances = finish(correlationDistances(values));
      const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
      const covariance = (xs: readonly number[], ys: readonly number[]): number => mean(xs.map((x, i) => (x - mean(xs)) * ((ys[i] as number) - mean(ys))));
      const flat = (xs: readonly number[]): boolean => Math.sqrt(covariance(xs, xs)) <= 1e-8 * Math.max(...xs.map(Math.abs));
      values.forEach((xs, i) => {
        values.forEach((ys, j) => {
          const found = distances[i * values.length + j] as number;
          if (i === j) expect(found).toBe(0);
          else if (flat(xs) || flat(ys)) return; // below
          else expect(found).toBeCloseTo(1 - covariance(xs, ys) / Math.sqrt(covariance(xs, xs) * covariance(ys, ys)), 6);
        });
      });
    }));
  });

  it("that do not vary are alike, and unlike all others", () => {
    const distances = finish(correlationDistances([[0, 0, 0], [1, 2, 4], [0.1, 0.1, 0.1], [-2, -4, -8]]));
    expect(distances[0 * 4 + 2]).toBe(0);
    expect(distances[0 * 4 + 1]).toBe(1);
    expect(distances[1 * 4 + 3]).toBeCloseTo(2, 12);
  });

  it("of the same shape come to stand together", () => {
    const wave = (phase: number, scale: number): number[] => Array.from({ length: 40 }, (_, i) => scale * Math.sin(i / 3 + phase) + (i % 7) / 90);
    const rows = [wave(0, 1), wave(2, 4), wave(0.1, 9), wave(2.1, 0.5), wave(0.05, 3)];
    expect(finish(clusterRows(rows)).order.map((i) => "ABABA".charAt(i)).join("")).toMatch(/^(AAABB|BBAAA)$/);
  });

  it("may be none, one, or of no tokens", () => {
    expect(finish(clusterRows([]))).toEqual({ order: [], merges: [] });
    expect(finish(clusterRows([[1, 2]]))).toEqual({ order: [0], merges: [] });
    expect(finish(clusterRows([[], []]))).toEqual({ order: [0, 1], merges: [{ a: 0, b: 1, height: 0 }] });
  });

  it("are left after every row", () => {
    const steps = clusterRows([[1, 2], [2, 1], [1, 1]]);
    for (let i = 0; i < 5; i++) expect(steps.next().done).toBe(false); // three rows centred, two rows of distances
    expect(steps.next().done).toBe(true);
  });
});
