/** Promises of what is told by events. */
import type { RequestOptions } from "./rpc";

/**
 * Resolves as soon as `look` returns true; rejects with what it throws, or with the reason of an aborted signal.
 * It is asked now and whenever something that `watch` subscribes to happens; `watch` returns what ends that.
 */
export function until(look: () => boolean, watch: (again: () => void) => (() => void)[], { signal }: RequestOptions = {}): Promise<void> {
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
export function unless(signal: AbortSignal, done: Promise<void>, undo: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error); // first, for undoing may resolve it
      undo();
    };
    signal.addEventListener("abort", abort, { once: true });
    done.then(resolve, reject).finally(() => { signal.removeEventListener("abort", abort); });
  });
}
