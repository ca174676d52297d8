/** Keeps the editor's text and a NeuroscopeDocument equal: every transaction becomes a change of the document. */
import { type ChangeSet as EditorChanges, EditorState, type Extension, type Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import type { ChangeSet } from "../client/changes";
import type { NeuroscopeDocument } from "../client/document";

/** CodeMirror's changes as the protocol's: offsets in the old text, UTF-16 units. */
export function changesOf(changes: EditorChanges): ChangeSet {
  const result: { from: number; to: number; insert: string }[] = [];
  changes.iterChanges((from, to, _fromB, _toB, insert) => { result.push({ from, to, insert: insert.toString() }); });
  return result;
}

/** Pass edits on to `document`. The editor must start with the document's text. */
export function syncDocument(document: NeuroscopeDocument): Extension {
  return [
    // One line break is one character on both sides.
    EditorState.lineSeparator.of("\n"),
    wellFormedInput,
    EditorView.updateListener.of((update) => {
      if (update.docChanged) document.change(changesOf(update.changes));
    }),
  ];
}

/**
 * Repairs text that a document cannot or should not hold: half a surrogate pair has no UTF-8 and becomes U+FFFD, as in
 * every browser's form, and there is one kind of line break, whatever is pasted or dropped.
 */
const wellFormedText = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged) return transaction;
  const { newDoc } = transaction;
  const repairs: { from: number; to: number; insert: string }[] = [];
  transaction.changes.iterChanges((_fromA, _toA, fromB, toB) => {
    // An edit can split a pair or join two halves, and put a line break after a CR: its neighbours count, too.
    let from = Math.max(0, fromB - 2);
    while (from > 0 && newDoc.sliceString(from - 1, from) === "\r") from--;
    for (const { 0: found, index } of newDoc.sliceString(from, toB + 2).matchAll(/\p{Surrogate}|\r+(?=\n)/gu)) {
      const at = from + index;
      const half = !found.startsWith("\r");
      if (at < (repairs.at(-1)?.to ?? 0) || (half && (at < fromB - 1 || at > toB))) continue;
      repairs.push({ from: at, to: at + found.length, insert: half ? "\ufffd" : "" });
    }
  });
  return repairs.length === 0 ? transaction : [transaction, { changes: repairs, sequential: true }];
});

/**
 * Chromium gives text typed over a selection the old colours as an inline style, which violates the content policy and
 * is a wrong colour. So this input is handled here.
 */
const typingOverSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== "insertText" || event.isComposing || event.data === null || state.readOnly) return false;
    if (state.selection.ranges.every((range) => range.empty)) return false;
    const { data } = event;
    const { from, to } = state.selection.main;
    const insert = (): Transaction => state.update(state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
    // Brackets around the selection, and other extensions' input handlers.
    if (!state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    return true; // and the browser does nothing
  },
});

/** Keeps an editor's text valid for a document. */
export const wellFormedInput: Extension = [wellFormedText, typingOverSelection];
