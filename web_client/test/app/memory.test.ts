import { describe, expect, it } from "vitest";
import { Memory } from "../../src/app/memory";

/** As the browser's: strings, and an exception when it is full. */
class SmallStorage implements Storage {
  readonly #items = new Map<string, string>();
  constructor(readonly room = Infinity) {}
  get length(): number { return this.#items.size; }
  key(index: number): string | null { return [...this.#items.keys()][index] ?? null; }
  getItem(name: string): string | null { return this.#items.get(name) ?? null; }
  removeItem(name: string): void { this.#items.delete(name); }
  clear(): void { this.#items.clear(); }
  setItem(name: string, value: string): void {
    const others = [...this.#items].filter(([other]) => other !== name);
    const used = others.reduce((sum, [other, content]) => sum + other.length + content.length, 0);
    if (used + name.length + value.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.#items.set(name, value);
  }
}

describe("what the browser keeps", () => {
  it("gives a new tab the state that was kept last, and a reloaded tab its own", () => {
    const visit = new SmallStorage();
    const [one, other] = [new SmallStorage(), new SmallStorage()].map((tab) => new Memory({ visit, tab }, "/")) as [Memory, Memory];
    expect(one.recall("")).toBeNull();
    one.keep({ state: "of one", used: true, fragment: "a" });
    other.keep({ state: "of the other", used: true, fragment: "b" });
    expect([one.recall("a"), other.recall("b")]).toEqual(["of one", "of the other"]);
    expect(new Memory({ visit, tab: new SmallStorage() }, "/").recall("")).toBe("of the other");
    expect(one.recall("")).toBe("of the other");
  });

  it("does not take what was only looked at for the last state", () => {
    const visit = new SmallStorage();
    const memory = new Memory({ visit, tab: new SmallStorage() }, "/");
    memory.keep({ state: "mine", used: true, fragment: "a" });
    const other = new Memory({ visit, tab: new SmallStorage() }, "/");
    other.keep({ state: "a link", used: false, fragment: "b" });
    expect([memory.recall(""), other.recall("b")]).toEqual(["mine", "a link"]);
  });

  it("leaves a link to be followed", () => {
    const memory = new Memory({ visit: new SmallStorage(), tab: new SmallStorage() }, "/");
    memory.keep({ state: "mine", used: true, fragment: "a" });
    expect(memory.recall("link")).toBeNull();
  });

  it("takes up a state that no address holds", () => {
    const memory = new Memory({ visit: new SmallStorage(), tab: new SmallStorage() }, "/");
    memory.keep({ state: "long", used: true, fragment: "" });
    expect(memory.recall("")).toBe("long");
  });

  it("is apart for every page of an origin", () => {
    const both = { visit: new SmallStorage(), tab: new SmallStorage() };
    new Memory(both, "/one/").keep({ state: "one", used: true, fragment: "" });
    expect(new Memory(both, "/two/").recall("")).toBeNull();
    new Memory(both, "/two/").clear();
    expect(new Memory(both, "/one/").recall("")).toBe("one");
  });

  it("says when there is no room, and keeps what it had", () => {
    const memory = new Memory({ visit: new SmallStorage(200), tab: new SmallStorage(200) }, "/");
    expect(memory.keep({ state: "short", used: true, fragment: "" })).toBe(true);
    expect(memory.keep({ state: "x".repeat(300), used: true, fragment: "" })).toBe(false);
    expect(memory.recall("")).toBe("short");
  });

  it("is gone when cleared, and not needed", () => {
    const memory = new Memory({ visit: new SmallStorage(), tab: new SmallStorage() }, "/");
    memory.keep({ state: "mine", used: true, fragment: "" });
    memory.clear();
    expect(memory.recall("")).toBeNull();
    const forbidden = new Memory({ visit: null, tab: null }, "/");
    expect(forbidden.keep({ state: "mine", used: true, fragment: "" })).toBe(true);
    expect(forbidden.recall("")).toBeNull();
  });
});
