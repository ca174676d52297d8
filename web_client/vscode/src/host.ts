/**
 * The seam: what the extension needs of the editor that it lives in, and no more.
 *
 * `vscode-host.ts` is Visual Studio Code's side of it; tests have one over plain text. All offsets are UTF-16 units of the
 * whole text, line breaks counted as they are (`\r\n` is two).
 */

/** Ends what it was returned for. */
export type Stop = () => void;

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** One of several changes, which are to be applied in turn: each speaks of the text after those before it. */
export interface TextChange {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/** What a view shows of one neuron. */
export interface Paint {
  readonly hue: number;
  /** The spans of each colour bucket. */
  readonly layers: ReadonlyMap<number, readonly Span[]>;
  /** Where the line breaks of each colour bucket begin: they have no width that a colour could fill. */
  readonly lineEnds: ReadonlyMap<number, readonly number[]>;
  /** The strongest tokens of the whole text, for the ruler and the gutter. */
  readonly marks: readonly Span[];
}

/** One view of a text. */
export interface TextEditor {
  /** Names the text: two views of one text have the same. */
  readonly uri: string;
  readonly text: string;
  /** Of the text; asked often, so it must be cheap. */
  readonly length: number;
  /** Where the caret is. */
  readonly cursor: number;
  /** What is seen, or nearly. */
  readonly visible: readonly Span[];
  /** Shows this in place of what it showed before. */
  paint(paint: Paint): void;
  /** Moves the caret there and scrolls to it. */
  moveTo(offset: number): void;
}

export interface Settings {
  readonly url: string;
  /** As a person wrote it, whatever that is. */
  readonly neurons: unknown;
  /** Id of a model; the empty string for the server's default. */
  readonly model: string;
}

export interface Status {
  readonly icon: "off" | "busy" | "on" | "problem";
  readonly text: string;
  /** Details, shown on hover. */
  readonly detail: string;
  /** What a click does. */
  readonly command: Command;
}

/** A neuron in the list beside the text. */
export interface NeuronRow {
  readonly key: string;
  /** Its value at the cursor and its largest value in the text, in words. */
  readonly description: string;
  readonly focused: boolean;
}

export interface Question {
  readonly title: string;
  readonly prompt: string;
  readonly secret?: boolean;
  /** Why an answer is invalid, as a sentence; null if it is valid. */
  readonly check?: (answer: string) => string | null;
}

export interface Choice {
  readonly label: string;
  readonly description: string;
}

export interface Host {
  /** The active view, or the last active one that is still visible; null if there is none of a text. */
  readonly editor: TextEditor | null;
  /** All views of texts that are seen, `editor` among them. */
  readonly editors: readonly TextEditor[];
  /** Why the text that a person works in is not one of them, as a sentence; null where it is. */
  readonly excluded: string | null;
  /** `editor` or `editors` are others. */
  onEditor(listener: () => void): Stop;
  onChange(listener: (uri: string, changes: readonly TextChange[]) => void): Stop;
  onCursor(listener: () => void): Stop;
  onScroll(listener: () => void): Stop;

  readonly settings: Settings;
  onSettings(listener: () => void): Stop;
  /** Change the setting. `onSettings` tells. */
  setNeurons(neurons: readonly unknown[]): Promise<void>;
  /** The token for a server, which is kept where secrets are. */
  token(server: string): Promise<string | undefined>;
  setToken(server: string, token: string | undefined): Promise<void>;

  show(status: Status): void;
  list(neurons: readonly NeuronRow[]): void;
  /** Whether a connection is wanted: some commands make sense only then. */
  setConnected(connected: boolean): void;
  /** A line for the log; never of a text. */
  log(words: string): void;
  /** A warning with buttons for what can be done about it. */
  warn(words: string, ...buttons: Command[]): void;
  openSettings(name: string): Promise<void>;
  openLog(): void;
  /** Undefined where a person gives no answer. */
  ask(question: Question): Promise<string | undefined>;
  choose(title: string, choices: readonly Choice[]): Promise<string | undefined>;
}

/** The extension's commands; each is `neuroscope.` and its name in the manifest. */
export const COMMANDS = [
  "connect", "disconnect", "toggle", "addNeuron", "removeNeuron", "chooseNeuron", "nextNeuron", "previousNeuron", "topNeurons", "nextStrong",
  "previousStrong", "setToken", "openSettings", "openLog",
] as const;
export type Command = (typeof COMMANDS)[number];
