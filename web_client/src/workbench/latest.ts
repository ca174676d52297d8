/**
 * The answer to a question that changes faster than answers come: the newest question is sent after a short delay, an
 * older one is cancelled, and a late answer to it is dropped.
 */
import { Emitter } from "../client/emitter";

export interface LatestOptions<Question, Answer> {
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
  /** A question's name: questions with the same name are the same. */
  readonly name: (question: Question) => string;
  /** Delay before a new question is sent. */
  readonly delayMs: number;
  /** Whether each further question restarts the delay, so that nothing is sent while they keep coming. */
  readonly patient: boolean;
}

export class Latest<Question, Answer> extends Emitter<{ change: undefined }> {
  readonly #options: LatestOptions<Question, Answer>;
  #wanted: { readonly name: string; readonly question: Question } | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: { readonly name: string; readonly abort: AbortController } | null = null;
  #answer: { readonly name: string; readonly question: Question; readonly answer: Answer } | null = null;
  #problem: Error | null = null;

  constructor(options: LatestOptions<Question, Answer>) {
    super();
    this.#options = options;
  }

  /** The last answer; it may be that of an older question. */
  get answer(): Answer | null {
    return this.#answer?.answer ?? null;
  }

  /** Whether the answer is that of the newest question. */
  get current(): boolean {
    return this.#answer !== null && this.#answer.name === this.#wanted?.name;
  }

  /** Why the newest question has no answer; null while it may still come. */
  get problem(): Error | null {
    return this.#problem;
  }

  /** Set the question. Setting the same one again does nothing. */
  want(question: Question): void {
    const name = this.#options.name(question);
    if (name === this.#wanted?.name) return;
    this.#wanted = { name, question };
    this.#problem = null;
    this.#giveUp();
    if (this.current) { // back to the answered one
      this.#stopTimer();
    } else {
      if (this.#options.patient) this.#stopTimer();
      this.#timer ??= setTimeout(() => { this.#ask(); }, this.#options.delayMs);
    }
    this.emit("change", undefined);
  }

  /** Stop asking; keep the answer. */
  stop(): void {
    this.#stopTimer();
    this.#giveUp();
    this.#wanted = null;
  }

  /** Stop asking, and drop the answer. */
  reset(): void {
    this.stop();
    this.#answer = this.#problem = null;
    this.emit("change", undefined);
  }

  #ask(): void {
    this.#timer = null;
    if (this.#wanted === null) return;
    const { name, question } = this.#wanted;
    const abort = new AbortController();
    const running = this.#running = { name, abort };
    this.#options.ask(question, abort.signal).then((answer) => {
      if (this.#running !== running) return;
      this.#answer = { name, question, answer };
    }, (error: unknown) => {
      if (this.#running !== running) return;
      this.#problem = error instanceof Error ? error : new Error(String(error));
    }).finally(() => {
      if (this.#running !== running) return;
      this.#running = null;
      this.emit("change", undefined);
    });
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #giveUp(): void {
    this.#running?.abort.abort();
    this.#running = null;
  }
}
