/** The basics of an editor in other pages: undo, keys, wrapped lines. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";

export const editorBasics: Extension = [
  history(),
  drawSelection(),
  EditorState.allowMultipleSelections.of(true),
  EditorView.lineWrapping,
  placeholder("Type or paste text"),
  keymap.of([...defaultKeymap, ...historyKeymap]),
  EditorView.contentAttributes.of({ "aria-label": "Text", spellcheck: "false", autocapitalize: "off", autocorrect: "off" }),
];
