import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeNetwork, ManualClock, NeuroscopeClient } from "../../src/client";
import { Workbench } from "../../src/panels/workbench";
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
    expect(workbench.focus).toBe("L0N1");
    expect(await workbench.add(["L1N4", "L1N5"])).toEqual([]);
    expect(workbench.keys).toEqual(["L0N1", "L0N2", "L1N4", "L1N5"]);
    expect(workbench.focus).toBe("L1N5");
    workbench.moveFocus(-2);
    expect(workbench.focus).toBe("L0N2");
    workbench.moveFocus(-9);
    expect(workbench.focus).toBe("L0N1");
    workbench.setFocus("L3N3"); // not subscribed
    expect(workbench.focus).toBe("L0N1");
  });

  it("takes the focus to the next row when its row is removed", async () => {
    const { workbench } = await opened(["L0N1", "L0N2", "L0N3"]);
    workbench.setFocus("L0N2");
    workbench.remove("L0N2");
    expect(workbench.focus).toBe("L0N3");
    workbench.remove("L0N3");
    expect(workbench.focus).toBe("L0N1");
    workbench.remove("L0N1");
    expect(workbench.focus).toBeNull();
    expect([...workbench.picture.buckets]).toEqual([-128, -128, -128, -128]);
  });

  it("steps a row to its neighbours, over those that have rows, and not out of the model", async () => {
    const { workbench } = await opened(["L0N1", "L2N0", "L0N2"]);
    workbench.step("L0N1", { neurons: 1 });
    expect(workbench.keys).toEqual(["L0N3", "L2N0", "L0N2"]);
    expect(workbench.focus).toBe("L0N3");
    workbench.step("L2N0", { neurons: -1 });
    workbench.step("L2N0", { layers: 1 });
    expect(workbench.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    expect(workbench.focus).toBe("L0N3"); // another row's step leaves the focus
    workbench.step("L3N0", { layers: 1 });
    expect(workbench.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    await workbench.replace("L0N3", 0, 2);
    expect(workbench.keys).toEqual(["L0N3", "L3N0", "L0N2"]);
    expect(workbench.focus).toBe("L0N2");
  });

  it("colours by the widest value seen, until a range is typed", async () => {
    const { workbench } = await opened(["L0N1"]);
    const values = activations("L0N1", tokenize("one two three"));
    const widest = Math.max(...values.slice(1).map(Math.abs));
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: widest });
    workbench.setTypedRange("L0N1", { min: null, max: 0.5 });
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: 0.5 });
    workbench.setTypedRange("L0N1", { min: null, max: null });
    expect(workbench.scale("L0N1")).toEqual({ min: -widest, max: widest });
    expect(workbench.valuesAt(2)).toEqual([
      { key: "L0N1", value: values[2], bucket: workbench.picture.buckets[2], focused: true },
    ]);
  });

  it("is settled when all of the newest text has come, and fades what is late", async () => {
    const { workbench, server } = await opened(["L0N1"]);
    expect(workbench.settled).toBe(true);
    expect(workbench.picture.faded).toBeNull();
    workbench.document.change([{ from: 5, to: 5, insert: "x" }]);
    expect(workbench.settled).toBe(false);
    vi.advanceTimersByTime(399);
    expect(workbench.picture.faded).toBeNull();
    vi.advanceTimersByTime(1);
    expect([...(workbench.picture.faded ?? [])]).toEqual([0, 0, 1, 1]);
    server.answer("text");
    expect(workbench.settled).toBe(true);
    expect(workbench.picture.faded).toBeNull();
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

  it("gives the values at the pointer, else at the caret", async () => {
    const { workbench } = await opened(["L0N1"]);
    workbench.caret(2);
    expect(workbench.cursor).toBe(2);
    workbench.hover(1);
    expect(workbench.cursor).toBe(1);
    expect(workbench.picture.marked).toBe(1);
    workbench.hover(null);
    workbench.caret(99);
    expect(workbench.cursor).toBeNull();
    const offsets: number[] = [];
    workbench.on("reveal", (offset) => offsets.push(offset));
    workbench.reveal(2);
    workbench.reveal(99);
    expect(offsets).toEqual([7]);
  });

  it("tells once which neurons a model lacks, and takes the focus back with one that has them", async () => {
    const { workbench, client, server } = await opened(["L3N1", "L0N2", "L2N3"]);
    workbench.setFocus("L2N3");
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
    expect(workbench.keys).toEqual(["L0N2"]);
    expect(workbench.focus).toBe("L0N2");
    expect(workbench.notices.map(({ text }) => text)).toEqual(["2 neurons are not in this model: L3N1, L2N3"]);
    await change(model);
    expect(workbench.keys).toEqual(["L3N1", "L0N2", "L2N3"]);
    expect(workbench.focus).toBe("L2N3");
    expect(workbench.notices).toEqual([]);
    expect(client.subscriptions.settled).toBe(true);
    await change({ ...model, id: "small", layers: 3, dropped: ["L3N1"] });
    expect(workbench.notices.map(({ text }) => text)).toEqual(["1 neuron is not in this model: L3N1"]);
    workbench.removeAbsent();
    await change(model);
    expect(workbench.keys).toEqual(["L0N2", "L2N3"]);
  });

  it("says once what is refused, to who asked for it where there is one, and forgets it after a while", async () => {
    const { workbench, client } = await opened(["L0N1"]);
    expect(await workbench.add(["L9N9", "L0N2", "L9N8"])).toEqual([
      "L9N9: There is no neuron L9N9.",
      "L9N8: There is no neuron L9N8.",
    ]);
    expect(workbench.notices).toEqual([]);
    expect(workbench.keys).toEqual(["L0N1", "L0N2"]);
    expect(workbench.focus).toBe("L0N1");
    await expect(client.subscriptions.add(["L9N9"])).rejects.toThrow();
    expect(workbench.notices.map(({ text }) => text)).toEqual(["L9N9: There is no neuron L9N9."]);
    workbench.notify("same");
    workbench.notify("same");
    expect(workbench.notices.length).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(workbench.notices).toEqual([]);
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
    expect(workbench.notices).toEqual([{ id: 1, title: "big could not be loaded", text: "It has no weights." }]);
    expect(workbench.client.model?.id).toBe("tiny");
    const cancelled = workbench.loadModel("big");
    workbench.cancelLoading();
    server.peer.refuse(server.held[1] as never, -32800, "The request was cancelled.");
    await cancelled;
    expect(workbench.notices).toEqual([]); // the one of the first attempt went with the second
  });
});
