/**
 * The neurons that are wanted, in the order of their rows, and those that the server sends.
 *
 * People change their mind faster than a round trip. So a change takes effect here at once, and one loop makes the server's
 * set follow: what is missing there is subscribed, then what is no longer wanted is unsubscribed (in this order, so that a
 * layer stays captured while somebody steps from one of its neurons to the next). After a reconnection the same loop starts
 * from another set.
 *
 * Another model may lack some of the neurons. They stay wanted and keep their place, but are not asked for until a model
 * that has them is loaded.
 */
import type { Neuron } from "../wire";
import { type Clock, systemClock } from "./clock";
import { DisconnectedError, ErrorCode, NeuroscopeError, RequestError, TimeoutError } from "./errors";
import { Emitter } from "./emitter";
import { neuronKey, neuronName, type NeuronRef, neuronRef } from "./neuron";
import type { RequestOptions } from "./rpc";
import { limited, unless } from "./wait";

export interface SubscriptionLink {
  subscribe(neurons: NeuronRef[]): Promise<Neuron[]>;
  unsubscribe(neurons: NeuronRef[]): Promise<Neuron[]>;
}

/** The model that the neurons belong to, and which of them it said it lacks. */
export interface ModelShape {
  readonly layers: number;
  readonly neuronsPerLayer: number;
  readonly dropped?: readonly string[] | undefined;
}

/** One row: a neuron, and what the server said about it (null until it did). */
export interface SubscribedNeuron {
  readonly key: string;
  readonly neuron: Neuron | null;
}

export interface SubscriptionEvents {
  /** Other rows, another order, or news from the server about one. */
  change: undefined;
  /** The server does not have this neuron; its row is gone. */
  refused: { readonly key: string; readonly error: Error };
  /** Another model, or another list of wanted neurons that it lacks. */
  absent: readonly string[];
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Subscriptions extends Emitter<SubscriptionEvents> {
  #wanted: string[] = [];
  /** Those of the wanted that the model lacks. */
  #absent: ReadonlySet<string> = new Set();
  /** Those that the last model lacked: whether this one has them, the server decides. */
  #returning: ReadonlySet<string> = new Set();
  #served = new Set<string>();
  /** Asked for in advance, whether wanted or not. */
  #ahead: readonly string[] = [];
  readonly #details = new Map<string, Neuron>();
  readonly #waiters = new Map<string, Waiter[]>();
  #link: SubscriptionLink | null = null;
  #running = false;
  /** Something may have to be done since the loop's last step began. */
  #asked = false;

  constructor(private readonly clock: Clock = systemClock) {
    super();
  }

  /** Wanted rows that the model has, in order. */
  get rows(): readonly SubscribedNeuron[] {
    return this.present.map((key) => ({ key, neuron: this.#details.get(key) ?? null }));
  }

  /** Keys of all wanted neurons, in order, whether the model has them or not. */
  get wanted(): readonly string[] {
    return this.#wanted;
  }

  /** Keys of the wanted neurons that the model lacks, in order. */
  get absent(): readonly string[] {
    return this.#wanted.filter((key) => this.#absent.has(key));
  }

  /** Keys of the wanted neurons that the model has, in order. */
  get present(): readonly string[] {
    return this.#wanted.filter((key) => !this.#absent.has(key));
  }

  /** What the server said about a neuron; null before it did. */
  neuron(key: string): Neuron | null {
    return this.#details.get(key) ?? null;
  }

  /** Rows that have or may get values: the wanted ones and those that the server still sends. */
  get keys(): string[] {
    return [...new Set([...this.present, ...this.#served])];
  }

  /** Whether the server sends all that is wanted. It may send more, for a moment or in advance. */
  get settled(): boolean {
    return this.present.every((key) => this.#served.has(key));
  }

  /**
   * Have the server send these too, instead of those named before: they may be wanted next, and their values are there at
   * once then. They get no rows; what the server refuses is not asked for again, and they give way where its limit is reached.
   */
  ahead(refs: readonly NeuronRef[]): void {
    this.#ahead = [...new Set(refs.map(neuronKey))];
    queueMicrotask(() => { void this.#run(); }); // after what is wanted
  }

  /**
   * Add neurons before the wanted one `at` (default: at the end). Resolves when the server sends them, they were removed
   * again or it turned out that the model lacks them; rejects when the server refuses one, which `refused` tells too. An
   * aborted `signal`, and a time limit that is over, take those away again that this call added.
   */
  add(refs: readonly NeuronRef[], at = this.#wanted.length, options: RequestOptions = {}): Promise<void> {
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason as Error);
    const keys = [...new Set(refs.map(neuronKey))];
    const others = (set: ReadonlySet<string>): Set<string> => new Set([...set].filter((key) => !keys.includes(key)));
    this.#absent = others(this.#absent); // ask for them again
    this.#returning = others(this.#returning);
    const added = keys.filter((key) => !this.#wanted.includes(key));
    const served = this.#want([...this.#wanted.slice(0, at), ...added, ...this.#wanted.slice(at)], keys);
    return mayBeIgnored(limited("the neurons", this.clock, options, (signal) => (
      signal === undefined ? served : unless(signal, served, () => { this.remove(added); })
    )));
  }

  remove(keys: readonly string[]): void {
    void this.#want(this.#wanted.filter((key) => !keys.includes(key)), []);
  }

  /** Have exactly these rows, in this order. Those that `model` lacks are set aside, as `fit` does it. */
  reset(refs: readonly NeuronRef[], model: ModelShape | null): void {
    const keys = [...new Set(refs.map(neuronKey))];
    this.#returning = new Set();
    this.#setAside(new Set(model === null ? [] : keys.filter((key) => lacks(model, key))), keys);
    void this.#want(keys, []);
  }

  /** Put `ref` in the row of `key`; when `ref` has a row already, the row of `key` just goes. */
  replace(key: string, ref: NeuronRef): Promise<void> {
    const next = neuronKey(ref);
    const rows = this.#wanted.includes(next)
      ? this.#wanted.filter((row) => row !== key || row === next)
      : this.#wanted.map((row) => (row === key ? next : row));
    return mayBeIgnored(this.#want(rows, [next]));
  }

  /** Give the rows another order; `keys` must be theirs. What the model lacks keeps its place. */
  reorder(keys: readonly string[]): void {
    const present = this.present;
    if (keys.length !== present.length || !keys.every((key) => present.includes(key))) {
      throw new RangeError("reorder() takes exactly the rows that are there");
    }
    const ordered = keys.values();
    this.#wanted = this.#wanted.map((key) => (this.#absent.has(key) ? key : ordered.next().value ?? key));
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

  /** Set aside what this model lacks, and ask again for what the last one lacked. */
  fit(model: ModelShape): void {
    this.#returning = this.#absent;
    this.#setAside(new Set(this.#wanted.filter((key) => lacks(model, key))));
    this.emit("change", undefined);
  }

  /** Another model: what the server said about the neurons is void. */
  modelChanged(): void {
    this.#details.clear();
    this.#ahead = [];
    // Subscribing again to what is subscribed brings the statistics of the new model.
    this.#served.clear();
    this.emit("change", undefined);
    void this.#run();
  }

  #setAside(absent: ReadonlySet<string>, wanted: readonly string[] = this.#wanted): void {
    this.#wanted = [...wanted];
    this.#absent = absent;
    for (const key of absent) this.#release(key);
    this.emit("absent", this.absent);
  }

  /** Nobody needs to wait for this neuron any longer. */
  #release(key: string): void {
    for (const { resolve } of this.#waiters.get(key) ?? []) resolve();
    this.#waiters.delete(key);
  }

  #want(wanted: string[], awaited: readonly string[]): Promise<void> {
    this.#wanted = wanted;
    for (const key of [...this.#waiters.keys()]) if (!wanted.includes(key)) this.#release(key);
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
      this.#details.set(neuron.key, neuron);
      this.#release(neuron.key);
    }
  }

  #refuse(key: string, error: Error): void {
    const unknown = error instanceof RequestError && error.code === ErrorCode.invalidParams;
    if (unknown && this.#returning.has(key) && this.#wanted.includes(key)) {
      this.#setAside(new Set([...this.#absent, key]));
      return;
    }
    const was = this.#wanted.length;
    this.#wanted = this.#wanted.filter((row) => row !== key);
    this.#reject(key, error);
    if (this.#wanted.length < was) this.emit("refused", { key, error });
  }

  #reject(key: string, error: Error): void {
    for (const { reject } of this.#waiters.get(key) ?? []) reject(error);
    this.#waiters.delete(key);
  }

  /** The server does not have these. */
  #forget(keys: readonly string[]): void {
    for (const key of keys) this.#served.delete(key);
  }

  async #run(): Promise<void> {
    this.#asked = true;
    if (this.#running) return;
    this.#running = true;
    try {
      for (let link = this.#link; link !== null; link = this.#link) {
        this.#asked = false;
        // A change may come just while a step finds nothing to do.
        if (!(await this.#step(link)) && !(this.#asked as boolean)) break;
        this.emit("change", undefined);
      }
    } finally {
      this.#running = false;
    }
    this.emit("change", undefined);
  }

  /** One request towards what is wanted; false when there is nothing to do. Never rejects, as nobody waits for it. */
  async #step(link: SubscriptionLink): Promise<boolean> {
    const present = this.present;
    const missing = present.filter((key) => !this.#served.has(key));
    const spare = [...this.#served].filter((key) => !present.includes(key));
    const surplus = spare.filter((key) => !this.#ahead.includes(key));
    const early = this.#ahead.filter((key) => !this.#served.has(key));
    const [what, keys] = missing.length > 0 ? ["subscribe", missing] as const
      : surplus.length > 0 ? ["unsubscribe", surplus] as const
      : ["subscribe", early] as const;
    if (keys.length === 0) return false;

    const error = await this.#ask(link, what, keys);
    if (error === null) return true;
    if (error instanceof DisconnectedError) return this.#link !== link;
    if (error instanceof RequestError && error.code === ErrorCode.limitExceeded && missing.length > 0 && spare.length > 0) {
      this.#ahead = [];
      const refusal = await this.#ask(link, "unsubscribe", spare);
      if (refusal instanceof DisconnectedError) return this.#link !== link;
      if (refusal !== null) this.#forget(spare);
    } else if (error instanceof TimeoutError && (missing.length > 0 || surplus.length > 0)) {
      for (const key of missing) this.#reject(key, error); // they stay wanted, and are requested again
    } else if (missing.length > 0) {
      await this.#oneByOne(link, missing);
    } else if (surplus.length > 0) {
      this.#forget(surplus);
    } else {
      this.#ahead = this.#ahead.filter((key) => !early.includes(key));
    }
    return true;
  }

  /** Null, or why it could not be done. */
  async #ask(link: SubscriptionLink, what: keyof SubscriptionLink, keys: readonly string[]): Promise<Error | null> {
    try {
      this.#answered(link, await link[what](keys.map(neuronRef)));
      return null;
    } catch (error) {
      return NeuroscopeError.of(error);
    }
  }

  /** A subscription is all or nothing: find out which neurons the server refuses. */
  async #oneByOne(link: SubscriptionLink, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const error = await this.#ask(link, "subscribe", [key]);
      if (error instanceof DisconnectedError) return;
      if (error instanceof TimeoutError) this.#reject(key, error);
      else if (error !== null) this.#refuse(key, error);
    }
  }

  #answered(link: SubscriptionLink, neurons: readonly Neuron[]): void {
    if (link === this.#link) this.#serve(neurons); // otherwise the answer is of a session that is gone
  }
}

/** Whether the model's facts exclude a neuron. */
function lacks(model: ModelShape, key: string): boolean {
  const name = neuronName(key);
  return (name !== null && (name.layer >= model.layers || name.neuron >= model.neuronsPerLayer)) || model.dropped?.includes(key) === true;
}

/** The same promise, without an uncaught error if nobody awaits its rejection. */
function mayBeIgnored(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}
