import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { restore, rowCommands, stateOf, usualView, Workbench } from "../../src/workbench";
import { NO_VALUE } from "../../src/colour/scale";
import type { ModelInfo } from "../../src/wire";
import { activations, model, ScriptedServer, settle, tokenize } from "../scripted-server";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function opened(neurons: string[], content = "one two three") {
  const network = new FakeNetwork();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => {
    servers.push(new ScriptedServer(peer));
  };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  const workbench = new Workbench(client, client.open("text", content));
  workbench.commands.add(...rowCommands(workbench));
  client.start();
  await settle();
  await client.subscriptions.add(neurons);
  await settle();
  const server = servers[0] as ScriptedServer;
  server.answer("text");
  return { workbench, client, server };
}

describe("the workbench", () => {
  it("focuses the first neuron, then the one that was added", async () => {
    const { workbench } = await opened(["L0N1", "L0N2"]);
    expect(workbench.rows.focus).toBe("L0N1");
    expect(await workbench.rows.add(["L1N4", "L1N5"])).toEqual([]);
    expect(workbench.rows.keys).toEqual(["L0N1", "L0N2", "L1N4", "L1N5"]);
    expect(workbench.rows.focus).toBe("L1N5");
    workbench.rows.moveFocus(-2);
    expect(workbench.rows.focus).toBe("L0N2");
    workbench.rows.moveFocus(-9);
    expect(workbench.rows.focus).toBe("L0N1");
    workbench.rows.setFocus("L3N3"); // not subscribed
    expect(workbench.rows.focus).toBe("L0N1");
  });

  it("takes the focus to the next row when its row is removed", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3"]);
    workbench.rows.setFocus("L0N2");
    workbench.rows.remove("L0N2");
    expect(workbench.rows.focus).toBe("L0N3");
    workbench.rows.remove("L0N3");
    expect(workbench.rows.focus).toBe("L0N1");
    workbench.rows.remove("L0N1");
    expect(workbench.rows.focus).toBeNull();
    expect([...workbench.text.picture.buckets]).toEqual([-128, -128, -128, -128]);
  });

  it("steps a row to its neighbours, over those that have rows, and not out of the model", async () => {
    const { workbench } = await opened(["L0N1", "L2N0", "L0N2"]);
    workbench.rows.step("L0N1", { neurons: 1 });
    expect(workbench.rows.keys).toEqual(["L0N3", "L2N0", "L0N2"]);
    expect(workbench.rows.focus).toBe("L0N3");
    workbench.rows.step("L2N0", { neurons: -1 });
    workbench.rows.step("L2N0", { layers: 1 });
    expect(workbench.rows.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    expect(workbench.rows.focus).toBe("L0N3"); // another row's step leaves the focus
    workbench.rows.step("L3N0", { layers: 1 });
    expect(workbench.rows.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    workbench.rows.replace("L0N3", 0, 2);
    expect(workbench.rows.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    expect(workbench.rows.focus).toBe("L0N2");
  });

  it("colours by the widest value seen, until a range is typed", async () => {
    const { workbench } = await opened(["L0N1"]);
    const values = activations("L0N1", tokenize("one two three"));
    const widest = Math.max(...values.slice(1).map(Math.abs));
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: widest });
    workbench.rows.setRange("L0N1", { min: null, max: 0.5 });
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: 0.5 });
    workbench.rows.setRange("L0N1", { min: null, max: null });
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: widest });
    expect(workbench.text.valuesAt(2)).toEqual([
      { key: "L0N1", hue: 0, value: values[2], bucket: workbench.text.picture.buckets[2], focused: true },
    ]);
  });

  it("is settled when all of the newest text has come, and fades what is late", async () => {
    const { workbench, server } = await opened(["L0N1"]);
    expect(workbench.settled).toBe(true);
    expect(workbench.text.picture.faded).toBeNull();
    workbench.document.change([{ from: 5, to: 5, insert: "x" }]);
    expect(workbench.settled).toBe(false);
    vi.advanceTimersByTime(399);
    expect(workbench.text.picture.faded).toBeNull();
    vi.advanceTimersByTime(1);
    expect([...(workbench.text.picture.faded ?? [])]).toEqual([0, 0, 1, 1]);
    server.answer("text");
    expect(workbench.settled).toBe(true);
    expect(workbench.text.picture.faded).toBeNull();
  });

  it("does not call answers late that keep coming while a person types on", async () => {
    const { workbench, server } = await opened(["L0N1"]);
    for (let i = 0; i < 20; i++) {
      workbench.document.change([{ from: 0, to: 0, insert: "a" }]);
      vi.advanceTimersByTime(30);
      server.tokenize("text");
      workbench.document.change([{ from: 0, to: 0, insert: "b" }]);
      server.compute("text");
    }
    expect(workbench.settled).toBe(false);
    expect(workbench.late).toBe(false);
  });

  it("keeps the colours for a moment while the values of another neuron are on their way", async () => {
    const { workbench, server } = await opened(["L0N1", "L3N9"]);
    const { hue, buckets } = workbench.text.picture;
    workbench.rows.step("L0N1", { neurons: 1 });
    await settle();
    expect(workbench.rows.focus).toBe("L0N2");
    expect(workbench.text.picture).toMatchObject({ hue, buckets });
    server.compute("text");
    expect(workbench.text.picture.buckets).not.toEqual(buckets);

    // The next in the same direction is here already, and so is the last.
    for (const [step, focus] of [[1, "L0N3"], [-1, "L0N2"]] as const) {
      await settle();
      server.compute("text");
      const held = workbench.text.picture.buckets;
      workbench.rows.step(workbench.rows.focus ?? "", { neurons: step });
      expect([workbench.rows.focus, workbench.settled]).toEqual([focus, true]);
      expect(workbench.text.picture.buckets).not.toEqual(held);
      expect(workbench.text.picture.buckets).not.toContain(NO_VALUE);
    }

    // Not longer than one would notice, and not under a text that it does not belong to.
    workbench.rows.replace("L0N2", 1, 5);
    await settle();
    expect(workbench.text.picture.buckets).not.toContain(NO_VALUE);
    vi.advanceTimersByTime(60);
    expect([...new Set(workbench.text.picture.buckets)]).toEqual([NO_VALUE]);
    server.compute("text");
    expect(workbench.text.picture.buckets).not.toContain(NO_VALUE);
    workbench.rows.replace("L1N5", 1, 9);
    workbench.document.change([{ from: 0, to: 3, insert: "a b c" }]);
    expect(workbench.text.picture.buckets).not.toContain(NO_VALUE);
    server.tokenize("text");
    expect(workbench.text.picture.tokens.length).toBe(workbench.text.picture.buckets.length);
    expect([...new Set(workbench.text.picture.buckets)]).toEqual([NO_VALUE]);
  });

  it("gives the values at the pointer, else at the caret", async () => {
    const { workbench } = await opened(["L0N1"]);
    workbench.text.caret(2);
    expect(workbench.cursor).toBe(2);
    workbench.hover(1);
    expect(workbench.cursor).toBe(1);
    expect(workbench.text.picture.marked).toBe(1);
    workbench.hover(null);
    workbench.text.caret(99);
    expect(workbench.cursor).toBeNull();
    const offsets: number[] = [];
    workbench.text.on("reveal", (offset) => offsets.push(offset));
    workbench.reveal(2);
    workbench.reveal(99);
    expect(offsets).toEqual([7]);
  });

  it("tells once which neurons a model lacks, and takes the focus back with one that has them", async () => {
    const { workbench, client, server } = await opened(["L3N1", "L0N2", "L2N3"]);
    workbench.rows.setFocus("L2N3");
    const change = async (shape: ModelInfo): Promise<void> => {
      server.hold.add("model/load").add("models/list");
      const loading = workbench.loadModel(shape.id);
      server.peer.answer(server.held.pop() as never, shape);
      await settle();
      server.peer.answer(server.held.pop() as never, { models: [] });
      await loading;
      await settle();
    };
    await change({ ...model, id: "small", layers: 1, dropped: ["L3N1", "L2N3"] });
    expect(workbench.rows.keys).toEqual(["L0N2"]);
    expect(workbench.rows.focus).toBe("L0N2");
    expect(workbench.notices.list.map(({ text }) => text)).toEqual(["2 neurons are not in this model: L3N1, L2N3"]);
    await change(model);
    expect(workbench.rows.keys).toEqual(["L3N1", "L0N2", "L2N3"]);
    expect(workbench.rows.focus).toBe("L2N3");
    expect(workbench.notices.list).toEqual([]);
    expect(client.subscriptions.settled).toBe(true);
    await change({ ...model, id: "small", layers: 3, dropped: ["L3N1"] });
    expect(workbench.notices.list.map(({ text }) => text)).toEqual(["1 neuron is not in this model: L3N1"]);
    workbench.rows.removeAbsent();
    await change(model);
    expect(workbench.rows.keys).toEqual(["L0N2", "L2N3"]);
  });

  it("reports a refusal once, to the caller if there is one, and drops it after a while", async () => {
    const { workbench, client } = await opened(["L0N1"]);
    expect(await workbench.rows.add(["L9N9", "L0N2", "L9N8"])).toEqual([
      "L9N9: There is no neuron L9N9.",
      "L9N8: There is no neuron L9N8.",
    ]);
    expect(workbench.notices.list).toEqual([]);
    expect(workbench.rows.keys).toEqual(["L0N1", "L0N2"]);
    expect(workbench.rows.focus).toBe("L0N1");
    await expect(client.subscriptions.add(["L9N9"])).rejects.toThrow();
    expect(workbench.notices.list.map(({ text }) => text)).toEqual(["L9N9: There is no neuron L9N9."]);
    workbench.notices.notify("same");
    workbench.notices.notify("same");
    expect(workbench.notices.list.length).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(workbench.notices.list).toEqual([]);
  });

  it("shows a model's progress, and keeps the old model when it cannot be loaded", async () => {
    const { workbench, server } = await opened(["L0N1"]);
    server.hold.add("model/load");
    const loading = workbench.loadModel("big");
    expect(workbench.loading).toMatchObject({ model: "big", progress: null });
    const request = server.held[0] as { params: { workDoneToken: string } };
    server.peer.notify("$/progress", {
      token: request.params.workDoneToken,
      value: { kind: "report", percentage: 30 },
    });
    expect(workbench.loading?.progress?.percentage).toBe(30);
    server.peer.refuse(request, -32011, "The model 'big' could not be loaded: it has no weights. Traceback:\n  line 1\n  line 2.");
    await loading;
    expect(workbench.loading).toBeNull();
    expect(workbench.notices.list).toEqual([{ id: 1, title: "big could not be loaded", text: "It has no weights." }]);
    expect(workbench.client.model?.id).toBe("tiny");
    const cancelled = workbench.loadModel("big");
    workbench.cancelLoading();
    server.peer.refuse(server.held[1] as never, -32800, "The request was cancelled.");
    await cancelled;
    expect(workbench.notices.list).toEqual([]); // the one of the first attempt went with the second
  });

  it("gives each row a hue of its own, which it keeps when it steps, and gives free hues again", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3"]);
    const { rows } = workbench;
    const looks = (): [string, number][] => rows.list.map(({ key, hue }) => [key, hue]);
    expect(looks()).toEqual([["L0N1", 0], ["L0N2", 1], ["L0N3", 2]]);
    rows.step("L0N2", { layers: 1 });
    rows.remove("L0N1");
    await rows.add(["L2N2"]);
    expect(looks()).toEqual([["L1N2", 1], ["L0N3", 2], ["L2N2", 0]]);
    await rows.add(Array.from({ length: 8 }, (_, i) => `L3N${i}`));
    expect(new Set(rows.list.slice(0, 9).map(({ hue }) => hue)).size).toBe(9);
    expect(rows.list.slice(-2).map(({ hue }) => hue)).toEqual([0, 1]);
  });

  it("draws the neuron in focus, the first others as stripes, and nothing of hidden rows", async () => {
    const { workbench } = await opened(Array.from({ length: 11 }, (_, i) => `L0N${i}`));
    const { rows } = workbench;
    rows.setFocus("L0N1");
    rows.hide("L0N2", true);
    const stripes = (): string[] => workbench.text.picture.stripes.map(({ key }) => key);
    expect(workbench.text.picture.hue).toBe(1);
    expect(stripes()).toEqual(["L0N0", "L0N3", "L0N4", "L0N5", "L0N6", "L0N7", "L0N8", "L0N9"]);
    rows.hide("L0N1", true);
    expect([...workbench.text.picture.buckets]).toEqual([-128, -128, -128, -128]);
    expect(stripes()).toHaveLength(8);
  });

  it("keeps pinned rows first, whatever is moved or sorted", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3", "L0N4"]);
    const { rows } = workbench;
    rows.pin("L0N3", true);
    expect(rows.keys).toEqual(["L0N3", "L0N1", "L0N2", "L0N4"]);
    rows.move("L0N4", 0);
    expect(rows.keys).toEqual(["L0N3", "L0N4", "L0N1", "L0N2"]);
    rows.move("L0N3", 3);
    expect(rows.keys).toEqual(["L0N3", "L0N4", "L0N1", "L0N2"]);
    rows.sort(["L0N1", "L0N2", "L0N3", "L0N4"]);
    expect(rows.keys).toEqual(["L0N3", "L0N1", "L0N2", "L0N4"]);
    rows.pin("L0N2", true);
    rows.pin("L0N3", false);
    expect(rows.keys).toEqual(["L0N2", "L0N3", "L0N1", "L0N4"]);
  });

  it("brings removed rows back where they were, as they looked", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3", "L0N4"]);
    const { rows } = workbench;
    rows.hide("L0N3", true);
    rows.setFocus("L0N3");
    const before = rows.list;
    rows.removeAll(["L0N2", "L0N3"]);
    expect([rows.keys, rows.focus, rows.removed]).toEqual([["L0N1", "L0N4"], "L0N4", ["L0N2", "L0N3"]]);
    rows.undoRemove();
    expect(rows.list).toEqual(before);
    expect([rows.focus, rows.removed]).toEqual(["L0N3", []]);
    rows.undoRemove();
    expect(rows.list).toEqual(before);
  });

  it("offers to bring back what was removed, as long as there is something", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3"]);
    const { commands, notices, rows } = workbench;
    const told = (): [string, string | undefined][] => notices.list.map(({ text, action }) => [text, action?.title]);
    rows.remove("L0N1");
    rows.removeAll(["L0N2", "L0N3"]);
    expect(told()).toEqual([["2 neurons removed", "Undo"]]);
    notices.list[0]?.action?.run();
    expect(rows.keys).toEqual(["L0N2", "L0N3"]);
    expect(told()).toEqual([]);
    expect([commands.run("rows.undoRemove"), commands.run("rows.undoRemove")]).toEqual([true, false]);
    expect(rows.keys).toEqual(["L0N1", "L0N2", "L0N3"]);
    rows.remove("L0N3");
    await rows.add(["L0N3"]);
    expect([told(), rows.removed]).toEqual([[], []]);
  });

  it("sorts by the strongest value, by name, and as rows were added", async () => {
    const { workbench } = await opened(["L1N10", "L0N3", "L1N9"]);
    const { commands, document, rows } = workbench;
    const max = (key: string): number => document.activations.extent(key)?.max ?? NaN;
    const strongest = [...rows.keys].sort((a, b) => max(b) - max(a));
    commands.run("rows.sort.max");
    expect(rows.keys).toEqual(strongest);
    commands.run("rows.sort.name");
    expect(rows.keys).toEqual(["L0N3", "L1N9", "L1N10"]);
    rows.step("L0N3", { layers: 1 }); // keeps its age
    commands.run("rows.sort.added");
    expect(rows.keys).toEqual(["L1N10", "L1N3", "L1N9"]);
  });

  it("colours by this text if chosen, and follows it", async () => {
    const { workbench, server } = await opened(["L0N1"], "one");
    const { document, rows } = workbench;
    const widest = (): number => Math.max(...[...document.activations.values("L0N1")].slice(1).map(Math.abs));
    workbench.commands.run("rows.range.text");
    expect(workbench.scale("L0N1")).toEqual({ min: -widest(), max: widest() });
    document.change([{ from: 3, to: 3, insert: " seven eight nine" }]);
    server.answer("text");
    await settle();
    expect(workbench.scale("L0N1")).toEqual({ min: -widest(), max: widest() });
    expect(stateOf(workbench).neurons[0]?.range).toEqual({ min: null, max: null, text: true });
    workbench.commands.run("rows.range.statistics");
    expect(rows.range("L0N1")).toEqual({ min: null, max: null });
  });

  it("draws no stripes when they are switched off", async () => {
    const { workbench } = await opened(["L0N1", "L0N2"]);
    expect(workbench.text.picture.stripes).toHaveLength(1);
    workbench.commands.press("Alt-Shift-s");
    expect(workbench.text.picture.stripes).toEqual([]);
    expect(stateOf(workbench).view).toEqual({ ...usualView, stripes: false });
  });

  it("is plain data, from which another page becomes the same", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3"], "one two");
    workbench.rows.pin("L0N3", true);
    workbench.rows.hide("L0N1", true);
    workbench.rows.setRange("L0N2", { min: -1, max: 2 });
    workbench.rows.setFocus("L0N2");
    workbench.view.set({ heatmap: true });
    const state = stateOf(workbench);
    const other = await opened(["L3N3", "L0N2"], "something else");
    other.workbench.rows.setRange("L0N2", { min: null, max: 9 });
    await restore(other.workbench, JSON.parse(JSON.stringify(state)) as typeof state);
    await settle();
    expect(stateOf(other.workbench)).toEqual(state);
    await restore(other.workbench, { text: "only this", neurons: [{ key: "L0N2" }] });
    expect(stateOf(other.workbench)).toEqual({ ...state, text: "only this", neurons: [{ key: "L0N2" }], focus: "L0N2" });
  });

  it("loads the model of a state before its neurons, and sets aside what the model lacks", async () => {
    const { workbench, server } = await opened(["L0N1"], "one");
    server.hold.add("model/load").add("models/list");
    const restored = restore(workbench, { model: "large", neurons: [{ key: "L9N9", pinned: true }, { key: "L0N2" }], focus: "L9N9" });
    await settle();
    expect([workbench.loading?.model, workbench.rows.keys]).toEqual(["large", ["L0N1"]]);
    server.peer.answer(server.held.pop() as never, { ...model, id: "large", layers: 6 });
    await settle();
    server.peer.answer(server.held.pop() as never, { models: [] });
    await restored;
    await settle();
    expect([workbench.rows.keys, workbench.rows.absent, server.subscribed]).toEqual([["L0N2"], ["L9N9"], ["L0N2"]]);
    expect(workbench.notices.list.map(({ text }) => text)).toEqual(["1 neuron is not in this model: L9N9"]);
    expect(stateOf(workbench).neurons).toEqual([{ key: "L9N9", pinned: true }, { key: "L0N2" }]);
  });
});
