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

  it("have one kind of line break, whatever is put in", () => {
    const insert = (doc: string, from: number, added: string, to = from): string => {
      const document = new NeuroscopeDocument("a", "", new ManualClock());
      return EditorState.create({ doc, extensions: syncDocument(document) }).update({ changes: { from, to, insert: added } }).state.doc.toString();
    };
    expect(insert("", 0, "a\r\nb\r\n")).toBe("a\nb\n");
    expect(insert("a\r", 2, "\nb")).toBe("a\nb"); // in two steps
    expect(insert("a\r\r\r", 4, "\n")).toBe("a\n");
    expect(insert("a\rx\nb", 2, "", 3)).toBe("a\nb");
    expect(insert("a\nb", 1, "\r")).toBe("a\nb");
    // One that ends no line is a character, which a model may read.
    expect(insert("ab", 1, "\r")).toBe("a\rb");
    expect(insert("🙂\r🙂", 2, "")).toBe("🙂\r🙂");
  });
});
