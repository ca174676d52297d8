/**
 * The neurons of the page, one row each: their order, their look, and which of them is in focus.
 *
 * `Subscriptions` holds the neurons; this adds what the user sets. Pinned rows come first. A row keeps its hue and pin
 * when it steps to a neighbouring neuron; a typed range belongs to the neuron.
 */
import { DisconnectedError, neuronKey, type NeuronName, neuronName, type NeuroscopeClient } from "../client";
import { Emitter } from "../client/emitter";
import { HUES } from "../colour/palette";
import { automatic, isAutomatic, type TypedRange } from "../colour/scale";

export interface Row {
  readonly key: string;
  /** Number of the row's hue (see colour/palette). */
  readonly hue: number;
  /** Comes first, and stays when the others are replaced. */
  readonly pinned: boolean;
  /** Is not drawn in the text and the heatmap. */
  readonly hidden: boolean;
  readonly range: TypedRange;
}

interface Look {
  readonly hue: number;
  readonly pinned: boolean;
  readonly hidden: boolean;
  /** Numbers the rows in the order of adding. */
  readonly added: number;
}

interface Removed {
  readonly rows: readonly { readonly key: string; readonly look: Look; readonly at: number }[];
  readonly focus: string | null;
}

export interface RowsEvents {
  /** The rows, their order, look or focus changed. */
  change: undefined;
  /** The pointer is on another row. */
  point: undefined;
  /** These were removed, and `undoRemove` brings them back; none after it did. */
  removed: readonly string[];
}

const MOST_UNDONE = 50;

/** How long after a step its neighbours stay subscribed. */
const AHEAD_MS = 15_000;

export class Rows extends Emitter<RowsEvents> {
  readonly #client: NeuroscopeClient;
  readonly #looks = new Map<string, Look>();
  readonly #ranges = new Map<string, TypedRange>();
  #removed: readonly Removed[] = [];
  #focus: string | null = null;
  #pointed: string | null = null;
  /** The neuron that the user focused; another one replaces it while the model lacks it. */
  #chosen: string | null = null;
  #list: readonly Row[] | null = null;
  #aheadTimer: ReturnType<typeof setTimeout> | null = null;
  #count = 0;
  /** Being added: the caller handles a refusal. */
  readonly #adding = new Set<string>();

  constructor(client: NeuroscopeClient) {
    super();
    this.#client = client;
    client.subscriptions.on("change", () => {
      this.#list = null;
      this.#keepFocus();
      this.#forgetReturned();
      this.emit("change", undefined);
    });
    this.#keepFocus();
  }

  /** The rows that the model has, in order. */
  get list(): readonly Row[] {
    this.#list ??= this.#client.subscriptions.rows.map(({ key }) => ({ key, ...this.#lookOf(key), range: this.range(key) }));
    return this.#list;
  }

  /** Keys of the rows, in order. */
  get keys(): readonly string[] {
    return this.list.map(({ key }) => key);
  }

  /** The row of a neuron; null if it has none. */
  get(key: string): Row | null {
    return this.list.find((row) => row.key === key) ?? null;
  }

  /** Keys of the wanted neurons that this model lacks. */
  get absent(): readonly string[] {
    return this.#client.subscriptions.absent;
  }

  // ------------------------------------------------------------------ focus

  /** Key of the neuron that colours the text. */
  get focus(): string | null {
    return this.#focus;
  }

  setFocus(key: string): void {
    if (!this.keys.includes(key)) return;
    this.#chosen = key;
    if (key === this.#focus) return;
    this.#focus = key;
    this.#changed();
  }

  /** Key of the neuron under the pointer, wherever it is shown; null for none. */
  get pointed(): string | null {
    return this.#pointed;
  }

  point(key: string | null): void {
    if (key === this.#pointed) return;
    this.#pointed = key;
    this.emit("point", undefined);
  }

  /** Focus the row `step` rows further. */
  moveFocus(step: number): void {
    const { keys } = this;
    const next = keys[Math.max(0, Math.min(keys.length - 1, keys.indexOf(this.#focus ?? "") + step))];
    if (next !== undefined) this.setFocus(next);
  }

  // ------------------------------------------------------------------ which neurons

  /** Whether the caller that adds this neuron handles a refusal. */
  isAdding(key: string): boolean {
    return this.#adding.has(key);
  }

  /** Why the model has no such neuron, in words; null if it has it, or is not known yet. */
  outside(layer: number, neuron: number): string | null {
    const { model } = this.#client;
    const within = (value: number, count: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
    if (model === null || (within(layer, model.layers) && within(neuron, model.neuronsPerLayer))) return null;
    return `This model has layers 0 to ${model.layers - 1}, with neurons 0 to ${model.neuronsPerLayer - 1}.`;
  }

  /** Which of these the model lacks, in words; null if it has all. */
  lacking(keys: readonly string[]): string | null {
    for (const key of keys) {
      const name = neuronName(key);
      const wrong = name === null ? null : this.outside(name.layer, name.neuron);
      if (wrong !== null) return keys.length === 1 ? wrong : `${key}: ${wrong}`;
    }
    return null;
  }

  /** Add neurons and focus the last. Resolves to the server's messages for refused ones. */
  async add(keys: readonly string[]): Promise<string[]> {
    const { subscriptions } = this.#client;
    for (const key of keys) this.#adding.add(key);
    const added = keys.map((key) => subscriptions.add([key]));
    this.setFocus(keys.at(-1) ?? "");
    const refusals: string[] = [];
    for (const [i, outcome] of (await Promise.allSettled(added)).entries()) {
      const key = keys[i] as string;
      this.#adding.delete(key);
      if (outcome.status === "rejected") refusals.push(`${key}: ${(outcome.reason as Error).message}`);
    }
    return refusals;
  }

  remove(key: string): void {
    this.removeAll([key]);
  }

  /** Remove rows; one `undoRemove` brings them back. */
  removeAll(keys: readonly string[]): void {
    const before = this.keys;
    const wanted = this.#client.subscriptions.wanted;
    const rows = wanted.flatMap((key, at) => (keys.includes(key) ? [{ key, look: this.#lookOf(key), at }] : []));
    if (rows.length === 0) return;
    this.#removed = [...this.#removed, { rows, focus: this.#focus }].slice(-MOST_UNDONE);
    if (this.#focus !== null && keys.includes(this.#focus)) {
      const index = before.indexOf(this.#focus);
      const left = (key: string): boolean => !keys.includes(key);
      const next = before.slice(index).find(left) ?? before.slice(0, index).findLast(left);
      if (next !== undefined) this.setFocus(next);
    }
    for (const { key } of rows) this.#looks.delete(key);
    this.#client.subscriptions.remove(rows.map(({ key }) => key));
    this.emit("removed", rows.map(({ key }) => key));
  }

  /** Remove the neurons that this model lacks. */
  removeAbsent(): void {
    this.removeAll(this.absent);
  }

  /** Keys that `undoRemove` would bring back. */
  get removed(): readonly string[] {
    return this.#removed.at(-1)?.rows.map(({ key }) => key) ?? [];
  }

  /** Bring back the last removed rows, with their place and look. */
  undoRemove(): void {
    const last = this.#removed.at(-1);
    if (last === undefined) return;
    this.#removed = this.#removed.slice(0, -1);
    for (const { key, look, at } of last.rows) {
      if (!this.#client.subscriptions.wanted.includes(key)) this.#looks.set(key, look);
      this.#quietly(this.#client.subscriptions.add([key], Math.min(at, this.#client.subscriptions.wanted.length)));
    }
    if (last.focus !== null) this.setFocus(last.focus);
    this.emit("removed", []);
  }

  /** Put another neuron of this model in a row. One that already has a row is only focused; one out of range is
   * ignored. */
  replace(key: string, layer: number, neuron: number): void {
    if (this.outside(layer, neuron) !== null) return;
    const next = neuronKey({ layer, neuron });
    if (this.keys.includes(next)) {
      this.setFocus(next);
      return;
    }
    const focused = this.#focus === key;
    this.#looks.set(next, this.#lookOf(key));
    this.#looks.delete(key);
    const done = this.#client.subscriptions.replace(key, next);
    if (focused) this.setFocus(next);
    this.#quietly(done);
  }

  /**
   * Step a row to a neighbouring neuron, or to the same neuron of a neighbouring layer, skipping those that already
   * have a row.
   */
  step(key: string, { neurons = 0, layers = 0 }: { neurons?: number; layers?: number }): void {
    const name = neuronName(key);
    if (name === null || (neurons === 0 && layers === 0)) return;
    const after = ({ layer, neuron }: NeuronName): NeuronName => {
      const next = { layer: layer + layers, neuron: neuron + neurons };
      return this.keys.includes(neuronKey(next)) ? after(next) : next;
    };
    const next = after(name);
    const second = after(next);
    this.#lookAhead([name, second, after(second)]);
    this.replace(key, next.layer, next.neuron);
  }

  /** Prefetch the values of the next and previous neurons: a step is often followed by another, or by a step back. */
  #lookAhead(names: readonly NeuronName[]): void {
    const { subscriptions } = this.#client;
    subscriptions.ahead(names.filter(({ layer, neuron }) => this.outside(layer, neuron) === null).map(neuronKey));
    if (this.#aheadTimer !== null) clearTimeout(this.#aheadTimer);
    this.#aheadTimer = setTimeout(() => { subscriptions.ahead([]); }, AHEAD_MS);
  }

  // ------------------------------------------------------------------ order and look

  /** Move a row to `index` of the list; pinned rows stay before the others. */
  move(key: string, index: number): void {
    const row = this.get(key);
    if (row === null) return;
    const others = this.list.filter((other) => other.key !== key);
    const pinned = others.filter((other) => other.pinned).length;
    const at = row.pinned ? Math.min(index, pinned) : Math.max(index, pinned);
    this.#order([...others.slice(0, Math.max(0, at)), row, ...others.slice(Math.max(0, at))].map((other) => other.key));
  }

  /** Give the rows another order; pinned rows stay before the others. */
  sort(keys: readonly string[]): void {
    const place = (key: string): number => (this.get(key)?.pinned === true ? 0 : 1);
    this.#order([...keys].sort((a, b) => place(a) - place(b)));
  }

  /** Rows in the order of adding; one that stepped to a neighbour keeps its place. */
  get byAge(): readonly string[] {
    return [...this.keys].sort((a, b) => this.#lookOf(a).added - this.#lookOf(b).added);
  }

  /** Pin a row after the other pinned ones, or unpin it to the start of the others. */
  pin(key: string, pinned: boolean): void {
    const row = this.get(key);
    if (row === null || row.pinned === pinned) return;
    this.#look(key, { pinned });
    this.move(key, this.list.filter((other) => other.key !== key && other.pinned).length);
  }

  /** Whether a row is drawn in the text and the heatmap. */
  hide(key: string, hidden: boolean): void {
    if (this.get(key) !== null) this.#look(key, { hidden });
  }

  /** Set a neuron's look, before or after it has a row. */
  dress(key: string, look: Partial<Look>): void {
    this.#look(key, look);
  }

  /** A neuron's look, whether the model has it or not; null if none was set. */
  look(key: string): Look | null {
    return this.#looks.get(key) ?? null;
  }

  range(key: string): TypedRange {
    return this.#ranges.get(key) ?? automatic;
  }

  setRange(key: string, range: TypedRange): void {
    if (isAutomatic(range)) this.#ranges.delete(key);
    else this.#ranges.set(key, range);
    this.#changed();
  }

  // ------------------------------------------------------------------ inside

  #lookOf(key: string): Look {
    const known = this.#looks.get(key);
    if (known !== undefined) return known;
    const look = { hue: this.#freeHue(), pinned: false, hidden: false, added: this.#count++ };
    this.#looks.set(key, look);
    return look;
  }

  /** The least used hue; of several the first. */
  #freeHue(): number {
    const uses = new Array<number>(HUES).fill(0);
    for (const key of this.#client.subscriptions.wanted) {
      const look = this.#looks.get(key);
      if (look !== undefined) uses[look.hue] = (uses[look.hue] ?? 0) + 1;
    }
    return uses.indexOf(Math.min(...uses));
  }

  #look(key: string, look: Partial<Look>): void {
    this.#looks.set(key, { ...this.#lookOf(key), ...look });
    this.#changed();
  }

  #order(keys: readonly string[]): void {
    this.#client.subscriptions.reorder(keys);
  }

  /** Rows that have been added again need no undoing. */
  #forgetReturned(): void {
    const { wanted } = this.#client.subscriptions;
    const left = this.#removed.filter(({ rows }) => !rows.every(({ key }) => wanted.includes(key)));
    const voided = left.at(-1) !== this.#removed.at(-1);
    this.#removed = left;
    if (voided) this.emit("removed", []);
  }

  #keepFocus(): void {
    const { keys } = this;
    if (this.#chosen !== null && keys.includes(this.#chosen)) this.#focus = this.#chosen;
    else if (this.#focus === null || !keys.includes(this.#focus)) this.#focus = keys[0] ?? null;
  }

  #changed(): void {
    this.#list = null;
    this.emit("change", undefined);
  }

  /** A refusal already has its notice; after a lost connection the rows are restored anyway. */
  #quietly(done: Promise<void>): void {
    done.catch((error: unknown) => {
      if (!(error instanceof DisconnectedError)) this.#changed();
    });
  }
}
