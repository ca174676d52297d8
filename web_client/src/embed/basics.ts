/** What every editor in somebody else's page has: undo, keys, wrapped lines. */
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
