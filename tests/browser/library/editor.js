// Somebody's editor, with much of what such editors have, beside the one of the README.
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { neuroscope, neuroscopeOf } from "interactive-neuroscope-client/codemirror";

const dark = EditorView.theme({ "&": { color: "#ddd", backgroundColor: "#181a1f" }, ".cm-gutters": { backgroundColor: "#181a1f" } }, { dark: true });

/** What is shown, as the README's reader gets at it. */
async function shown(view) {
  const session = neuroscopeOf(view);
  await session.settled();
  const { document: { text, tokens, activations }, neurons, focus } = session;
  const byNeuron = (of) => Object.fromEntries(neurons.map((key) => [key, of(key)]));
  return {
    settled: true, text, neurons, focus, tokens: tokens.infos.map((_, i) => tokens.at(i)),
    values: byNeuron((key) => [...activations.values(key)]), scales: byNeuron((key) => session.scale(key)),
  };
}

/** An editor whose extension can be exchanged. */
function make(options) {
  const place = new Compartment();
  const view = new EditorView({
    parent: document.body,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        lineNumbers(), history(), drawSelection(), highlightActiveLine(), keymap.of([...defaultKeymap, ...historyKeymap]), dark,
        EditorView.lineWrapping, EditorState.allowMultipleSelections.of(true),
        // Typed over a selection, a bracket goes around it.
        EditorView.inputHandler.of((target, from, to, insert) => {
          if (insert !== "(" || from === to) return false;
          target.dispatch({ changes: [{ from, insert: "(" }, { from: to, insert: ")" }] });
          return true;
        }),
        place.of(neuroscope(options)),
      ],
    }),
  });
  const reconfigure = (next) => view.dispatch({ effects: place.reconfigure(next === null ? [] : neuroscope(next)) });
  return { view, reconfigure, session: () => neuroscopeOf(view) };
}

globalThis.library = { shown, make, first: () => EditorView.findFromDOM(document.querySelector(".cm-editor")) };
