/** Typed events: `Events` maps an event's name to its payload. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();

  /** Call `listener` at each event `name`; returns a function that removes it. An aborted `signal` removes it too. */
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

  /**
   * Call every listener of `name`, in the order in which they were added. One that throws is reported as any uncaught error
   * of an event listener is, and keeps neither the others nor the emitter from going on.
   */
  protected emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (payload: Events[Name]) => void)(payload);
      } catch (error) {
        report(error);
      }
    }
  }
}

/** Browsers have `reportError`; in Node, throwing later would end the process. */
function report(error: unknown): void {
  const { reportError } = globalThis as { reportError?: (error: unknown) => void };
  if (reportError === undefined) console.error(error);
  else reportError(error);
}
