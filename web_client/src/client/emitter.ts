/** Typed events: `Events` maps an event's name to its payload. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();

  /** Call `listener` at each event `name`; returns what ends that. An aborted `signal` ends it too. */
  on<Name extends keyof Events>(
    name: Name, listener: (payload: Events[Name]) => void, { signal }: { readonly signal?: AbortSignal } = {},
  ): () => void {
    if (signal?.aborted === true) return () => undefined;
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    const stop = (): void => {
      listeners.delete(listener);
      signal?.removeEventListener("abort", stop);
    };
    signal?.addEventListener("abort", stop, { once: true });
    return stop;
  }

  /** Whether anybody listens to `name`. */
  protected listens(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Call every listener of `name`, in the order in which they came. */
  protected emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      (listener as (payload: Events[Name]) => void)(payload);
    }
  }
}
