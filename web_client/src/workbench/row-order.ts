/**
 * The order of the heatmap's rows: as in the list, by largest value, or by similarity.
 *
 * Orders that depend on values are updated only when the values are settled, and clustering runs in small time slices;
 * until then rows keep their places.
 */
import { clusterRows, type Dendrogram } from "../analysis/cluster";

export const ROW_SORTS = ["order", "max", "similarity"] as const;
export type RowSort = (typeof ROW_SORTS)[number];

/** The rows' values at the tokens that count, [rows][tokens]. */
export interface RowValues {
  readonly keys: readonly string[];
  readonly values: readonly Float32Array[];
}

/** The tree behind an order, and the rows that are its leaves. */
export interface RowTree extends Dendrogram {
  readonly keys: readonly string[];
}

const SLICE_MS = 4;

export class RowOrder {
  #ranks: readonly string[] = [];
  #tree: RowTree | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `changed` is called when a new order is ready. */
  constructor(private readonly changed: () => void) {}

  /** The clustering's tree, if `keys` are exactly its rows. */
  treeOf(keys: readonly string[]): RowTree | null {
    const tree = this.#tree;
    return tree !== null && tree.keys.length === keys.length && keys.every((key) => tree.keys.includes(key)) ? tree : null;
  }

  /** These rows in the last order; newer ones come last. */
  apply(keys: readonly string[]): readonly string[] {
    const rank = new Map(this.#ranks.map((key, i) => [key, i]));
    const place = (key: string): number => rank.get(key) ?? rank.size;
    return [...keys].sort((a, b) => place(a) - place(b));
  }

  /** The values are settled: update the order. */
  find(sort: RowSort, rows: RowValues): void {
    this.stop();
    if (sort === "similarity") {
      this.#cluster(rows);
      return;
    }
    this.#tree = null;
    this.#ranks = sort === "max" ? byMaximum(rows) : [];
    this.changed();
  }

  /** Cancel a pending update. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #cluster({ keys, values }: RowValues): void {
    const steps = clusterRows(values);
    const slice = (): void => {
      const end = performance.now() + SLICE_MS;
      do {
        const step = steps.next();
        if (step.done === true) {
          this.#timer = null;
          this.#tree = { ...step.value, keys };
          this.#ranks = step.value.order.map((i) => keys[i] as string);
          this.changed();
          return;
        }
      } while (performance.now() < end);
      this.#timer = setTimeout(slice);
    };
    this.#timer = setTimeout(slice);
  }
}

/** Largest value first; rows with equal maxima keep their order. */
function byMaximum({ keys, values }: RowValues): string[] {
  const maximum = values.map((row) => row.reduce((a, b) => Math.max(a, b), -Infinity));
  const order = keys.map((_, i) => i);
  order.sort((a, b) => (maximum[a] === maximum[b] ? 0 : (maximum[b] as number) - (maximum[a] as number)));
  return order.map((i) => keys[i] as string);
}

/** The tokens that count for an order: not special, with a value in every row. */
export function comparable(
  keys: readonly string[], valuesOf: (key: string) => ArrayLike<number>, tokens: readonly { readonly special: boolean }[],
): RowValues {
  const rows = keys.map(valuesOf);
  // Row by row, as the values lie in memory: 200 rows of 4000 tokens take some 5 ms, and 15 times that token by token.
  const counts = Uint8Array.from(tokens, ({ special }) => (special ? 0 : 1));
  for (const row of rows) for (let i = 0; i < counts.length; i++) if (!(Math.abs(row[i] ?? NaN) < Infinity)) counts[i] = 0;
  const columns = Uint32Array.from(counts.keys()).filter((token) => counts[token] === 1);
  return { keys, values: rows.map((row) => Float32Array.from(columns, (token) => row[token] as number)) };
}
