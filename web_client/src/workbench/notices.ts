/** Short messages to the user, the newest last. */
import { Emitter } from "../client/emitter";

export interface Notice {
  readonly id: number;
  /** What it is about, if the text alone does not say. */
  readonly title?: string;
  readonly text: string;
  /** An action, shown as a button. */
  readonly action?: { readonly title: string; readonly run: () => void };
}

const NOTICE_MS = 8000;
const MOST_NOTICES = 3;

export class Notices extends Emitter<{ change: undefined }> {
  #list: readonly Notice[] = [];
  #next = 1;

  get list(): readonly Notice[] {
    return this.#list;
  }

  /** Show a message for a while; returns the notice's id. */
  notify(text: string, more: Omit<Notice, "id" | "text"> = {}): number {
    const notice: Notice = { id: this.#next++, text, ...more };
    this.#list = [...this.#list.filter((other) => other.text !== text), notice].slice(-MOST_NOTICES);
    setTimeout(() => { this.dismiss(notice.id); }, NOTICE_MS);
    this.emit("change", undefined);
    return notice.id;
  }

  /** Show why something failed, if it does. */
  async tellFailure(done: Promise<unknown>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.notify(error instanceof Error ? error.message : String(error));
    }
  }

  dismiss(id: number): void {
    if (!this.#list.some((notice) => notice.id === id)) return;
    this.#list = this.#list.filter((notice) => notice.id !== id);
    this.emit("change", undefined);
  }

  clear(): void {
    this.#list = [];
    this.emit("change", undefined);
  }
}
