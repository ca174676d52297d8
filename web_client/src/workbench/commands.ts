/**
 * Everything that can be done on the page, as one list: the palette offers it, the help shows its keys, and the page's
 * key handler runs it. Each feature adds its own.
 */
import { Emitter } from "../client/emitter";

export interface Command {
  /** Names it for good, as "heatmap.toggle". */
  readonly id: string;
  readonly title: string;
  /** Heading in the help and the palette. */
  readonly group: string;
  /** A shortcut such as "Mod-k" or "Alt-ArrowUp"; Mod is Cmd on a Mac, Ctrl elsewhere. */
  readonly keys?: string;
  /** Whether it can be run now; always, when absent. */
  readonly enabled?: () => boolean;
  /** Of several commands that choose one of a group: whether this is the choice. */
  readonly checked?: () => boolean;
  readonly run: () => void;
}

export class Commands extends Emitter<{ change: undefined }> {
  #list: readonly Command[] = [];

  get list(): readonly Command[] {
    return this.#list;
  }

  /** Add commands; returns what takes them away again. An id or a shortcut that is taken is a mistake (Error). */
  add(...commands: readonly Command[]): () => void {
    for (const command of commands) {
      const rival = this.#list.find(({ id, keys }) => id === command.id || (keys !== undefined && keys === command.keys));
      if (rival !== undefined) throw new Error(`The command ${command.id} clashes with ${rival.id}.`);
      this.#list = [...this.#list, command];
    }
    this.emit("change", undefined);
    return () => {
      this.#list = this.#list.filter((command) => !commands.includes(command));
      this.emit("change", undefined);
    };
  }

  /** Run a command by its id; false when there is none, or it cannot be run now. */
  run(id: string): boolean {
    return this.#run(this.#list.find((command) => command.id === id));
  }

  /** Run the command of a shortcut; false when there is none, or it cannot be run now. */
  press(keys: string): boolean {
    return this.#run(this.#list.find((command) => command.keys === keys));
  }

  #run(command: Command | undefined): boolean {
    if (command === undefined || command.enabled?.() === false) return false;
    command.run();
    return true;
  }
}

/** What of a keyboard event names a shortcut. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

/** A key press as shortcuts are written: "Mod-Shift-z". */
export function keysOf(event: KeyPress, mac: boolean): string {
  const mod = mac ? event.metaKey : event.ctrlKey;
  const other = mac ? event.ctrlKey : event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return [mod ? "Mod" : "", other ? (mac ? "Ctrl" : "Meta") : "", event.altKey ? "Alt" : "", event.shiftKey && key !== "?" ? "Shift" : "", key]
    .filter((part) => part !== "").join("-");
}
