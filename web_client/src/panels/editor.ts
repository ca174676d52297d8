/** The editor as an element. Its shadow root lets CodeMirror's styles be adopted, which a strict content policy allows. */
import { highlightSelectionMatches, openSearchPanel, search, searchKeymap } from "@codemirror/search";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorSelection, EditorState } from "@codemirror/state";
import { crosshairCursor, drawSelection, dropCursor, EditorView, keymap, placeholder, rectangularSelection } from "@codemirror/view";
import { css, html, type TemplateResult } from "lit";
import { neuroscope } from "../editor";
import { Panel } from "./panel";
import { base } from "./styles";

export class EditorPanel extends Panel {
  static override styles = [base, css`
    :host { display: flex; min-height: 0; }
    .host { flex: 1; min-width: 0; display: flex; }
    .cm-editor { flex: 1; min-width: 0; height: auto; max-height: 100%; }
  `];
  #view: EditorView | null = null;
  #stops: readonly (() => void)[] = [];

  /** How many columns of text a line has room for; null before there is an editor. */
  get columns(): number | null {
    const view = this.#view;
    const line = view?.contentDOM.querySelector(".cm-line");
    if (view === null || line == null) return null;
    const { paddingLeft, paddingRight } = getComputedStyle(line);
    return Math.max(1, Math.floor((line.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)) / view.defaultCharacterWidth));
  }

  override render(): TemplateResult {
    return html`<div class="host" data-testid="editor"></div>`;
  }

  protected override firstUpdated(): void {
    const { text } = this.workbench;
    const view = new EditorView({
      parent: this.renderRoot.querySelector(".host") as HTMLElement,
      root: this.renderRoot as ShadowRoot,
      state: EditorState.create({
        doc: text.document.text,
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
            "aria-label": "Text", tabindex: "0", spellcheck: "false", autocapitalize: "off", autocorrect: "off",
          }),
          neuroscope(text.document, text),
        ],
      }),
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
    if (matchMedia("(pointer: fine)").matches) view.focus(); // on a touch screen the keyboard would cover half of the page
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const stop of this.#stops) stop();
    this.#view?.destroy();
  }
}
