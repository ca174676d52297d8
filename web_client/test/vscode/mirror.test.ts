import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyChanges, type ChangeSet, NeuroscopeDocument, normalize, wellFormed } from "../../src/client";
import { ManualClock } from "../../src/client/testing";
import type { TextChange } from "../../vscode/src/host";
import { difference, follow, simultaneous } from "../../vscode/src/mirror";

/** What the words of a change say, taken literally. */
function inTurn(text: string, changes: readonly TextChange[]): string {
  return changes.reduce((now, { offset, length, text: insert }) => now.slice(0, offset) + insert + now.slice(offset + length), text);
}

const unit = fc.constantFrom("a", "b", " ", "\n", "\r\n", "é", "🙂", "\ud83d", "\ude42", "\ufffd");
const anyText = fc.array(unit, { maxLength: 12 }).map((units) => units.join(""));

/** Changes in turn, anywhere: halves of pairs and of line ends included. */
const turns = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), anyText), { maxLength: 4 });
function fitted(text: string, raw: readonly (readonly [number, number, string])[]): TextChange[] {
  const changes: TextChange[] = [];
  let now = text;
  for (const [at, count, insert] of raw) {
    const offset = at % (now.length + 1);
    const change = { offset, length: Math.min(count, now.length - offset), text: insert };
    changes.push(change);
    now = inTurn(now, [change]);
  }
  return changes;
}

describe("follow", () => {
  it("keeps the document the editor's text, whatever is edited in whatever order", () => {
    fc.assert(fc.property(anyText, fc.array(turns, { maxLength: 4 }), (start, edits) => {
      const document = new NeuroscopeDocument("note", wellFormed(start), new ManualClock());
      let text = start;
      for (const raw of edits) {
        const changes = fitted(text, raw);
        text = inTurn(text, changes);
        follow(document, { text, length: text.length }, changes);
        expect(document.text).toBe(wellFormed(text));
      }
    }), { numRuns: 500 });
  });

  it("makes one version of an edit in many places", () => {
    const document = new NeuroscopeDocument("note", "one\r\ntwo\r\nthree", new ManualClock());
    const changes = [{ offset: 10, length: 0, text: "- " }, { offset: 5, length: 0, text: "- " }, { offset: 0, length: 0, text: "- " }];
    follow(document, { text: "- one\r\n- two\r\n- three", length: 21 }, changes);
    expect([document.text, document.version]).toEqual(["- one\r\n- two\r\n- three", 1]);
  });

  // Noted down from the text model that VS Code and Monaco share: edits in several places and twice in one, a deletion, undone,
  // and other ends of lines.
  it("follows what Visual Studio Code's own text model tells", () => {
    const told: [string, ...[number, number, string][]][] = [
      ["- one\r\n- two\r\n3\r\nx 🙂", [10, 5, "3\r\nx"], [5, 0, "- "], [0, 0, "- "]],
      ["ab- one\r\n- two\r\n3\r\nx 🙂", [0, 0, "b"], [0, 0, "a"]],
      ["- two\r\n3\r\nx 🙂", [0, 9, ""]],
      ["one\r\ntwo\r\nthree 🙂", [7, 4, "three"], [0, 2, "one\r\n"]],
      ["one\ntwo\nthree 🙂", [0, 18, "one\ntwo\nthree 🙂"]],
      ["all new\r\n", [0, 16, "all new\r\n"]],
    ];
    const document = new NeuroscopeDocument("note", "one\r\ntwo\r\nthree 🙂", new ManualClock());
    for (const [i, [text, ...changes]] of told.entries()) {
      const turn = changes.map(([offset, length, insert]) => ({ offset, length, text: insert }));
      expect(simultaneous(turn)).not.toBeNull();
      follow(document, { text, length: text.length }, turn);
      expect([document.text, document.version]).toEqual([text, i + 1]);
    }
  });

  it("is right again after changes that were missed", () => {
    const document = new NeuroscopeDocument("note", "one two", new ManualClock());
    follow(document, { text: "one and two, too", length: 16 }, [{ offset: 11, length: 0, text: ", too" }]);
    expect(document.text).toBe("one and two, too");
  });
});

it("tells changes in turn as changes of one text exactly where that is the same", () => {
  fc.assert(fc.property(anyText, turns, (text, raw) => {
    const changes = fitted(text, raw);
    const set = simultaneous(changes);
    if (set !== null) expect(applyChanges(text, normalize(set, text.length))).toBe(inTurn(text, changes));
  }), { numRuns: 500 });
  expect(simultaneous([{ offset: 4, length: 0, text: "b" }, { offset: 4, length: 0, text: "a" }])).toEqual([
    { from: 4, to: 4, insert: "a" }, { from: 4, to: 4, insert: "b" },
  ]);
  expect(simultaneous([{ offset: 0, length: 1, text: "" }, { offset: 4, length: 0, text: "a" }])).toBeNull();
});

it("finds a change between two texts that parts no surrogate pair", () => {
  fc.assert(fc.property(anyText.map(wellFormed), anyText.map(wellFormed), (old, now) => {
    const set: ChangeSet = difference(old, now);
    expect(applyChanges(old, set)).toBe(now);
    for (const { from, to, insert } of set) {
      for (const piece of [old.slice(0, from), old.slice(to), insert]) expect(piece).toBe(wellFormed(piece));
    }
    expect(set.length).toBe(old === now ? 0 : 1);
  }), { numRuns: 500 });
});
