import { EditorState } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { neuroscope } from "../../src/codemirror";

describe("the extension", () => {
  it("is loaded and configured where there is no DOM, and given twice counts once", () => {
    const options = { url: "http://127.0.0.1:9/", neurons: ["L1N5"] };
    const state = EditorState.create({ doc: "One two", extensions: [neuroscope(options), neuroscope(options)] });
    expect(state.update({ changes: { from: 0, insert: "\ud83d" } }).state.doc.toString()).toBe("\ufffdOne two");
  });
});
