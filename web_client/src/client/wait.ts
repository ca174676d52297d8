/** Promises that wait for events. */
import type { Clock } from "./clock";
import { TimeoutError } from "./errors";
import type { RequestOptions } from "./rpc";

/**
 * Resolves as soon as `look` returns true; rejects with what it throws, or with the reason of an aborted signal.
 * It is called now and at each event that `watch` subscribes to; `watch` returns functions that unsubscribe.
 */
export function until(look: () => boolean, watch: (again: () => void) => (() => void)[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const settle = (then: () => void): void => {
      for (const stop of stops.splice(0)) stop();
      then();
    };
    const abort = (): void => {
      const reason = signal?.reason as Error;
      settle(() => { reject(reason); });
    };
    const again = (): void => {
      try {
        if (look()) settle(resolve);
      } catch (error) {
        const cause = error as Error;
        settle(() => { reject(cause); });
      }
    };
    if (signal?.aborted === true) {
      abort();
      return;
    }
    signal?.addEventListener("abort", abort, { once: true });
    stops.push(() => { signal?.removeEventListener("abort", abort); }, ...watch(again));
    again();
  });
}

/** As `done`, unless `signal` is aborted before: then `undo` is called, and its reason is what this rejects with. */
export function unless<T>(signal: AbortSignal, done: Promise<T>, undo: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error); // first, for undoing may resolve it
      undo();
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    const end = (): void => { signal.removeEventListener("abort", abort); };
    done.then(end, end);
    done.then(resolve, reject);
  });
}

/**
 * The result of `run`, whose signal is aborted with `options.signal`, or with TimeoutError after the time limit. `what`
 * names the operation.
 */
export async function limited<T>(
  what: string, clock: Clock, { signal, timeoutMs = Infinity }: RequestOptions, run: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (timeoutMs === Infinity) return run(signal);
  const limit = new AbortController();
  const timer = clock.after(timeoutMs, () => { limit.abort(new TimeoutError(what, timeoutMs)); });
  try {
    return await run(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]));
  } finally {
    timer.cancel();
  }
}
