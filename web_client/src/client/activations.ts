/**
 * The activations of a document: one row per neuron, one column per token, and whether each value is current.
 *
 * Splices move columns along with their tokens, so a value stays with the token it belongs to.
 */

/** State of one value. */
export const Freshness = {
  /** The server's value for the current tokens. */
  fresh: 0,
  /** A value for this token in an older text; a new one follows. */
  stale: 1,
  /** No value yet. */
  missing: 2,
} as const;
export type Freshness = (typeof Freshness)[keyof typeof Freshness];

/** Extremes of a row over the tokens of the text itself, special tokens left out. */
export interface Extent {
  readonly max: number;
  readonly maxAt: number;
  readonly min: number;
  readonly minAt: number;
}

class Row {
  values: Float32Array;
  freshness: Uint8Array;
  /** Largest absolute value since the row was made: a colour scale that only grows. */
  widest = 0;
  extent: Extent | null | undefined;

  constructor(capacity: number) {
    this.values = new Float32Array(capacity).fill(NaN);
    this.freshness = new Uint8Array(capacity).fill(Freshness.missing);
  }

  grow(capacity: number): void {
    const values = new Float32Array(capacity).fill(NaN);
    values.set(this.values);
    this.values = values;
    const freshness = new Uint8Array(capacity).fill(Freshness.missing);
    freshness.set(this.freshness);
    this.freshness = freshness;
  }
}

const SPARE = 64; // more columns than needed, so that typing does not copy rows

export class ActivationTable {
  readonly #rows = new Map<string, Row>();
  #special = new Uint8Array(SPARE);
  #length = 0;

  /** Number of columns (tokens). */
  get length(): number {
    return this.#length;
  }

  get keys(): string[] {
    return [...this.#rows.keys()];
  }

  /** Keep exactly these rows; new ones begin without values. */
  setRows(keys: Iterable<string>): void {
    const wanted = new Set(keys);
    for (const key of this.#rows.keys()) if (!wanted.has(key)) this.#rows.delete(key);
    for (const key of wanted) if (!this.#rows.has(key)) this.#rows.set(key, new Row(this.#special.length));
  }

  /** The splice of the tokens; what follows the new columns is stale up to column `staleTo` of the new list. */
  splice(start: number, deleteCount: number, specials: readonly boolean[], staleTo: number): void {
    const before = this.#length;
    const after = before - deleteCount + specials.length;
    if (after > this.#special.length) {
      const capacity = after + SPARE + (after >> 2);
      const special = new Uint8Array(capacity);
      special.set(this.#special);
      this.#special = special;
      for (const row of this.#rows.values()) row.grow(capacity);
    }
    const end = start + specials.length;
    this.#special.copyWithin(end, start + deleteCount, before);
    specials.forEach((special, i) => { this.#special[start + i] = special ? 1 : 0; });
    for (const row of this.#rows.values()) {
      row.values.copyWithin(end, start + deleteCount, before);
      row.freshness.copyWithin(end, start + deleteCount, before);
      row.values.fill(NaN, start, end);
      row.freshness.fill(Freshness.missing, start, end);
      for (let i = end; i < staleTo; i++) if (row.freshness[i] === Freshness.fresh) row.freshness[i] = Freshness.stale;
      row.extent = undefined;
    }
    this.#length = after;
  }

  /** Store the values of `key` from column `start` on; rows that are not kept are ignored. */
  write(key: string, start: number, values: ArrayLike<number>): void {
    const row = this.#rows.get(key);
    if (row === undefined) return;
    row.values.set(values, start);
    row.freshness.fill(Freshness.fresh, start, start + values.length);
    row.extent = undefined;
    for (let i = 0; i < values.length; i++) {
      const size = Math.abs(values[i] as number);
      if (size > row.widest && this.#special[start + i] === 0) row.widest = size;
    }
  }

  /** All values are current: the server has sent every change. */
  settle(): void {
    for (const row of this.#rows.values()) {
      for (let i = 0; i < this.#length; i++) if (row.freshness[i] === Freshness.stale) row.freshness[i] = Freshness.fresh;
    }
  }

  /** All values are stale until the server has answered. */
  doubt(): void {
    for (const row of this.#rows.values()) {
      for (let i = 0; i < this.#length; i++) if (row.freshness[i] === Freshness.fresh) row.freshness[i] = Freshness.stale;
    }
  }

  /** Forget all values and extremes: the model has changed. */
  reset(): void {
    for (const key of this.#rows.keys()) this.#rows.set(key, new Row(this.#special.length));
  }

  /** Values of one neuron, [tokens]; NaN if there is none. A view: copy it to keep it. */
  values(key: string): Float32Array {
    return this.#rows.get(key)?.values.subarray(0, this.#length) ?? new Float32Array(this.#length).fill(NaN);
  }

  /** Freshness of one neuron's values, [tokens]. A view. */
  freshness(key: string): Uint8Array {
    return this.#rows.get(key)?.freshness.subarray(0, this.#length) ?? new Uint8Array(this.#length).fill(Freshness.missing);
  }

  /** Whether any value of this neuron has come, of this text or an older one. */
  known(key: string): boolean {
    return this.freshness(key).some((state) => state !== Freshness.missing);
  }

  widest(key: string): number {
    return this.#rows.get(key)?.widest ?? 0;
  }

  /** Whether these rows have all their values. */
  complete(keys: readonly string[]): boolean {
    for (const key of keys) {
      const row = this.#rows.get(key);
      if (row === undefined) return false;
      if (row.freshness.subarray(0, this.#length).includes(Freshness.missing)) return false;
    }
    return true;
  }

  /** Extremes over the text's own tokens; null when none has a value. */
  extent(key: string): Extent | null {
    const row = this.#rows.get(key);
    if (row === undefined) return null;
    if (row.extent !== undefined) return row.extent;
    let maxAt = -1;
    let minAt = -1;
    let max = -Infinity;
    let min = Infinity;
    for (let i = 0; i < this.#length; i++) {
      if (this.#special[i] !== 0) continue;
      const value = row.values[i] as number; // NaN fails both comparisons
      if (value > max) { max = value; maxAt = i; }
      if (value < min) { min = value; minAt = i; }
    }
    row.extent = maxAt < 0 ? null : { max, maxAt, min, minAt };
    return row.extent;
  }
}
