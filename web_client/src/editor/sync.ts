/** The editor's text and a NeuroscopeDocument are the same text: every transaction becomes a change of the document. */
import { type ChangeSet as EditorChanges, EditorState, type Extension, type Text, type Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import type { ChangeSet } from "../client/changes";
import type { NeuroscopeDocument } from "../client/document";

/** CodeMirror's changes as the protocol's: offsets in the old text, UTF-16 units. */
export function changesOf(changes: EditorChanges): ChangeSet {
  const result: { from: number; to: number; insert: string }[] = [];
  changes.iterChanges((from, to, _fromB, _toB, insert) => { result.push({ from, to, insert: insert.toString() }); });
  return result;
}

/** Tell `document` what is typed. The editor must start with the document's text. */
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

/** Half a surrogate pair has no UTF-8, and no model could read it: it becomes U+FFFD, as it does in every browser's form. */
const wellFormedText = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged) return transaction;
  const repairs: { from: number; to: number; insert: string }[] = [];
  transaction.changes.iterChanges((_fromA, _toA, fromB, toB) => {
    // One more character on each side: an edit can part a pair or join two halves.
    const from = Math.max(0, fromB - 1);
    loneSurrogates(transaction.newDoc, from, Math.min(transaction.newDoc.length, toB + 1), (at) => {
      if (repairs.at(-1)?.from !== at) repairs.push({ from: at, to: at + 1, insert: "\ufffd" });
    });
  });
  return repairs.length === 0 ? transaction : [transaction, { changes: repairs, sequential: true }];
});

/**
 * Chromium, left to itself, gives what is typed over a selection the colours of what was there, as an inline style: a
 * breach of the content policy, and a colour nobody computed. So this one input is done here.
 */
const typingOverSelection = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { state } = view;
    if (event.inputType !== "insertText" || event.isComposing || event.data === null || state.readOnly) return false;
    if (state.selection.ranges.every((range) => range.empty)) return false;
    const { data } = event;
    const { from, to } = state.selection.main;
    const insert = (): Transaction => state.update(state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
    // Brackets around the selection, and whatever else others have put in the way of input.
    if (!state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    return true; // and the browser does nothing
  },
});

/** What keeps an editor's text such as a document can take it. */
export const wellFormedInput: Extension = [wellFormedText, typingOverSelection];

function loneSurrogates(text: Text, from: number, to: number, found: (at: number) => void): void {
  const piece = text.sliceString(from, to);
  for (let i = 0; i < piece.length; i++) {
    const unit = piece.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const high = unit < 0xdc00;
    const other = high ? i + 1 : i - 1;
    const outside = other < 0 || other >= piece.length;
    const neighbour = outside ? text.sliceString(from + other, from + other + 1).charCodeAt(0) : piece.charCodeAt(other);
    const paired = high ? neighbour >= 0xdc00 && neighbour <= 0xdfff : neighbour >= 0xd800 && neighbour < 0xdc00;
    if (!paired) found(from + i);
  }
}
