/**
 * The neurons that are wanted, in the order of their rows, and those that the server sends.
 *
 * A person's wishes change faster than a round trip. So wishes take effect here at once, and one loop brings the server's
 * set after them: what is wanted and not there is subscribed, then what is there and not wanted is unsubscribed (in this
 * order, so that a layer stays captured while stepping from one of its neurons to the next). A reconnection is the same
 * loop with another starting set.
 */
import type { Neuron } from "../wire";
import { DisconnectedError, ErrorCode, NeuroscopeError, RequestError } from "./errors";
import { Emitter } from "./emitter";
import { neuronKey, neuronName, type NeuronRef, neuronRef } from "./neuron";

export interface SubscriptionLink {
  subscribe(neurons: NeuronRef[]): Promise<Neuron[]>;
  unsubscribe(neurons: NeuronRef[]): Promise<Neuron[]>;
}

/** One row: a neuron, and what the server told of it (null until it did). */
export interface SubscribedNeuron {
  readonly key: string;
  readonly neuron: Neuron | null;
}

export interface SubscriptionEvents {
  /** Other rows, another order, or the server told more about one. */
  change: undefined;
  /** The server does not have this neuron; its row is gone. */
  refused: { readonly key: string; readonly error: Error };
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Subscriptions extends Emitter<SubscriptionEvents> {
  #wanted: string[] = [];
  #served = new Set<string>();
  readonly #told = new Map<string, Neuron>();
  readonly #waiters = new Map<string, Waiter[]>();
  #link: SubscriptionLink | null = null;
  #running = false;

  /** Wanted rows, in order. */
  get rows(): readonly SubscribedNeuron[] {
    return this.#wanted.map((key) => ({ key, neuron: this.#told.get(key) ?? null }));
  }

  /** What the server told of a neuron; null before it did. */
  neuron(key: string): Neuron | null {
    return this.#told.get(key) ?? null;
  }

  /** Rows that have or may get values: the wanted ones and those that the server still sends. */
  get keys(): string[] {
    return [...new Set([...this.#wanted, ...this.#served])];
  }

  /** Whether the server sends exactly what is wanted. */
  get settled(): boolean {
    return !this.#running && this.#served.size === this.#wanted.length && this.#wanted.every((key) => this.#served.has(key));
  }

  /**
   * Add neurons before row `at` (default: at the end). Resolves when the server sends them or they were removed again,
   * rejects when it refuses one.
   */
  add(refs: readonly NeuronRef[], at = this.#wanted.length): Promise<void> {
    const keys = [...new Set(refs.map(neuronKey))];
    const added = keys.filter((key) => !this.#wanted.includes(key));
    return this.#want([...this.#wanted.slice(0, at), ...added, ...this.#wanted.slice(at)], keys);
  }

  remove(keys: readonly string[]): void {
    void this.#want(this.#wanted.filter((key) => !keys.includes(key)), []);
  }

  /** Put `ref` in the row of `key`; when `ref` has a row already, the row of `key` just goes. */
  replace(key: string, ref: NeuronRef): Promise<void> {
    const next = neuronKey(ref);
    const rows = this.#wanted.includes(next)
      ? this.#wanted.filter((row) => row !== key || row === next)
      : this.#wanted.map((row) => (row === key ? next : row));
    return this.#want(rows, [next]);
  }

  /** Give the rows another order; `keys` must be the wanted ones. */
  reorder(keys: readonly string[]): void {
    if (keys.length !== this.#wanted.length || !keys.every((key) => this.#wanted.includes(key))) {
      throw new RangeError("reorder() takes exactly the rows that are there");
    }
    this.#wanted = [...keys];
    this.emit("change", undefined);
  }

  /** A connection is there, whose session has these subscriptions. */
  attach(link: SubscriptionLink, served: readonly Neuron[]): void {
    this.#link = link;
    this.#serve(served);
    this.emit("change", undefined);
    void this.#run();
  }

  detach(): void {
    this.#link = null;
    this.#served.clear();
  }

  /** Another model: what was told of the neurons is void, and these are not there any more. */
  modelChanged(dropped: readonly string[]): void {
    this.#told.clear();
    for (const key of dropped) {
      this.#served.delete(key);
      this.#refuse(key, new NeuroscopeError(`The new model has no ${key}.`));
    }
    this.emit("change", undefined);
    // Asking again for what is subscribed brings its statistics on the new model.
    this.#served.clear();
    void this.#run();
  }

  /** Drop the rows of MLP neurons outside this model. */
  keepWithin(layers: number, neuronsPerLayer: number): void {
    for (const key of this.#wanted) {
      const name = neuronName(key);
      if (name !== null && (name.layer >= layers || name.neuron >= neuronsPerLayer)) {
        this.#refuse(key, new NeuroscopeError(`This model has no ${key}.`));
      }
    }
    this.emit("change", undefined);
  }

  #want(wanted: string[], awaited: readonly string[]): Promise<void> {
    this.#wanted = wanted;
    for (const [key, waiters] of this.#waiters) {
      if (wanted.includes(key)) continue;
      this.#waiters.delete(key);
      for (const { resolve } of waiters) resolve();
    }
    const waiting = awaited
      .filter((key) => !this.#served.has(key))
      .map((key) => new Promise<void>((resolve, reject) => {
        this.#waiters.set(key, [...(this.#waiters.get(key) ?? []), { resolve, reject }]);
      }));
    this.emit("change", undefined);
    void this.#run();
    return Promise.all(waiting).then(() => undefined);
  }

  #serve(neurons: readonly Neuron[]): void {
    this.#served = new Set(neurons.map(({ key }) => key));
    for (const neuron of neurons) {
      this.#told.set(neuron.key, neuron);
      for (const { resolve } of this.#waiters.get(neuron.key) ?? []) resolve();
      this.#waiters.delete(neuron.key);
    }
  }

  #refuse(key: string, error: Error): void {
    const waiters = this.#waiters.get(key) ?? [];
    this.#waiters.delete(key);
    const was = this.#wanted.length;
    this.#wanted = this.#wanted.filter((row) => row !== key);
    for (const { reject } of waiters) reject(error);
    if (this.#wanted.length < was) this.emit("refused", { key, error });
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let link = this.#link; link !== null; link = this.#link) {
        if (!(await this.#step(link))) break;
        this.emit("change", undefined);
      }
    } finally {
      this.#running = false;
    }
    this.emit("change", undefined);
  }

  /** One request towards what is wanted; false when there is nothing to do. */
  async #step(link: SubscriptionLink): Promise<boolean> {
    const missing = this.#wanted.filter((key) => !this.#served.has(key));
    const surplus = [...this.#served].filter((key) => !this.#wanted.includes(key));
    try {
      if (missing.length > 0) this.#answered(link, await link.subscribe(missing.map(neuronRef)));
      else if (surplus.length > 0) this.#answered(link, await link.unsubscribe(surplus.map(neuronRef)));
      else return false;
    } catch (error) {
      if (error instanceof DisconnectedError) return this.#link !== link;
      if (error instanceof RequestError && error.code === ErrorCode.limitExceeded && surplus.length > 0) {
        this.#answered(link, await link.unsubscribe(surplus.map(neuronRef)));
      } else if (missing.length > 0) {
        await this.#oneByOne(link, missing);
      } else {
        for (const key of surplus) this.#served.delete(key); // the server does not have them either
      }
    }
    return true;
  }

  /** A subscription is all or nothing: find out whom the server does not take. */
  async #oneByOne(link: SubscriptionLink, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      try {
        this.#answered(link, await link.subscribe([neuronRef(key)]));
      } catch (error) {
        if (error instanceof DisconnectedError) return;
        this.#refuse(key, error instanceof Error ? error : new NeuroscopeError(String(error)));
      }
    }
  }

  #answered(link: SubscriptionLink, neurons: readonly Neuron[]): void {
    if (link === this.#link) this.#serve(neurons); // else: the word of a session that is gone
  }
}
