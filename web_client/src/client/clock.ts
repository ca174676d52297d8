/** Time as a parameter, so that tests can control it. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since some start. */
  now(): number;
  after(milliseconds: number, call: () => void): Timer;
  /** A random number in [0, 1), for jitter. */
  random(): number;
}

/** The longest delay of a system timer; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, call) => {
    const id = setTimeout(call, Math.min(milliseconds, LONGEST_MS));
    return { cancel: () => { clearTimeout(id); } };
  },
  random: () => Math.random(),
};

/** A clock for tests: time passes only in `advance`. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: { due: number; call: () => void }[] = [];
  random = (): number => 0.5;

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): Timer {
    const timer = { due: this.#now + milliseconds, call };
    this.#timers.push(timer);
    return { cancel: () => { this.#timers = this.#timers.filter((other) => other !== timer); } };
  }

  /** Let time pass and call what falls due, in order. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const [next] = this.#timers.filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.due);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.call();
    }
    this.#now = end;
  }

  /** Let time pass as a computer does that sleeps: what falls due is called afterwards. */
  sleep(milliseconds: number): void {
    this.#now += milliseconds;
    this.advance(0);
  }
}
