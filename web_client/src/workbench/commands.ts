/**
 * All commands of the page, as one list: the palette offers them, the help shows their keys, and the page's key handler
 * runs them. Each feature adds its own.
 */
import { Emitter } from "../client/emitter";

export interface Command {
  /** A permanent name, such as "heatmap.toggle". */
  readonly id: string;
  readonly title: string;
  /** Heading in the help and the palette. */
  readonly group: string;
  /** A shortcut such as "Mod-k" or "Alt-ArrowUp"; Mod is Cmd on a Mac, Ctrl elsewhere. */
  readonly keys?: string;
  /** A second shortcut. */
  readonly alsoKeys?: string;
  /** Keys with the same effect in one part of the page, which handles them; `group` is their heading in the help. */
  readonly local?: { readonly keys: string; readonly group: string };
  /** Whether it can be run now; always, when absent. */
  readonly enabled?: () => boolean;
  /** For a command that chooses one of a group: whether this is the current choice. */
  readonly checked?: () => boolean;
  readonly run: () => void;
}

/** Keys that a part of the page handles itself; the help lists them too. */
export interface Shortcut {
  readonly keys: string;
  readonly title: string;
  readonly group: string;
}

export class Commands extends Emitter<{ change: undefined }> {
  #list: readonly Command[] = [];
  #shortcuts: readonly Shortcut[] = [];

  get list(): readonly Command[] {
    return this.#list;
  }

  /** Everything that keys do, commands first. */
  get shortcuts(): readonly Shortcut[] {
    const ofCommands = this.#list.flatMap(({ keys, alsoKeys, title, group }) => (
      [keys, alsoKeys].flatMap((one) => (one === undefined ? [] : [{ keys: one, title, group }]))
    ));
    const ofPlaces = this.#list.flatMap(({ local, title }) => (local === undefined ? [] : [{ ...local, title }]));
    return [...ofCommands, ...this.#shortcuts, ...ofPlaces];
  }

  /** List keys that are handled elsewhere. */
  tell(...shortcuts: readonly Shortcut[]): void {
    this.#shortcuts = [...this.#shortcuts, ...shortcuts];
    this.emit("change", undefined);
  }

  /** Add commands; returns a function that removes them. Throws Error if an id or shortcut is taken. */
  add(...commands: readonly Command[]): () => void {
    for (const command of commands) {
      const wanted = shortcutsOf(command);
      const rival = this.#list.find((other) => other.id === command.id || shortcutsOf(other).some((keys) => wanted.includes(keys)));
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
    return this.#run(this.#list.find((command) => shortcutsOf(command).includes(keys)));
  }

  /** Id of the command of a place's own keys. */
  idIn(group: string, keys: string): string | undefined {
    return this.#list.find(({ local }) => local?.group === group && local.keys === keys)?.id;
  }

  #run(command: Command | undefined): boolean {
    if (command === undefined || command.enabled?.() === false) return false;
    command.run();
    return true;
  }
}

function shortcutsOf({ keys, alsoKeys }: Command): readonly string[] {
  return [keys, alsoKeys].filter((one) => one !== undefined);
}

/** The parts of a keyboard event that make a shortcut. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
  /** The key itself, whatever it types. */
  readonly code?: string;
}

/** A key press as shortcuts are written: "Mod-Shift-z". */
export function keysOf(event: KeyPress, mac: boolean): string {
  const mod = mac ? event.metaKey : event.ctrlKey;
  const other = mac ? event.ctrlKey : event.metaKey;
  // With Alt, keys on a Mac type other characters.
  const letter = event.altKey ? /^Key([A-Z])$/.exec(event.code ?? "")?.[1] : undefined;
  const typed = letter ?? event.key;
  const key = typed.length === 1 ? typed.toLowerCase() : typed;
  return [mod ? "Mod" : "", other ? (mac ? "Ctrl" : "Meta") : "", event.altKey ? "Alt" : "", event.shiftKey && key !== "?" ? "Shift" : "", key]
    .filter((part) => part !== "").join("-");
}

const NAMES: Record<string, string> = {
  Mod: "Ctrl", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Delete: "Del", " ": "Space",
};
const MAC_NAMES: Record<string, string> = { ...NAMES, Mod: "⌘", Ctrl: "⌃", Alt: "⌥", Shift: "⇧", Enter: "↩" };

/** A shortcut as people read it, key by key: "Ctrl", "Shift", "Z". */
export function keyNames(keys: string, mac: boolean): string[] {
  const parts = keys.endsWith("-") ? [...keys.slice(0, -2).split("-"), "-"] : keys.split("-");
  const names = mac ? MAC_NAMES : NAMES;
  return parts.filter((part) => part !== "").map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part));
}
