import { describe, expect, it } from "vitest";
import { type Command, Commands, keyNames, keysOf } from "../../src/workbench";

const command = (id: string, more: Partial<Command> = {}): Command => ({ id, title: id, group: "Test", run: () => undefined, ...more });

describe("commands", () => {
  it("run by id and by shortcut, when they can", () => {
    const commands = new Commands();
    const ran: string[] = [];
    let open = false;
    const stop = commands.add(
      command("a", { keys: "Mod-k", run: () => ran.push("a") }),
      command("b", { keys: "?", enabled: () => open, run: () => ran.push("b") }),
    );
    expect([commands.run("a"), commands.press("Mod-k"), commands.press("?"), commands.run("c")]).toEqual([true, true, false, false]);
    open = true;
    expect(commands.press("?")).toBe(true);
    expect(ran).toEqual(["a", "a", "b"]);
    stop();
    expect(commands.list).toEqual([]);
  });

  it("have keys of one place, which the help tells of", () => {
    const commands = new Commands();
    commands.add(
      command("a", { keys: "Mod-p", local: { keys: "p", group: "List" } }),
      command("b", { local: { keys: "p", group: "Text" } }),
    );
    expect([commands.press("p"), commands.idIn("List", "p"), commands.idIn("Text", "p"), commands.idIn("List", "q")])
      .toEqual([false, "a", "b", undefined]);
    expect(commands.shortcuts.map(({ group, keys, title }) => [group, keys, title]))
      .toEqual([["Test", "Mod-p", "a"], ["List", "p", "a"], ["Text", "p", "b"]]);
  });

  it("keep ids and shortcuts apart", () => {
    const commands = new Commands();
    commands.add(command("a", { keys: "Mod-k" }), command("b"));
    expect(() => commands.add(command("a"))).toThrow("clashes with a");
    expect(() => commands.add(command("c", { keys: "Mod-k" }))).toThrow("clashes with a");
    expect(commands.list.map(({ id }) => id)).toEqual(["a", "b"]);
  });
});

it("tells of all keys, and writes them as people read them", () => {
  const commands = new Commands();
  commands.add(command("a", { keys: "?", alsoKeys: "F1" }), command("b"));
  commands.tell({ keys: "Mod-z", title: "Undo", group: "Text" });
  expect(commands.shortcuts.map(({ keys, title }) => [keys, title])).toEqual([["?", "a"], ["F1", "a"], ["Mod-z", "Undo"]]);
  expect(commands.press("F1")).toBe(true);
  expect(() => commands.add(command("c", { keys: "F1" }))).toThrow("clashes with a");
  expect(keyNames("Mod-Shift-z", false)).toEqual(["Ctrl", "Shift", "Z"]);
  expect(keyNames("Mod-Shift-z", true)).toEqual(["⌘", "⇧", "Z"]);
  expect(keyNames("Alt-ArrowUp", false)).toEqual(["Alt", "↑"]);
  expect(keyNames("Mod--", false)).toEqual(["Ctrl", "-"]);
  expect([keyNames("-", false), keyNames("?", true), keyNames("F1", false)]).toEqual([["-"], ["?"], ["F1"]]);
});

it("names key presses as shortcuts are written", () => {
  const press = { key: "k", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
  expect(keysOf({ ...press, ctrlKey: true }, false)).toBe("Mod-k");
  expect(keysOf({ ...press, metaKey: true }, true)).toBe("Mod-k");
  expect(keysOf({ ...press, ctrlKey: true }, true)).toBe("Ctrl-k");
  expect(keysOf({ ...press, key: "K", ctrlKey: true, shiftKey: true }, false)).toBe("Mod-Shift-k");
  expect(keysOf({ ...press, key: "ArrowUp", altKey: true }, false)).toBe("Alt-ArrowUp");
  expect(keysOf({ ...press, key: "?", shiftKey: true }, false)).toBe("?");
  // Option-Shift-S on a Mac types an accented letter; Alt-Home has no letter at all.
  expect(keysOf({ ...press, key: "Í", code: "KeyS", altKey: true, shiftKey: true }, true)).toBe("Alt-Shift-s");
  expect(keysOf({ ...press, key: "PageDown", code: "PageDown", altKey: true }, false)).toBe("Alt-PageDown");
});
