/** The editor as an element. In its shadow root, CodeMirror adopts its style sheets, which a strict content policy
 * allows. */
import { highlightSelectionMatches, openSearchPanel, search, searchKeymap } from "@codemirror/search";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorSelection, EditorState } from "@codemirror/state";
import { crosshairCursor, drawSelection, dropCursor, EditorView, keymap, placeholder, rectangularSelection } from "@codemirror/view";
import { css, html, type PropertyDeclarations, type TemplateResult } from "lit";
import { neuroscope } from "../editor";
import type { Passage } from "../workbench";
import { Panel } from "./panel";
import { base } from "./styles";

/** States of editors that are not on the page, so that a text that returns keeps its undo history. */
const kept = new WeakMap<Passage, EditorState>();

export class EditorPanel extends Panel {
  static override properties: PropertyDeclarations = { passage: { attribute: false }, label: {} };
  static override styles = [base, css`
    :host { display: flex; min-height: 0; }
    .host { flex: 1; min-width: 0; display: flex; }
    .cm-editor { flex: 1; min-width: 0; height: auto; max-height: 100%; }
  `];
  /** The edited text; the same for the element's whole life. */
  declare passage: Passage;
  /** Accessible name; the first editor has the focus when the page opens. */
  declare label: string;
  #view: EditorView | null = null;
  #stops: readonly (() => void)[] = [];

  /** How many columns fit on a line; null before there is an editor. */
  get columns(): number | null {
    const view = this.#view;
    const line = view?.contentDOM.querySelector(".cm-line");
    if (view === null || line == null) return null;
    const { paddingLeft, paddingRight } = getComputedStyle(line);
    return Math.max(1, Math.floor((line.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)) / view.defaultCharacterWidth));
  }

  override render(): TemplateResult {
    return html`<div class="host" data-testid=${this.#first ? "editor" : "editor-right"}></div>
      <neuro-announcer .workbench=${this.workbench} .passage=${this.passage}></neuro-announcer>`;
  }

  get #first(): boolean {
    return this.passage === this.workbench.text;
  }

  protected override firstUpdated(): void {
    const text = this.passage;
    const view = new EditorView({
      parent: this.renderRoot.querySelector(".host") as HTMLElement,
      root: this.renderRoot as ShadowRoot,
      state: this.#state(),
    });
    this.#view = view;
    this.#stops = [
      text.on("find", () => { openSearchPanel(view); }),
      text.on("reveal", (offset) => {
        view.dispatch({ selection: EditorSelection.cursor(offset), effects: EditorView.scrollIntoView(offset, { y: "center" }) });
      }),
      text.on("replace", (insert) => {
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert }, userEvent: "input.paste" });
      }),
    ];
    // On a touch screen the keyboard would cover half of the page.
    if (this.#first && matchMedia("(pointer: fine)").matches) view.focus();
  }

  /** The editor's last state, with the current text. */
  #state(): EditorState {
    const { document } = this.passage;
    const state = kept.get(this.passage) ?? this.#newState();
    const change = { from: 0, to: state.doc.length, insert: document.text };
    return state.doc.toString() === document.text ? state : state.update({ changes: change, userEvent: "input.paste" }).state;
  }

  #newState(): EditorState {
    return EditorState.create({
        doc: this.passage.document.text,
        extensions: [
          history(),
          drawSelection(),
          dropCursor(),
          EditorState.allowMultipleSelections.of(true),
          rectangularSelection(),
          crosshairCursor(),
          highlightSelectionMatches({ minSelectionLength: 2 }),
          EditorView.lineWrapping,
          search({ top: true }),
          placeholder("Type or paste text"),
          keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap]),
          EditorView.contentAttributes.of({
            "aria-label": this.label, tabindex: "0", spellcheck: "false", autocapitalize: "off", autocorrect: "off",
          }),
          neuroscope(this.passage.document, this.passage),
        ],
      });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const stop of this.#stops) stop();
    if (this.#view !== null) kept.set(this.passage, this.#view.state);
    this.#view?.destroy();
  }
}
