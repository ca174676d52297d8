/** Waiting times between attempts to connect: exponential, with full jitter so that many clients do not come at once. */
import type { Clock } from "./clock";

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maximumMs: number;
}

export class Backoff {
  #attempts = 0;

  constructor(private readonly clock: Clock, private readonly options: BackoffOptions = { firstMs: 250, maximumMs: 10_000 }) {}

  /** Milliseconds to wait before the next attempt; at least a tenth of the bound, so that it is never a busy loop. */
  next(): number {
    const bound = Math.min(this.options.maximumMs, this.options.firstMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return bound * (0.1 + 0.9 * this.clock.random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
