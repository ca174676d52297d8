/**
 * As much of the `vscode` module as the extension uses, over plain texts: for running its bundle without Visual Studio Code.
 *
 * Edits are told as VS Code tells them: from the end of the text on, line ends counted as they are.
 */
"use strict";

class Event {
  #listeners = new Set();
  on = (listener) => {
    this.#listeners.add(listener);
    return { dispose: () => { this.#listeners.delete(listener); } };
  };
  fire(value) { for (const listener of [...this.#listeners]) listener(value); }
}

class EventEmitter extends Event {
  event = this.on;
  dispose() {}
}

class Position {
  constructor(line, character) { Object.assign(this, { line, character }); }
}
class Range {
  constructor(start, end) { Object.assign(this, { start, end }); }
}
class Selection extends Range {
  constructor(anchor, active) { super(anchor, active); this.active = active; }
}

class TextDocument {
  constructor(uri, text) {
    this.uri = { scheme: uri.split(":")[0], toString: () => uri };
    this.set(text);
  }
  set(text) {
    this.text = text;
    this.starts = [0, ...[...text.matchAll(/\r\n|\n/g)].map(({ 0: end, index }) => index + end.length)];
  }
  getText() { return this.text; }
  get lineCount() { return this.starts.length; }
  lineAt(line) {
    if (line < 0 || line >= this.lineCount) throw new Error(`there is no line ${line}`);
    const start = this.starts[line];
    const end = line + 1 < this.lineCount ? this.starts[line + 1] : this.text.length;
    return { range: new Range(new Position(line, 0), new Position(line, this.text.slice(start, end).replace(/\r?\n$/, "").length)) };
  }
  offsetAt({ line, character }) { return this.starts[line] + character; }
  positionAt(offset) {
    const line = this.starts.findLastIndex((start) => start <= offset);
    return new Position(line, Math.min(offset - this.starts[line], this.lineAt(line).range.end.character));
  }
}

class TextEditor {
  decorations = new Map();
  paints = 0;
  constructor(document, painted) {
    this.document = document;
    this.painted = painted;
    this.selection = { active: new Position(0, 0) };
  }
  get visibleRanges() { return [new Range(new Position(0, 0), new Position(this.document.lineCount - 1, 0))]; }
  revealRange() {}
  setDecorations(type, ranges) {
    if (type.disposed) throw new Error("this decoration was disposed of");
    if (ranges.length === 0) this.decorations.delete(type);
    else this.decorations.set(type, ranges);
    this.paints += 1;
    this.painted.fire();
  }
}

/** The module, and the hand of the person at the editor. */
function make(settings, answers) {
  const [changed, switched, appeared, selected, scrolled, configured, painted] = Array.from({ length: 7 }, () => new Event());
  const commands = new Map();
  const shown = { status: null, warnings: [], picks: [], hovers: [], log: [], contexts: {} };
  const secrets = new Map();
  const window = {
    activeTextEditor: undefined,
    visibleTextEditors: [],
    onDidChangeVisibleTextEditors: appeared.on,
    onDidChangeActiveTextEditor: switched.on, onDidChangeTextEditorSelection: selected.on, onDidChangeTextEditorVisibleRanges: scrolled.on,
    createStatusBarItem: () => ({ show() { shown.status = { text: this.text, tooltip: this.tooltip, command: this.command }; painted.fire(); }, dispose() {} }),
    createTextEditorDecorationType: (options) => ({ options, disposed: false, dispose() { this.disposed = true; } }),
    createOutputChannel: () => ({ info: (line) => { shown.log.push(line); }, show() {}, dispose() {} }),
    createTreeView: (_, { treeDataProvider }) => { module.tree = treeDataProvider; return { dispose() {} }; },
    showWarningMessage: async (words) => { shown.warnings.push(words); },
    showInputBox: async ({ title, validateInput }) => {
      const answer = answers[title];
      const wrong = validateInput?.(answer);
      if (wrong) throw new Error(wrong);
      return answer;
    },
    showQuickPick: async (items, { title }) => {
      shown.picks.push({ title, items });
      return items[0];
    },
  };
  const module = {
    window, Position, Range, Selection, EventEmitter,
    workspace: {
      onDidChangeTextDocument: changed.on, onDidChangeConfiguration: configured.on, onDidOpenTextDocument: new Event().on,
      getConfiguration: (section) => ({
        get: (name, otherwise) => settings[`${section}.${name}`] ?? otherwise,
        inspect: () => ({}),
        update: async (name, value, target) => {
          if (target !== module.ConfigurationTarget.Global) throw new Error("not for this target");
          settings[`${section}.${name}`] = value;
          configured.fire({ affectsConfiguration: (other) => other === section });
        },
      }),
    },
    commands: {
      registerCommand: (name, act) => { commands.set(name, act); return { dispose: () => commands.delete(name) }; },
      executeCommand: async (name, ...rest) => { if (name === "setContext") shown.contexts[rest[0]] = rest[1]; },
    },
    languages: {
      match: ({ pattern }, { uri }) => (uri.toString().endsWith(pattern.replace("**/", "/")) ? 10 : 0),
      registerHoverProvider: (_, provider) => { module.hover = provider; return { dispose() {} }; },
    },
    StatusBarAlignment: { Right: 2 }, ConfigurationTarget: { Global: 1, Workspace: 2 }, DecorationRangeBehavior: { ClosedClosed: 1 },
    OverviewRulerLane: { Right: 4 }, TextEditorRevealType: { InCenterIfOutsideViewport: 2 },
    Uri: { parse: (text) => ({ toString: () => text }) },
    TreeItem: class { constructor(label) { this.label = label; } },
    ThemeIcon: class { constructor(id) { this.id = id; } },
    ThemeColor: class { constructor(id) { this.id = id; } },
    MarkdownString: class { value = ""; appendCodeblock(code) { this.value += code; return this; } },
    Hover: class { constructor(contents, range) { Object.assign(this, { contents, range }); } },
  };
  const hand = {
    shown, commands, secrets,
    context: {
      subscriptions: [],
      secrets: { get: async (key) => secrets.get(key), store: async (key, value) => { secrets.set(key, value); }, delete: async (key) => { secrets.delete(key); } },
    },
    open: (uri, text) => new TextEditor(new TextDocument(uri, text), painted),
    /** Turn to an editor, beside which those others are seen. */
    activate(editor, ...beside) {
      window.visibleTextEditors = [editor, ...beside];
      appeared.fire(window.visibleTextEditors);
      window.activeTextEditor = editor;
      switched.fire(editor);
    },
    edit(editor, changes) {
      const { document } = editor;
      const told = [...changes].sort((a, b) => b.from - a.from).map(({ from, to, insert }) => ({ rangeOffset: from, rangeLength: to - from, text: insert }));
      document.set(told.reduce((text, { rangeOffset, rangeLength, text: insert }) => text.slice(0, rangeOffset) + insert + text.slice(rangeOffset + rangeLength), document.text));
      changed.fire({ document, contentChanges: told });
    },
    moveTo(editor, offset) {
      editor.selection = { active: editor.document.positionAt(offset) };
      selected.fire({ textEditor: editor });
    },
    scroll: (editor) => scrolled.fire({ textEditor: editor }),
    /** Resolves when something was shown that `look` likes. */
    until: (look) => new Promise((resolve) => {
      const again = () => { if (look()) { listening.dispose(); resolve(); } };
      const listening = painted.on(again);
      again();
    }),
    /** What colours lie under the text; signs of line breaks and marks beside the text not counted. */
    worn: ({ decorations }) => decorations.size,
    decorated: ({ document, decorations }) => [...decorations].filter(([{ options }]) => options.light.backgroundColor).flatMap(([{ options }, ranges]) => ranges.map(({ start, end }) => ({
      from: document.offsetAt(start), to: document.offsetAt(end), light: options.light.backgroundColor, dark: options.dark.backgroundColor,
    }))).sort((a, b) => a.from - b.from),
  };
  return { module, hand };
}

module.exports = { make };
