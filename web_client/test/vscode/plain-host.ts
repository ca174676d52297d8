/** The extension's seam over plain texts: an editor without a screen, which edits and tells of it as VS Code does. */
import type { Choice, Command, Host, NeuronRow, Paint, Question, Settings, Span, Status, Stop, TextChange, TextEditor } from "../../vscode/src/host";
import type { ChangeSet } from "../../src/client";
import { applyChanges } from "../../src/client";

export class PlainEditor implements TextEditor {
  text: string;
  cursor = 0;
  window: Span | null = null;
  painted: Paint = { hue: 0, layers: new Map(), lineEnds: new Map(), marks: [] };
  paints = 0;

  constructor(readonly uri: string, text: string) {
    this.text = text;
  }

  get length(): number { return this.text.length; }
  get visible(): readonly Span[] { return [this.window ?? { from: 0, to: this.text.length }]; }

  paint(paint: Paint): void {
    this.painted = paint;
    this.paints += 1;
  }

  moveTo(offset: number): void {
    this.cursor = offset;
  }

  /** Each painted span with its bucket, in order. */
  get colours(): readonly (Span & { readonly bucket: number })[] {
    return [...this.painted.layers].flatMap(([bucket, spans]) => spans.map((span) => ({ ...span, bucket }))).sort((a, b) => a.from - b.from);
  }
}

export class PlainHost implements Host {
  editor: PlainEditor | null = null;
  /** Views that are seen beside `editor`. */
  beside: readonly PlainEditor[] = [];
  excluded: string | null = null;
  settings: Settings = { url: "http://one.example/", neurons: [], model: "" };
  readonly tokens = new Map<string, string>();
  readonly warnings: string[] = [];
  /** The buttons of the last warning. */
  buttons: readonly Command[] = [];
  readonly opened: string[] = [];
  readonly logged: string[] = [];
  neurons: readonly NeuronRow[] = [];
  connected = false;
  readonly statuses: Status[] = [];
  /** What a person will answer. */
  answer: (question: Question) => string | undefined = () => undefined;
  pick: (title: string, choices: readonly Choice[]) => string | undefined = () => undefined;
  readonly #editors = new Set<() => void>();
  readonly #changes = new Set<(uri: string, changes: readonly TextChange[]) => void>();
  readonly #cursors = new Set<() => void>();
  readonly #scrolls = new Set<() => void>();
  readonly #settings = new Set<() => void>();

  onEditor(listener: () => void): Stop { return heard(this.#editors, listener); }
  onChange(listener: (uri: string, changes: readonly TextChange[]) => void): Stop { return heard(this.#changes, listener); }
  onCursor(listener: () => void): Stop { return heard(this.#cursors, listener); }
  onScroll(listener: () => void): Stop { return heard(this.#scrolls, listener); }
  onSettings(listener: () => void): Stop { return heard(this.#settings, listener); }

  /** How many listen to anything. */
  get listeners(): number {
    return [this.#editors, this.#changes, this.#cursors, this.#scrolls, this.#settings].reduce((sum, { size }) => sum + size, 0);
  }

  get status(): Status { return this.statuses.at(-1) as Status; }

  get editors(): readonly PlainEditor[] { return [...(this.editor === null ? [] : [this.editor]), ...this.beside]; }

  activate(editor: PlainEditor | null, ...beside: readonly PlainEditor[]): void {
    this.editor = editor;
    this.beside = beside;
    for (const listener of this.#editors) listener();
  }

  /** One edit of several changes, told from the end of the text on. */
  edit(editor: PlainEditor, changes: ChangeSet): void {
    editor.text = applyChanges(editor.text, changes);
    this.tell(editor, [...changes].reverse().map(({ from, to, insert }) => ({ offset: from, length: to - from, text: insert })));
  }

  tell(editor: PlainEditor, changes: readonly TextChange[]): void {
    for (const listener of this.#changes) listener(editor.uri, changes);
  }

  moveTo(editor: PlainEditor, cursor: number): void {
    editor.cursor = cursor;
    for (const listener of this.#cursors) listener();
  }

  scrollTo(editor: PlainEditor, window: Span): void {
    editor.window = window;
    for (const listener of this.#scrolls) listener();
  }

  set(settings: Partial<Settings>): void {
    this.settings = { ...this.settings, ...settings };
    for (const listener of this.#settings) listener();
  }

  setNeurons(neurons: readonly unknown[]): Promise<void> {
    this.set({ neurons });
    return Promise.resolve();
  }

  token(server: string): Promise<string | undefined> { return Promise.resolve(this.tokens.get(server)); }

  setToken(server: string, token: string | undefined): Promise<void> {
    if (token === undefined) this.tokens.delete(server);
    else this.tokens.set(server, token);
    return Promise.resolve();
  }

  show(status: Status): void { this.statuses.push(status); }
  list(neurons: readonly NeuronRow[]): void { this.neurons = neurons; }
  setConnected(connected: boolean): void { this.connected = connected; }
  log(words: string): void { this.logged.push(words); }
  openLog(): void { this.opened.push("log"); }
  warn(words: string, ...buttons: Command[]): void {
    this.warnings.push(words);
    this.buttons = buttons;
  }
  openSettings(name: string): Promise<void> {
    this.opened.push(name);
    return Promise.resolve();
  }
  ask(question: Question): Promise<string | undefined> { return Promise.resolve(this.answer(question)); }
  choose(title: string, choices: readonly Choice[]): Promise<string | undefined> { return Promise.resolve(this.pick(title, choices)); }
}

function heard<T>(set: Set<T>, listener: T): Stop {
  set.add(listener);
  return () => { set.delete(listener); };
}
