import { EditorSelection, EditorState } from "@codemirror/state";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyChanges, NeuroscopeDocument, normalize } from "../../src/client";
import { ManualClock } from "../../src/client/testing";
import { changesOf, syncDocument } from "../../src/editor/sync";
import { edit, fit, text } from "../arbitraries";

describe("the editor's changes", () => {
  it("are the document's, for any edit", () => {
    fc.assert(
      fc.property(text, edit, (content, parts) => {
        const state = EditorState.create({ doc: content, extensions: EditorState.lineSeparator.of("\n") });
        const transaction = state.update({ changes: [...fit(parts, content)] });
        const changes = changesOf(transaction.changes);
        expect(applyChanges(content, changes)).toBe(transaction.newDoc.toString());
        expect(normalize(changes, content.length)).toEqual(changes); // CodeMirror joins what touches, as normalize does
      }),
    );
  });

  it("come from several cursors as one", () => {
    const state = EditorState.create({
      doc: "a b c",
      selection: EditorSelection.create([EditorSelection.cursor(1), EditorSelection.range(2, 3)]),
      extensions: EditorState.allowMultipleSelections.of(true),
    });
    const changes = changesOf(state.update(state.replaceSelection("xy")).changes);
    expect(changes).toEqual([
      { from: 1, to: 1, insert: "xy" },
      { from: 2, to: 3, insert: "xy" },
    ]);
  });

  it("never leave half a character", () => {
    const units = fc.string({ unit: fc.constantFrom("a", "🙂", "\ud83d", "\ude42", "\n"), maxLength: 12 });
    const document = new NeuroscopeDocument("a", "", new ManualClock());
    fc.assert(
      fc.property(units, fc.array(fc.tuple(fc.nat(14), fc.nat(4), units), { maxLength: 6 }), (first, edits) => {
        let state = EditorState.create({ doc: "", extensions: syncDocument(document) });
        state = state.update({ changes: { from: 0, insert: first } }).state;
        for (const [at, size, insert] of edits) {
          const from = Math.min(at, state.doc.length);
          state = state.update({ changes: { from, to: Math.min(state.doc.length, from + size), insert } }).state;
          expect(state.doc.toString()).not.toMatch(
            /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("keep a carriage return as a character, not as a second kind of line end", () => {
    const document = new NeuroscopeDocument("a", "", new ManualClock());
    const state = EditorState.create({ doc: "", extensions: syncDocument(document) }).update({
      changes: { from: 0, insert: "a\r\nb" },
    }).state;
    expect(state.doc.toString().length).toBe(4);
    expect(state.doc.lines).toBe(2);
  });
});
