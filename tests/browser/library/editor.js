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
        options.wrap === false ? [] : EditorView.lineWrapping, EditorState.allowMultipleSelections.of(true),
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

/** Of each token that is seen: whether a neuron's value asks for a stripe, and whether there is ink under it. */
function stripes(view, key) {
  const { document: { tokens, activations } } = neuroscopeOf(view);
  const reach = neuroscopeOf(view).scale(key).max;
  const seen = view.scrollDOM.getBoundingClientRect();
  const pictures = [...view.dom.querySelectorAll(".neuro-stripes canvas")].map((canvas) => {
    const box = canvas.getBoundingClientRect();
    return { box, data: canvas.getContext("2d"), scale: canvas.width / box.width };
  });
  const inked = (x, y) => pictures.some(({ box, data, scale }) => data.getImageData((x - box.left) * scale, (y - box.top) * scale, 1, 1).data[3] > 0);
  return tokens.infos.flatMap(({ special }, i) => {
    const [from, to] = [view.coordsAtPos(tokens.from[i], 1), view.coordsAtPos(tokens.to[i], -1)];
    if (special || from === null || to === null || from.left < seen.left + 40 || to.right > seen.right || to.right - from.left < 3) return [];
    const wanted = Math.round((Math.abs(activations.values(key)[i]) / reach) * 16) !== 0;
    const x = (from.left + to.right) / 2;
    return [{ token: i, wanted, found: Array.from({ length: 12 }, (_, y) => inked(x, from.bottom + y)).includes(true) }];
  });
}

globalThis.library = { stripes, shown, make, first: () => EditorView.findFromDOM(document.querySelector(".cm-editor")) };
