import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock, type Message } from "../../src/client/testing";
import { Workbench } from "../../src/workbench";
import type { NeuronsChangedParams, NeuronsTopParams } from "../../src/wire";
import { model, ScriptedServer, settle } from "../scripted-server";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

const TEXT = "one two three four five";

async function opened(hasStatistics = true) {
  const network = new FakeNetwork();
  let server: ScriptedServer | undefined;
  network.onConnect = (peer) => {
    server = new ScriptedServer(peer);
    server.initialize = { model: { ...model, hasStatistics } };
    server.hold.add("neurons/top").add("neurons/changed");
  };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  const workbench = new Workbench(client, client.open("text", TEXT));
  client.start();
  await settle();
  if (server === undefined) throw new Error("nobody connected");
  const { held, peer } = server;
  await client.subscriptions.add(["L0N1", "L0N2"]);
  await settle();
  server.answer("text");
  /** What was asked by this method and not answered, as params. */
  const asked = <Params>(method: string): Params[] => held.filter((message) => message.method === method).map(({ params }) => params as Params);
  const tops = (): NeuronsTopParams[] => asked("neurons/top");
  const changes = (): NeuronsChangedParams[] => asked("neurons/changed");
  const answer = async (method: string, result: object): Promise<void> => {
    const index = held.findLastIndex((message) => message.method === method);
    peer.answer(held.splice(index, 1)[0] as Message, result);
    await settle();
  };
  return { workbench, client, server, discovery: workbench.discovery, tops, changes, answer };
}

const top = (token: number, ...keys: string[]) => ({
  version: 1, token, neurons: keys.map((key, i) => ({ key, layer: 1, neuron: i, value: 2 - i, ratio: null })),
});

describe("the caret's neurons", () => {
  it("are asked for while somebody looks, for the caret as it moves", async () => {
    const { workbench, discovery, tops, answer } = await opened();
    workbench.text.caret(2);
    vi.advanceTimersByTime(1000);
    expect(tops()).toEqual([]);
    const stop = discovery.watch();
    vi.advanceTimersByTime(1000);
    expect(tops()).toEqual([{ uri: "text", token: 2, k: 10, by: "activation" }]);
    await answer("neurons/top", top(2, "L1N0", "L1N1"));
    expect([discovery.top?.token, discovery.topIsCurrent]).toEqual([2, true]);
    workbench.hover(4); // the pointer is somewhere else all the time
    vi.advanceTimersByTime(1000);
    expect(tops()).toEqual([]);
    workbench.text.caret(3);
    expect(discovery.topIsCurrent).toBe(false);
    discovery.set({ layer: 1, by: "ratio", count: 50 });
    vi.advanceTimersByTime(1000);
    expect(tops()).toEqual([{ uri: "text", token: 3, k: 50, by: "ratio", layers: [1] }]);
    stop();
    workbench.text.caret(1);
    vi.advanceTimersByTime(1000);
    expect(tops()).toHaveLength(1);
  });

  it("of a selection are those of the token at which the focused neuron is strongest", async () => {
    const { workbench, discovery, server } = await opened();
    const values = (key: string): number[] => [...workbench.document.activations.values(key)];
    const strongest = (key: string, from: number, to: number): number => {
      const part = values(key).slice(from, to);
      return from + part.indexOf(Math.max(...part));
    };
    for (const key of ["L0N1", "L0N2"]) {
      workbench.rows.setFocus(key);
      for (const [from, to] of [[1, 6], [2, 4], [3, 4], [0, 3]] as const) {
        workbench.text.caret(to - 1, { from, to });
        expect(discovery.token).toBe(strongest(key, Math.max(1, from), to)); // the BOS is no part of the text
      }
    }
    // Adding from the list takes the focus, and leaves the list as it is.
    workbench.rows.setFocus("L0N1");
    workbench.text.caret(5, { from: 1, to: 6 });
    const { token } = discovery;
    server.answer("text");
    const adding = discovery.add(["L3N7"]);
    await settle();
    server.answer("text");
    await adding;
    expect([workbench.rows.focus, discovery.measure, discovery.token]).toEqual(["L3N7", "L0N1", token]);
    workbench.rows.setFocus("L0N2");
    expect([discovery.measure, discovery.token]).toEqual(["L0N2", strongest("L0N2", 1, 6)]);
    workbench.rows.remove("L3N7");
    workbench.text.caret(3);
    expect(discovery.token).toBe(3);
    for (const key of ["L0N1", "L0N2"]) workbench.rows.remove(key);
    workbench.text.caret(3, { from: 2, to: 4 });
    expect(discovery.token).toBe(2);
  });

  it("are not asked for while tokens are about to have other numbers", async () => {
    const { workbench, discovery, server, tops } = await opened();
    server.hold.add("$/cancelRequest");
    discovery.watch();
    workbench.text.caret(1);
    vi.advanceTimersByTime(1000);
    expect(tops()).toHaveLength(1);
    workbench.text.caret(2);
    workbench.document.change([{ from: 0, to: 0, insert: "zero " }]);
    workbench.text.caret(3);
    vi.advanceTimersByTime(1000);
    expect(tops()).toHaveLength(1);
    expect(discovery.topIsCurrent).toBe(false);
    server.answer("text");
    vi.advanceTimersByTime(1000);
    expect(tops().at(-1)).toMatchObject({ token: 3 });
    expect(server.held.filter(({ method }) => method === "$/cancelRequest")).toHaveLength(1);
  });

  it("are added by one call, the strongest in focus", async () => {
    const { workbench, discovery, tops, answer } = await opened();
    workbench.text.caret(2);
    const adding = discovery.addTop(3, { layer: 2 });
    expect(tops()).toEqual([{ uri: "text", token: 2, k: 3, by: "activation", layers: [2] }]);
    await answer("neurons/top", top(2, "L2N5", "L0N1", "L2N6"));
    expect(await adding).toEqual(["L2N5", "L0N1", "L2N6"]);
    expect(workbench.rows.keys).toEqual(["L0N1", "L0N2", "L2N5", "L2N6"]);
    expect(workbench.rows.focus).toBe("L2N5");
    const next = discovery.addNext();
    expect(tops()).toEqual([{ uri: "text", token: 2, k: 5, by: "activation" }]);
    await answer("neurons/top", top(2, "L2N5", "L0N1", "L3N3", "L3N4", "L2N6"));
    expect([await next, workbench.rows.focus]).toEqual(["L3N3", "L3N3"]);
    workbench.text.caret(null);
    expect(await discovery.addTop(3)).toEqual([]);
    expect(await discovery.addNext()).toBeNull();
  });

  it("are ranked by ratio only where the model has statistics", async () => {
    expect((await opened()).discovery.ranksByRatio).toBe(true);
    expect((await opened(false)).discovery.ranksByRatio).toBe(false);
  });
});

describe("what the last edit changed", () => {
  it("is asked after a pause, since before its first letter", async () => {
    const { workbench, discovery, server, changes, answer } = await opened();
    discovery.watch();
    vi.advanceTimersByTime(5000);
    expect([changes(), discovery.edited]).toEqual([[], false]);
    const { version } = workbench.document;
    for (const letter of "new ") {
      workbench.document.change([{ from: 0, to: 0, insert: letter }]);
      server.answer("text");
      vi.advanceTimersByTime(120);
    }
    expect(changes()).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(changes()).toEqual([{ uri: "text", since: version, k: 10, by: "activation" }]);
    const found = { key: "L1N3", layer: 1, neuron: 3, token: 2, before: 0, after: 1, change: 1, ratio: null };
    await answer("neurons/changed", { version: version + 4, previousVersion: version, layers: [0, 1], comparedTokens: 5, neurons: [found] });
    expect([discovery.changed?.neurons, discovery.changedIsCurrent]).toEqual([[found], true]);
    workbench.document.change([{ from: 0, to: 0, insert: "x" }]); // without a pause since: still the same edit
    expect(discovery.changedIsCurrent).toBe(false);
    server.answer("text");
    vi.advanceTimersByTime(2000);
    workbench.document.change([{ from: 0, to: 0, insert: "y" }]);
    server.answer("text");
    vi.advanceTimersByTime(2000);
    expect(changes().map(({ since }) => since)).toEqual([version, version + 5]);
  });

  it("says what went wrong, but not what is only late", async () => {
    const { workbench, discovery, server } = await opened();
    discovery.watch();
    workbench.document.change([{ from: 0, to: 0, insert: "x" }]);
    server.answer("text");
    vi.advanceTimersByTime(2000);
    server.peer.refuse(server.held.pop() as Message, -32800, "The text has changed; ask again.");
    await settle();
    expect(discovery.problem).toBeNull();
    discovery.set({ count: 11 });
    vi.advanceTimersByTime(2000);
    server.peer.refuse(server.held.pop() as Message, -32603, "The forward pass failed: MemoryError.");
    await settle();
    expect(discovery.problem).toBe("The forward pass failed: MemoryError.");
  });
});
