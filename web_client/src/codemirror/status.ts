/** A line under the text that shows problems. */
import { type Extension, StateEffect, StateField } from "@codemirror/state";
import { EditorView, type PanelConstructor, showPanel } from "@codemirror/view";

const setWords = StateEffect.define<string | null>();

const line = StateField.define<string | null>({
  create: () => null,
  update(words, { effects }) {
    for (const effect of effects) if (effect.is(setWords)) words = effect.value;
    return words;
  },
  provide: (field) => showPanel.from(field, panelOf),
});

function panelOf(words: string | null): PanelConstructor | null {
  return words === null ? null : () => {
    const dom = document.createElement("div");
    dom.className = "neuro-status";
    dom.setAttribute("role", "status");
    dom.textContent = words;
    return { dom };
  };
}

/** Show these words, or no line. */
export function say(view: EditorView, words: string | null): void {
  if (view.state.field(line, false) !== words) view.dispatch({ effects: setWords.of(words) });
}

export const status: Extension = [
  line,
  EditorView.theme({ ".neuro-status": { padding: "3px 8px", font: "12.5px/1.5 var(--sans, system-ui, sans-serif)" } }),
];
