import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { Kin } from "../../src/editor/source";
import { type Comparison, restore, stateOf, Workbench } from "../../src/workbench";
import { activations, ScriptedServer, settle, tokenize } from "../scripted-server";

const LEFT = "neuroscope:text";
const RIGHT = "neuroscope:other";
const NEURONS = ["L0N1", "L0N2", "L2N3"];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function opened(text: string) {
  const network = new FakeNetwork();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => { servers.push(new ScriptedServer(peer)); };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  const workbench = new Workbench(client, client.open(LEFT, text));
  client.start();
  await settle();
  await client.subscriptions.add(NEURONS);
  const server = servers[0] as ScriptedServer;
  server.answer(LEFT);
  return { workbench, client, server };
}

async function compared(left: string, right: string) {
  const all = await opened(left);
  all.workbench.compareWith(right);
  await settle();
  all.server.answer(RIGHT);
  return { ...all, comparison: all.workbench.comparison as Comparison };
}

describe("a comparison", () => {
  it("begins with a copy of the text, and goes on where it was left", async () => {
    const { workbench, server } = await opened("one two three");
    expect(workbench.comparison).toBeNull();
    workbench.view.set({ compare: true });
    await settle();
    expect(workbench.settled).toBe(false);
    server.answer(RIGHT);
    expect(workbench.settled).toBe(true);
    const { right } = workbench.comparison as Comparison;
    expect(right.document.text).toBe("one two three");
    right.document.change([{ from: 4, to: 7, insert: "2" }]);
    server.answer(RIGHT);
    workbench.view.set({ compare: false });
    await settle();
    expect(workbench.comparison).toBeNull();
    expect(workbench.passages.length).toBe(1);
    expect(server.documents.has(RIGHT)).toBe(false);
    right.document.change([{ from: 0, to: 0, insert: "x" }]); // nobody minds
    workbench.view.set({ compare: true });
    await settle();
    server.answer(RIGHT);
    expect(workbench.settled).toBe(true);
    expect(workbench.comparison?.right).toBe(right);
    expect(server.document(RIGHT).text).toBe("xone 2 three");
    expect(right.value("L0N1", 2)).toBe(activations("L0N1", tokenize("xone 2 three"))[2]);
  });

  it("tells partners, and what has no equal", async () => {
    const { comparison } = await compared("the cat sat on the mat", "the dog sat on a small mat");
    const { same, replaced, alone } = Kin;
    expect([...comparison.left.picture.kin ?? []]).toEqual([same, same, replaced, same, same, alone, same]);
    expect([...comparison.right.picture.kin ?? []]).toEqual([same, same, replaced, same, same, alone, alone, same]);
    expect(comparison.counts).toEqual({ same: 5, replaced: 1, alone: 3 });
    expect(comparison.right.note(2)).toBe("in the left text:  cat");
    expect(comparison.right.note(5)).toBe("no partner in the left text");
    expect(comparison.left.note(5)).toBe("no partner in the right text");
    expect(comparison.left.note(1)).toBeNull();
  });

  it("colours the right text by right minus left, or by its values", async () => {
    const [one, other] = ["the cat sat on the mat", "the dog sat on a small mat"];
    const { workbench, comparison } = await compared(one, other);
    const key = "L0N1";
    const [left, right] = [activations(key, tokenize(one)), activations(key, tokenize(other))];
    const partners = [0, 1, 2, 3, 4, null, null, 6];
    const differences = partners.map((partner, i) => (partner === null ? NaN : Math.fround((right[i] as number) - (left[partner] as number))));
    expect([...comparison.right.values(key)]).toEqual(differences);
    expect([...comparison.left.values(key)]).toEqual(left);
    expect(comparison.right.valuesAt(2)[0]).toMatchObject({ value: right[2], compared: { partner: left[2], difference: (right[2] as number) - (left[2] as number) } });
    expect(comparison.left.valuesAt(2)[0]?.compared?.difference).toBe((right[2] as number) - (left[2] as number));
    expect(comparison.right.valuesAt(5)[0]?.compared).toBeNull();
    const reach = Math.max(...[...left, ...right].map(Math.abs));
    expect(workbench.scale(key).max).toBeGreaterThan(0);
    expect(workbench.scale(key).max).toBeLessThanOrEqual(reach); // the first token is special
    workbench.view.set({ compareColours: "values" });
    expect([...comparison.right.values(key)]).toEqual(right);
  });

  it("finds the neurons that differ most where the tokens are the same, and finds them anew after an edit", async () => {
    const [one, other] = ["a b c d e", "a x c d e"];
    const { comparison, server } = await compared(one, other);
    const expected = (right: string, counts: readonly number[]) => NEURONS.map((key) => {
      const [l, r] = [activations(key, tokenize(one)), activations(key, tokenize(right))];
      const token = counts.reduce((best, i) => (Math.abs((r[i] as number) - (l[i] as number)) > Math.abs((r[best] as number) - (l[best] as number)) ? i : best));
      return { key, token, difference: Math.fround((r[token] as number) - (l[token] as number)) };
    }).sort((p, q) => Math.abs(q.difference) - Math.abs(p.difference));
    expect(comparison.departures(NEURONS)).toEqual(expected(other, [1, 3, 4, 5])); // token 2 was replaced
    comparison.right.document.change([{ from: 0, to: 1, insert: "y" }]);
    server.answer(RIGHT);
    expect(comparison.departures(NEURONS)).toEqual(expected("y x c d e", [3, 4, 5]));
  });

  it("shares one cursor across the texts", async () => {
    const { workbench, comparison } = await compared("the cat sat on the mat", "the dog sat on a small mat");
    const { left, right } = comparison;
    left.hover(6);
    expect(comparison.cursor).toEqual({ left: 6, right: 7 });
    expect(right.picture.marked).toBe(7);
    right.hover(4);
    expect(left.hovered).toBe(4);
    right.hover(5); // has no partner
    expect(comparison.cursor).toEqual({ left: null, right: 5 });
    right.hover(null);
    right.caret(3);
    expect(comparison.cursor).toEqual({ left: 3, right: 3 });
    expect(workbench.cursor).toBe(3);
    left.caret(5);
    expect(comparison.cursor).toEqual({ left: 5, right: null });
    const revealed: [string, number][] = [];
    for (const passage of [left, right]) passage.on("revealed", (token) => revealed.push([passage === left ? "left" : "right", token]));
    right.reveal(7);
    left.reveal(5); // has no partner
    expect(revealed).toContainEqual(["left", 6]);
    expect(revealed.length).toBe(3);
    workbench.view.set({ compare: false });
    right.caret(1);
    expect(left.caretToken).toBe(5);
    expect(left.picture.kin).toBeNull();
  });

  it("fades the right text's differences while the left one's values are late", async () => {
    const { workbench, comparison, server } = await compared("a b c", "a b d");
    workbench.document.change([{ from: 0, to: 0, insert: "x" }]);
    vi.advanceTimersByTime(400);
    expect([...comparison.right.picture.faded ?? []]).toEqual([1, 1, 1, 1]);
    workbench.view.set({ compareColours: "values" });
    expect(comparison.right.picture.faded).toBeNull();
    server.answer(LEFT);
    workbench.view.set({ compareColours: "difference" });
    expect(comparison.right.picture.faded).toBeNull();
  });

  it("swaps and copies texts as edits", async () => {
    const { workbench, comparison } = await compared("a b", "c d");
    workbench.swapTexts();
    expect([workbench.document.text, comparison.right.document.text]).toEqual(["c d", "a b"]);
    workbench.copyText();
    expect(comparison.right.document.text).toBe("c d");
  });

  it("is part of the page's state", async () => {
    const { workbench } = await compared("a b", "c d");
    workbench.view.set({ compareColours: "values" });
    const state = stateOf(workbench);
    expect(state).toMatchObject({ text: "a b", compare: "c d", view: { compare: true, compareColours: "values" } });
    const another = await opened("elsewhere");
    await restore(another.workbench, state);
    expect(another.workbench.comparison?.right.document.text).toBe("c d");
    expect(stateOf(another.workbench)).toEqual(state);
    await restore(another.workbench, { view: { compare: false } });
    expect(stateOf(another.workbench)).not.toHaveProperty("compare");
  });
});
