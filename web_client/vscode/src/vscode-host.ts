/** Visual Studio Code's side of the seam. */
import * as vscode from "vscode";
import { buckets, css, washUnder } from "../../src/colour/palette";
import { STEPS } from "../../src/colour/scale";
import { bare } from "./picture";
import type { Choice, Command, Host, NeuronRow, Paint, Question, Settings, Span, Status, Stop, TextChange, TextEditor } from "./host";

const SECTION = "neuroscope";
/** Lines above and below of what is seen that are painted too: a scroll shows colours before it is answered. */
const SLACK_LINES = 60;
/** Documents that are not the user's texts: outputs, consoles, settings, the commit message box. */
const NO_TEXTS = ["output", "debug", "vscode-terminal", "vscode-userdata", "vscode-settings", "vscode-scm", "vscode-chat-code-block", "comment"];
/** Sign for a line break, which has no width. */
const LINE_BREAK = "↵";

const ICONS: Readonly<Record<Status["icon"], string>> = { off: "circle-outline", busy: "sync~spin", on: "circle-filled", problem: "warning" };

/** What a click does, in words. */
const CLICKS: Readonly<Record<Command, string>> = {
  connect: "connect now", disconnect: "disconnect", toggle: "connect or disconnect", addNeuron: "add a neuron", removeNeuron: "remove a neuron",
  chooseNeuron: "choose a neuron", nextNeuron: "go to the next neuron", previousNeuron: "go to the previous neuron",
  topNeurons: "see the top neurons at the cursor", nextStrong: "go to the next strong token", previousStrong: "go to the previous strong token",
  setToken: "give the token", openSettings: "open the settings", openLog: "open the log",
};

/** What buttons of warnings say. */
const BUTTONS: Readonly<Partial<Record<Command, string>>> = {
  connect: "Retry", addNeuron: "Add neuron", setToken: "Give the token", openSettings: "Open settings", openLog: "Open log",
};

export class VsCodeHost implements Host, vscode.Disposable {
  readonly #context: vscode.ExtensionContext;
  readonly #item = vscode.window.createStatusBarItem("neuroscope", vscode.StatusBarAlignment.Right, 100);
  readonly #output = vscode.window.createOutputChannel("Neuroscope", { log: true });
  readonly #list = new NeuronList();
  readonly #tree = vscode.window.createTreeView("neuroscope.neurons", { treeDataProvider: this.#list });
  readonly #decorations = new Decorations();
  #last: vscode.TextEditor | null = null;
  readonly #editors = new WeakMap<vscode.TextEditor, VsCodeEditor>();

  constructor(context: vscode.ExtensionContext) {
    this.#context = context;
    this.#item.name = "Neuroscope";
  }

  dispose(): void {
    for (const part of [this.#item, this.#output, this.#tree, this.#list, this.#decorations]) part.dispose();
  }

  /** The active editor of a text, or the last one while it is still visible. */
  get editor(): VsCodeEditor | null {
    const last = this.#turnedTo;
    return last === null || this.#isExcluded(last.document) ? null : this.#view(last);
  }

  get editors(): readonly VsCodeEditor[] {
    return vscode.window.visibleTextEditors.filter(({ document }) => isText(document) && !this.#isExcluded(document)).map((editor) => this.#view(editor));
  }

  get excluded(): string | null {
    const last = this.#turnedTo;
    return last === null || !this.#isExcluded(last.document) ? null : "The setting neuroscope.exclude keeps this file from being sent.";
  }

  get #turnedTo(): vscode.TextEditor | null {
    const { activeTextEditor: active, visibleTextEditors: visible } = vscode.window;
    if (active !== undefined && isText(active.document)) this.#last = active;
    else if (this.#last !== null && !visible.includes(this.#last)) this.#last = null;
    return this.#last;
  }

  #isExcluded(document: vscode.TextDocument): boolean {
    const patterns = vscode.workspace.getConfiguration(SECTION).get<unknown>("exclude", []);
    return Array.isArray(patterns) && patterns.some((pattern) => typeof pattern === "string" && pattern !== "" && vscode.languages.match({ pattern }, document) > 0);
  }

  #view(editor: vscode.TextEditor): VsCodeEditor {
    const known = this.#editors.get(editor) ?? new VsCodeEditor(editor, this.#decorations);
    this.#editors.set(editor, known);
    return known;
  }

  onEditor(listener: () => void): Stop {
    return all(
      vscode.window.onDidChangeActiveTextEditor(listener), vscode.window.onDidChangeVisibleTextEditors(listener),
      // A text that is saved under another name, or in another language, may be excluded now.
      vscode.workspace.onDidOpenTextDocument(listener),
    );
  }

  onChange(listener: (uri: string, changes: readonly TextChange[]) => void): Stop {
    return all(vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      const changes = contentChanges.map(({ rangeOffset, rangeLength, text }) => ({ offset: rangeOffset, length: rangeLength, text }));
      if (changes.length > 0) listener(document.uri.toString(), changes);
    }));
  }

  onCursor(listener: () => void): Stop {
    return all(vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
      if (textEditor === this.#last) listener();
    }));
  }

  onScroll(listener: () => void): Stop {
    return all(vscode.window.onDidChangeTextEditorVisibleRanges(listener));
  }

  get settings(): Settings {
    const settings = vscode.workspace.getConfiguration(SECTION);
    return { url: words(settings.get("url")), model: words(settings.get("model")), neurons: settings.get<unknown>("neurons") };
  }

  onSettings(listener: () => void): Stop {
    return all(vscode.workspace.onDidChangeConfiguration((event) => { if (event.affectsConfiguration(SECTION)) listener(); }));
  }

  async setNeurons(neurons: readonly unknown[]): Promise<void> {
    const settings = vscode.workspace.getConfiguration(SECTION);
    // Where they are written already, or else for the person.
    const { workspaceFolderValue, workspaceValue } = settings.inspect<unknown>("neurons") ?? {};
    const { Global, Workspace, WorkspaceFolder } = vscode.ConfigurationTarget;
    await settings.update("neurons", neurons, workspaceFolderValue !== undefined ? WorkspaceFolder : workspaceValue !== undefined ? Workspace : Global);
  }

  async token(server: string): Promise<string | undefined> {
    return this.#context.secrets.get(secretOf(server));
  }

  async setToken(server: string, token: string | undefined): Promise<void> {
    if (token === undefined) await this.#context.secrets.delete(secretOf(server));
    else await this.#context.secrets.store(secretOf(server), token);
  }

  show({ icon, text, detail, command }: Status): void {
    this.#item.text = `$(${ICONS[icon]}) ${text}`;
    this.#item.tooltip = `${detail}\nClick to ${CLICKS[command]}.`;
    this.#item.command = `${SECTION}.${command}`;
    this.#item.backgroundColor = icon === "problem" ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    this.#item.show();
  }

  list(neurons: readonly NeuronRow[]): void {
    if (this.#list.show(neurons)) void setContext("hasNeurons", neurons.length > 0);
  }

  setConnected(connected: boolean): void {
    void setContext("connected", connected);
  }

  log(line: string): void {
    this.#output.info(line);
  }

  openLog(): void {
    this.#output.show();
  }

  async openSettings(name: string): Promise<void> {
    await vscode.commands.executeCommand("workbench.action.openSettings", name);
  }

  warn(line: string, ...buttons: Command[]): void {
    const named = new Map(buttons.map((command) => [BUTTONS[command] ?? command, command]));
    void vscode.window.showWarningMessage(`Neuroscope: ${line}`, ...named.keys()).then((label) => {
      const command = named.get(label ?? "");
      if (command !== undefined) void vscode.commands.executeCommand(`${SECTION}.${command}`);
    });
  }

  async ask({ title, prompt, secret = false, check }: Question): Promise<string | undefined> {
    return vscode.window.showInputBox({
      title: `Neuroscope: ${title}`, prompt, password: secret, ignoreFocusOut: secret, ...(check === undefined ? {} : { validateInput: check }),
    });
  }

  async choose(title: string, choices: readonly Choice[]): Promise<string | undefined> {
    return (await vscode.window.showQuickPick([...choices], { title: `Neuroscope: ${title}` }))?.label;
  }
}

class VsCodeEditor implements TextEditor {
  readonly #editor: vscode.TextEditor;
  readonly #decorations: Decorations;
  #used = new Set<vscode.TextEditorDecorationType>();

  constructor(editor: vscode.TextEditor, decorations: Decorations) {
    this.#editor = editor;
    this.#decorations = decorations;
  }

  get uri(): string {
    return this.#editor.document.uri.toString();
  }

  get text(): string {
    return this.#editor.document.getText();
  }

  get length(): number {
    const { document } = this.#editor;
    return document.offsetAt(document.lineAt(document.lineCount - 1).range.end);
  }

  get cursor(): number {
    return this.#editor.document.offsetAt(this.#editor.selection.active);
  }

  get visible(): readonly Span[] {
    const { document, visibleRanges } = this.#editor;
    return visibleRanges.map(({ start, end }) => ({
      from: document.offsetAt(new vscode.Position(Math.max(0, start.line - SLACK_LINES), 0)),
      to: document.offsetAt(document.lineAt(Math.min(document.lineCount - 1, end.line + SLACK_LINES)).range.end),
    }));
  }

  paint({ hue, layers, lineEnds, marks }: Paint = bare): void {
    const { document } = this.#editor;
    const at = (offset: number): vscode.Position => document.positionAt(offset);
    const used = new Set<vscode.TextEditorDecorationType>();
    const apply = (type: vscode.TextEditorDecorationType, ranges: vscode.Range[]): void => {
      used.add(type);
      this.#editor.setDecorations(type, ranges);
    };
    for (const [bucket, spans] of layers) apply(this.#decorations.wash(hue, bucket), spans.map(({ from, to }) => new vscode.Range(at(from), at(to))));
    for (const [bucket, ends] of lineEnds) apply(this.#decorations.lineBreak(hue, bucket), ends.map((end) => new vscode.Range(at(end), at(end))));
    if (marks.length > 0) apply(this.#decorations.mark(hue), marks.map(({ from, to }) => new vscode.Range(at(from), at(to))));
    for (const type of this.#used) if (!used.has(type)) this.#editor.setDecorations(type, []);
    this.#used = used;
  }

  moveTo(offset: number): void {
    const position = this.#editor.document.positionAt(offset);
    this.#editor.selection = new vscode.Selection(position, position);
    this.#editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }
}

type Look = Pick<vscode.DecorationRenderOptions, "light" | "dark">;

/** Decorations by their look, each created on first use. */
class Decorations {
  readonly #types = new Map<string, vscode.TextEditorDecorationType>();

  /** The colour under a token. */
  wash(hue: number, bucket: number): vscode.TextEditorDecorationType {
    return this.#get(`wash ${hue * buckets.length + bucket}`, () => look(hue, bucket, (backgroundColor) => ({ backgroundColor })));
  }

  /** The sign of a line break, in its colour. */
  lineBreak(hue: number, bucket: number): vscode.TextEditorDecorationType {
    return this.#get(`break ${hue * buckets.length + bucket}`, () => look(hue, bucket, (backgroundColor) => ({
      after: { contentText: LINE_BREAK, color: new vscode.ThemeColor("editorLineNumber.foreground"), backgroundColor },
    })));
  }

  /** In the ruler and the gutter. */
  mark(hue: number): vscode.TextEditorDecorationType {
    return this.#get(`mark ${hue}`, () => ({
      ...look(hue, STEPS, (colour) => ({
        overviewRulerColor: colour,
        gutterIconPath: vscode.Uri.parse(`data:image/svg+xml,${encodeURIComponent(
          `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="10" y="2" width="4" height="12" rx="1.5" fill="${colour}"/></svg>`,
        )}`),
      })),
      overviewRulerLane: vscode.OverviewRulerLane.Right,
    }));
  }

  #get(name: string, options: () => vscode.DecorationRenderOptions): vscode.TextEditorDecorationType {
    // Until the next answer VS Code moves them with the text, as the client does its tokens: what is typed at an edge is not theirs.
    const type = this.#types.get(name)
      ?? vscode.window.createTextEditorDecorationType({ ...options(), rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed });
    this.#types.set(name, type);
    return type;
  }

  dispose(): void {
    for (const type of this.#types.values()) type.dispose();
    this.#types.clear();
  }
}

/** What a colour bucket looks like in either kind of theme. */
function look(hue: number, bucket: number, options: (colour: string) => vscode.ThemableDecorationRenderOptions): Look {
  const of = (theme: "light" | "dark"): vscode.ThemableDecorationRenderOptions => {
    const { ink, opacity } = washUnder(hue, bucket, theme);
    return options(css(ink, opacity));
  };
  return { light: of("light"), dark: of("dark") };
}

/** The list of neurons in the side bar. */
class NeuronList implements vscode.TreeDataProvider<NeuronRow>, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  #rows: readonly NeuronRow[] = [];

  /** Shows these; whether they are others than before. */
  show(rows: readonly NeuronRow[]): boolean {
    const same = rows.length === this.#rows.length && rows.every((row, i) => {
      const other = this.#rows[i] as NeuronRow;
      return row.key === other.key && row.description === other.description && row.focused === other.focused;
    });
    if (same) return false;
    this.#rows = rows;
    this.#changed.fire(undefined);
    return true;
  }

  getChildren(row?: NeuronRow): readonly NeuronRow[] & NeuronRow[] {
    return row === undefined ? [...this.#rows] : [];
  }

  getTreeItem(row: NeuronRow): vscode.TreeItem {
    const item = new vscode.TreeItem(row.key);
    item.description = row.description;
    item.iconPath = new vscode.ThemeIcon(row.focused ? "circle-filled" : "circle-outline");
    item.contextValue = "neuron";
    item.tooltip = row.focused ? `${row.key} colours the text.` : `Click to colour the text by ${row.key}.`;
    item.command = { command: `${SECTION}.chooseNeuron`, title: "Colour the text", arguments: [row] };
    return item;
  }

  dispose(): void {
    this.#changed.dispose();
  }
}

function isText({ uri: { scheme } }: vscode.TextDocument): boolean {
  return !NO_TEXTS.includes(scheme);
}

/** What a setting says, whatever a person wrote there. */
function words(value: unknown): string {
  return typeof value === "string" ? value.trim() : value === undefined || value === null ? "" : JSON.stringify(value);
}

async function setContext(name: string, value: unknown): Promise<void> {
  await vscode.commands.executeCommand("setContext", `${SECTION}.${name}`, value);
}

/** A token is for one server: settings that name another do not get it. */
function secretOf(server: string): string {
  return `token ${server}`;
}

function all(...disposables: vscode.Disposable[]): Stop {
  return () => { for (const disposable of disposables) disposable.dispose(); };
}
