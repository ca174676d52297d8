/** Visual Studio Code's side of the seam. */
import * as vscode from "vscode";
import { buckets, css, washUnder } from "../../src/colour/palette";
import { bare } from "./picture";
import type { Choice, Command, Host, Paint, Question, Settings, Span, Status, Stop, TextChange, TextEditor } from "./host";

const SECTION = "neuroscope";
/** Lines above and below of what is seen that are painted too: a scroll shows colours before it is answered. */
const SLACK_LINES = 60;
/** Outputs and consoles are no texts of a person's. */
const NO_TEXTS = ["output", "debug", "vscode-terminal"];

const ICONS: Readonly<Record<Status["icon"], string>> = { off: "circle-outline", busy: "sync~spin", on: "circle-filled", problem: "warning" };

/** What a click on the status does, in words. */
const CLICKS: Readonly<Record<Command, string>> = {
  connect: "connect now", disconnect: "disconnect", addNeuron: "add a neuron", removeNeuron: "remove a neuron", chooseNeuron: "choose a neuron",
  nextNeuron: "go to the next neuron", previousNeuron: "go to the previous neuron", topNeurons: "see the top neurons at the cursor",
  setToken: "give the token",
};

export class VsCodeHost implements Host, vscode.Disposable {
  readonly #context: vscode.ExtensionContext;
  readonly #item = vscode.window.createStatusBarItem("neuroscope", vscode.StatusBarAlignment.Right, 100);
  readonly #wardrobe = new Wardrobe();
  #last: vscode.TextEditor | null = null;
  readonly #editors = new WeakMap<vscode.TextEditor, VsCodeEditor>();

  constructor(context: vscode.ExtensionContext) {
    this.#context = context;
    this.#item.name = "Neuroscope";
  }

  dispose(): void {
    this.#item.dispose();
    this.#wardrobe.dispose();
  }

  /** The active editor of a text; where something else was turned to, the last one, as long as it is seen. */
  get editor(): VsCodeEditor | null {
    const { activeTextEditor: active, visibleTextEditors: visible } = vscode.window;
    if (active !== undefined && !NO_TEXTS.includes(active.document.uri.scheme)) this.#last = active;
    else if (this.#last !== null && !visible.includes(this.#last)) this.#last = null;
    if (this.#last === null) return null;
    const known = this.#editors.get(this.#last) ?? new VsCodeEditor(this.#last, this.#wardrobe);
    this.#editors.set(this.#last, known);
    return known;
  }

  onEditor(listener: () => void): Stop {
    const stops = [stop(vscode.window.onDidChangeActiveTextEditor(listener)), stop(vscode.window.onDidChangeVisibleTextEditors(listener))];
    return () => { for (const end of stops) end(); };
  }

  onChange(listener: (uri: string, changes: readonly TextChange[]) => void): Stop {
    return stop(vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      const changes = contentChanges.map(({ rangeOffset, rangeLength, text }) => ({ offset: rangeOffset, length: rangeLength, text }));
      if (changes.length > 0) listener(document.uri.toString(), changes);
    }));
  }

  onCursor(listener: () => void): Stop {
    return stop(vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
      if (textEditor === this.#last) listener();
    }));
  }

  onScroll(listener: () => void): Stop {
    return stop(vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => {
      if (textEditor === this.#last) listener();
    }));
  }

  get settings(): Settings {
    const settings = vscode.workspace.getConfiguration(SECTION);
    const neurons = settings.get<unknown>("neurons", []);
    return {
      url: settings.get("url", ""), model: settings.get("model", ""),
      neurons: Array.isArray(neurons) ? neurons.map(String) : [], // a person may write anything there
    };
  }

  onSettings(listener: () => void): Stop {
    return stop(vscode.workspace.onDidChangeConfiguration((event) => { if (event.affectsConfiguration(SECTION)) listener(); }));
  }

  async setNeurons(neurons: readonly string[]): Promise<void> {
    const settings = vscode.workspace.getConfiguration(SECTION);
    // Where they are written already, or else for the person.
    const inWorkspace = settings.inspect("neurons")?.workspaceValue !== undefined;
    await settings.update("neurons", neurons, inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global);
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

  warn(words: string): void {
    void vscode.window.showWarningMessage(`Neuroscope: ${words}`);
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
  readonly #wardrobe: Wardrobe;
  #worn = new Set<vscode.TextEditorDecorationType>();

  constructor(editor: vscode.TextEditor, wardrobe: Wardrobe) {
    this.#editor = editor;
    this.#wardrobe = wardrobe;
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

  paint({ hue, layers }: Paint = bare): void {
    const { document } = this.#editor;
    const worn = new Set<vscode.TextEditorDecorationType>();
    for (const [bucket, spans] of layers) {
      const type = this.#wardrobe.get(hue, bucket);
      worn.add(type);
      this.#editor.setDecorations(type, spans.map(({ from, to }) => new vscode.Range(document.positionAt(from), document.positionAt(to))));
    }
    for (const type of this.#worn) if (!worn.has(type)) this.#editor.setDecorations(type, []);
    this.#worn = worn;
  }
}

/** Decorations by hue and bucket, each made when it is first worn. */
class Wardrobe {
  readonly #types = new Map<number, vscode.TextEditorDecorationType>();

  get(hue: number, bucket: number): vscode.TextEditorDecorationType {
    const which = hue * buckets.length + bucket;
    const known = this.#types.get(which);
    if (known !== undefined) return known;
    const [light, dark] = (["light", "dark"] as const).map((theme) => {
      const { ink, opacity } = washUnder(hue, bucket, theme);
      return { backgroundColor: css(ink, opacity) };
    }) as [vscode.ThemableDecorationRenderOptions, vscode.ThemableDecorationRenderOptions];
    // Until the next answer VS Code moves them with the text, as the client does its tokens: what is typed at an edge is not theirs.
    const type = vscode.window.createTextEditorDecorationType({ light, dark, rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed });
    this.#types.set(which, type);
    return type;
  }

  dispose(): void {
    for (const type of this.#types.values()) type.dispose();
    this.#types.clear();
  }
}

/** A token is for one server: settings that name another do not get it. */
function secretOf(server: string): string {
  return `token ${server}`;
}

function stop(disposable: vscode.Disposable): Stop {
  return () => { disposable.dispose(); };
}
