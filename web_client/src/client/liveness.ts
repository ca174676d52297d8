/**
 * Finds out when a server stays silent: it was stopped, or the network was lost.
 *
 * Any frame is a sign of life. When none has come for a while although something waits for the server, it is sent a ping,
 * which it answers at once whatever else it does. A server that does not is `silent`.
 */
import type { Clock, Timer } from "./clock";

export interface LivenessOptions {
  /** Silence after which a ping is sent while something waits for the server, in ms. */
  readonly quietMs?: number;
  /** Silence after which a ping is sent although nothing waits, in ms. */
  readonly idleMs?: number;
  /** Time to answer a ping, in ms. */
  readonly answerMs?: number;
}

export interface LivenessListener {
  waiting(): boolean;
  visible(): boolean;
  ping(): void;
  /** No frame came for this many ms. Called once. */
  silent(ms: number): void;
}

const QUIET_MS = 2000;
const IDLE_MS = 30_000;
const ANSWER_MS = 3000;
/** A ping waits behind earlier frames, and its answer behind their answers. Bytes per ms of a slow line, both
 * directions together. */
const SLOW = 2;
const LONGEST_MS = 60_000;
/** A timer this late means that this process, or its page, was asleep. */
const ASLEEP_MS = 1000;

export class Liveness {
  readonly #clock: Clock;
  readonly #listener: LivenessListener;
  readonly #quietMs: number;
  readonly #idleMs: number;
  readonly #answerMs: number;
  #heardAt: number;
  /** When the first unanswered frame was sent; null if there is none. */
  #sentAt: number | null = null;
  /** Size of all those, in characters. */
  #size = 0;
  #pingedAt: number | null = null;
  #timer: Timer | null = null;
  #due = Infinity;
  #stopped = false;

  constructor(clock: Clock, listener: LivenessListener, { quietMs = QUIET_MS, idleMs = IDLE_MS, answerMs = ANSWER_MS }: LivenessOptions = {}) {
    this.#clock = clock;
    this.#listener = listener;
    this.#quietMs = quietMs;
    this.#idleMs = idleMs;
    this.#answerMs = answerMs;
    this.#heardAt = clock.now();
    this.#arm();
  }

  /** A frame came. */
  heard(): void {
    this.#heardAt = this.#clock.now();
    this.#sentAt = this.#pingedAt = null;
    this.#size = 0;
  }

  /** A frame of this many characters was sent. */
  sent(size: number): void {
    this.#sentAt ??= this.#clock.now();
    this.#size += size;
    if (this.#due > this.#clock.now() + this.#quietMs) this.#arm();
  }

  /** Send a ping now. */
  probe(): void {
    if (this.#stopped || this.#pingedAt !== null) return;
    this.#ping();
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #ping(): void {
    this.#pingedAt = this.#clock.now();
    this.#listener.ping();
  }

  /** When to look again. */
  get #next(): number {
    if (this.#pingedAt !== null) return this.#pingedAt + Math.min(this.#answerMs + this.#size / SLOW, LONGEST_MS);
    if (this.#sentAt !== null) return this.#sentAt + this.#quietMs;
    return this.#heardAt + (this.#listener.waiting() ? this.#quietMs : this.#idleMs);
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    const now = this.#clock.now();
    this.#due = Math.max(this.#next, now);
    this.#timer = this.#clock.after(this.#due - now, () => { this.#look(); });
  }

  #look(): void {
    const now = this.#clock.now();
    const asleep = now - this.#due > ASLEEP_MS;
    if (this.#next <= now) {
      if (this.#pingedAt !== null && !asleep) {
        this.stop();
        this.#listener.silent(now - this.#heardAt);
        return;
      }
      if (this.#sentAt !== null || this.#listener.waiting() || this.#listener.visible()) this.#ping();
      else this.#heardAt = now; // nobody looks: ask again later
    }
    this.#arm();
  }
}
