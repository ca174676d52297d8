/**
 * The seam: what the extension needs of the editor that it lives in, and no more.
 *
 * `vscode-host.ts` is Visual Studio Code's side of it; tests have one over plain text. All offsets are UTF-16 units of the
 * whole text, line ends counted as they are (`\r\n` is two).
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

/** What an editor wears: the spans of each colour bucket, in the hue of the neuron in focus. */
export interface Paint {
  readonly hue: number;
  readonly layers: ReadonlyMap<number, readonly Span[]>;
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
  /** In place of what it wore before. */
  paint(paint: Paint): void;
}

export interface Settings {
  readonly url: string;
  /** As a person wrote them. */
  readonly neurons: readonly string[];
  /** Id of a model; the empty string for the server's default. */
  readonly model: string;
}

export interface Status {
  readonly icon: "off" | "busy" | "on" | "problem";
  readonly text: string;
  /** More words, for whoever points at it. */
  readonly detail: string;
  /** What a click does. */
  readonly command: Command;
}

export interface Question {
  readonly title: string;
  readonly prompt: string;
  readonly secret?: boolean;
  /** Why an answer is none, as a sentence; null where it is one. */
  readonly check?: (answer: string) => string | null;
}

export interface Choice {
  readonly label: string;
  readonly description: string;
}

export interface Host {
  /** The view that a person works in, or worked in last and still sees; null where there is none of a text. */
  readonly editor: TextEditor | null;
  /** `editor` is another one. */
  onEditor(listener: () => void): Stop;
  onChange(listener: (uri: string, changes: readonly TextChange[]) => void): Stop;
  onCursor(listener: () => void): Stop;
  onScroll(listener: () => void): Stop;

  readonly settings: Settings;
  onSettings(listener: () => void): Stop;
  /** Change the setting. `onSettings` tells. */
  setNeurons(neurons: readonly string[]): Promise<void>;
  /** The token for a server, which is kept where secrets are. */
  token(server: string): Promise<string | undefined>;
  setToken(server: string, token: string | undefined): Promise<void>;

  show(status: Status): void;
  warn(words: string): void;
  /** Undefined where a person gives no answer. */
  ask(question: Question): Promise<string | undefined>;
  choose(title: string, choices: readonly Choice[]): Promise<string | undefined>;
}

/** The extension's commands; each is `neuroscope.` and its name in the manifest. */
export const COMMANDS = [
  "connect", "disconnect", "addNeuron", "removeNeuron", "chooseNeuron", "nextNeuron", "previousNeuron", "topNeurons", "setToken",
] as const;
export type Command = (typeof COMMANDS)[number];
