import { describe, expect, it, vi } from "vitest";
import {
  connectionHelp, connectionText, DecodeError, DisconnectedError, NeuroscopeClient, type Presence, RequestError, TimeoutError, type Transport,
} from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import type { ModelInfo } from "../../src/wire";
import { model, ScriptedServer, settle, tokenize } from "../scripted-server";

class ManualPresence implements Presence {
  visible = true;
  readonly listeners = new Set<() => void>();

  onReturn(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => { this.listeners.delete(listener); };
  }

  comeBack(): void {
    for (const listener of this.listeners) listener();
  }
}

function prepared(prepare: (server: ScriptedServer) => void = () => undefined) {
  const network = new FakeNetwork();
  const clock = new ManualClock();
  const servers: ScriptedServer[] = [];
  const initialized: unknown[] = [];
  network.onConnect = (peer) => {
    const server = new ScriptedServer(peer);
    const { onMessage } = peer;
    peer.onMessage = (message) => {
      if (message.method === "initialize") initialized.push(message.params);
      onMessage?.(message);
    };
    prepare(server);
    servers.push(server);
  };
  const presence = new ManualPresence();
  const client = new NeuroscopeClient({ connect: network.connector, clock, presence, name: "test", version: "1" });
  const states: string[] = [];
  const faults: Error[] = [];
  client.on("state", ({ kind }) => states.push(kind));
  client.on("fault", (error) => faults.push(error));
  return {
    network,
    clock,
    client,
    presence,
    states,
    faults,
    initialized,
    servers,
    server: () => servers.at(-1) as ScriptedServer,
  };
}

describe("a client", () => {
  it("initializes first and is ready then", async () => {
    const { client, states, initialized, server } = prepared();
    client.open("a", "text");
    client.start();
    await settle();
    expect(states).toEqual(["connecting", "initializing", "ready"]);
    expect(initialized).toEqual([
      {
        protocolVersion: 1,
        client: { name: "test", version: "1" },
        positionEncodings: ["utf-16"],
        activationEncodings: ["base64", "json"],
        workDoneToken: "progress-1",
      },
    ]);
    expect(client.model).toEqual(model);
    expect(client.server).toEqual({ name: "scripted", version: "0" });
    expect(server().document("a").text).toBe("text");
  });

  it("tells how far the model is while the server loads it", async () => {
    const { client, server } = prepared((one) => one.hold.add("initialize"));
    client.start();
    await settle();
    const request = server().held[0] as { params: { workDoneToken: string } };
    const { workDoneToken } = request.params;
    server().peer.notify("$/progress", {
      token: workDoneToken,
      value: { kind: "report", message: "reading", percentage: 40 },
    });
    server().peer.notify("$/progress", { token: "another", value: { kind: "report", percentage: 90 } });
    expect(client.state).toEqual({
      kind: "initializing",
      progress: { kind: "report", message: "reading", percentage: 40 },
    });
    server().handle(request);
    await settle();
    expect(client.ready).toBe(true);
  });

  it("tries again, waiting longer each time, and at once when asked", async () => {
    const { network, client, clock, states } = prepared();
    network.down = true;
    client.start();
    await settle();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      const { state } = client;
      if (state.kind !== "waiting") throw new Error(state.kind);
      waits.push(state.retryMs);
      clock.advance(state.retryMs);
      await settle();
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(new Set(waits).size).toBe(4);
    network.down = false;
    client.retryNow();
    await settle();
    expect(client.ready).toBe(true);
    expect(states.filter((kind) => kind === "connecting").length).toBe(6);
  });

  it("resumes its session after a dropped connection, and lets typing go on meanwhile", async () => {
    const { client, clock, initialized, server } = prepared();
    const document = client.open("a", "one");
    client.start();
    await settle();
    server().peer.drop(1001, "restart");
    expect(client.state).toMatchObject({ kind: "waiting", cause: { code: 1001 } });
    document.change([{ from: 3, to: 3, insert: " two" }]);
    clock.advance(1000);
    await settle();
    expect(initialized[1]).toMatchObject({ resume: { session: "session-1", resumeToken: "secret" } });
    expect(server().document("a").text).toBe("one two");
    expect(client.ready).toBe(true);
  });

  it("begins another session where its own was taken up by another connection", async () => {
    const { client, clock, initialized, server } = prepared();
    const document = client.open("a", "one");
    client.start();
    await settle();
    server().peer.drop(1000, "resumed by another connection");
    clock.advance(1000);
    await settle();
    expect(initialized).toHaveLength(2);
    expect(initialized[1]).not.toHaveProperty("resume");
    expect(server().document("a").text).toBe(document.text);
    expect(client.ready).toBe(true);
  });

  it("waits when the server answers initialize with an error or with nonsense", async () => {
    const { client, clock, server } = prepared((one) => one.hold.add("initialize"));
    client.start();
    await settle();
    server().peer.refuse(server().held[0] as never, -32011, "The model could not be loaded.");
    await settle();
    expect(client.state).toMatchObject({ kind: "waiting", cause: { message: "The model could not be loaded." } });
    clock.advance(1000);
    await settle();
    server().peer.answer(server().held[0] as never, { protocolVersion: 2 });
    await settle();
    expect(client.state).toMatchObject({
      kind: "waiting",
      cause: { message: "protocolVersion is not 1, the protocol version that this client speaks" },
    });
  });

  it("leaves for good when it is closed, also while connecting or waiting", async () => {
    for (const moment of ["connecting", "ready", "waiting"]) {
      const { network, client, clock, servers } = prepared();
      if (moment === "waiting") network.down = true;
      client.start();
      if (moment !== "connecting") await settle();
      client.close();
      network.down = false;
      await settle();
      clock.advance(1000);
      await settle();
      expect(client.state).toEqual({ kind: "closed" });
      expect(servers.every(({ peer }) => peer.closed?.code === 1000)).toBe(true);
      await expect(client.refreshModels()).rejects.toBeInstanceOf(DisconnectedError);
    }
  });

  it("survives messages of a wrong shape and of kinds it does not know", async () => {
    const { client, server, faults } = prepared();
    const document = client.open("a", "one");
    client.start();
    await settle();
    server().answer("a");
    const tokens = document.tokens.length;
    server().peer.notify("document/tokens", { uri: "a", version: "x" });
    server().peer.notify("activations/update", {
      uri: "a",
      version: document.version,
      start: 0,
      count: 1,
      neurons: ["L0N0"],
      values: 3,
    });
    server().peer.notify("activations/update", {
      uri: "a",
      version: document.version,
      start: 0,
      count: 2,
      neurons: ["L0N0"],
      values: [[1]],
    });
    server().peer.notify("activations/done", {});
    server().peer.notify("future/kind", { anything: 1 });
    server().peer.sendText("not json");
    expect(faults.length).toBe(5);
    expect(faults.every((fault) => fault instanceof DecodeError)).toBe(true);
    expect(document.tokens.length).toBe(tokens);
    expect(client.ready).toBe(true);
    server().peer.notify("document/tokens", {
      uri: "unknown",
      version: 1,
      start: 0,
      deleteCount: 0,
      tokens: [],
      shift: 0,
      tokenCount: 0,
    });
    server().peer.notify("$/error", { method: "document/change", code: -32602, message: "No.", data: { member: "x" } });
    expect(faults.at(-1)).toBeInstanceOf(RequestError);
    expect(faults.length).toBe(6);
  });

  it("changes the model: progress, dropped neurons, values void until new ones come", async () => {
    const { client, server } = prepared();
    const document = client.open("a", "one two");
    client.start();
    await client.subscriptions.add(["L0N1", "L3N60"]);
    await settle();
    server().answer("a");
    server().hold.add("model/load").add("models/list");
    const seen: unknown[] = [];
    const absent: (readonly string[])[] = [];
    client.subscriptions.on("absent", (keys) => absent.push(keys));
    const loading = client.loadModel("other", { onProgress: (progress) => seen.push(progress.percentage) });
    const request = server().held[0] as { id: number; params: { model: string; workDoneToken: string } };
    expect(request.params.model).toBe("other");
    server().peer.notify("$/progress", {
      token: request.params.workDoneToken,
      value: { kind: "report", percentage: 50 },
    });
    const other: ModelInfo = { ...model, id: "other", layers: 2, dropped: ["L3N60"] };
    server().subscribed = ["L0N1"];
    server().peer.answer(request, other);
    await settle();
    server().peer.answer(server().held[1] as never, { models: [] });
    expect((await loading).id).toBe("other");
    await settle();
    expect(seen).toEqual([50]);
    expect(absent).toEqual([["L3N60"]]);
    expect(client.subscriptions.absent).toEqual(["L3N60"]);
    expect(client.subscriptions.rows.map(({ key }) => key)).toEqual(["L0N1"]);
    expect(document.done).toBe(false);
    expect([...document.activations.values("L0N1")]).toEqual([NaN, NaN, NaN]);
    server().document("a").known.clear();
    server().modelId = "other";
    server().answer("a");
    expect(document.done).toBe(true);
    expect(document.activations.complete(client.subscriptions.keys)).toBe(true);
  });

  it("brings neurons back, in their order, with a model that has them", async () => {
    const { client, server } = prepared();
    const document = client.open("a", "one two");
    client.start();
    const hook = "blocks.0.hook_resid_post/3";
    await client.subscriptions.add(["L3N60", "L0N1", "L2N5"]);
    await settle();
    const change = async (shape: ModelInfo): Promise<void> => {
      server().hold.add("model/load").add("models/list");
      const loading = client.loadModel(shape.id);
      server().subscribed = server().subscribed.filter((key) => shape.dropped?.includes(key) !== true);
      server().peer.answer(server().held.pop() as never, shape);
      await settle();
      server().peer.answer(server().held.pop() as never, { models: [] });
      await loading;
      await settle();
    };
    const keys = (): string[] => client.subscriptions.rows.map(({ key }) => key);
    await change({ ...model, id: "small", layers: 1, dropped: ["L3N60", "L2N5"] });
    expect(keys()).toEqual(["L0N1"]);
    expect(client.subscriptions.wanted).toEqual(["L3N60", "L0N1", "L2N5"]);
    expect(client.subscriptions.absent).toEqual(["L3N60", "L2N5"]);
    expect(client.subscriptions.settled).toBe(true);
    expect(server().subscribed).toEqual(["L0N1"]);
    client.subscriptions.remove(["L2N5"]);
    await client.subscriptions.add(["L0N2"]);
    client.subscriptions.reorder(["L0N2", "L0N1"]);
    await change(model);
    expect(keys()).toEqual(["L3N60", "L0N2", "L0N1"]);
    expect(client.subscriptions.absent).toEqual([]);
    expect([...server().subscribed].sort()).toEqual([...keys()].sort());
    server().document("a").known.clear();
    server().answer("a");
    expect(document.activations.complete(client.subscriptions.keys)).toBe(true);
    // What only the server can judge is asked for again, and set aside again where it is refused.
    await client.subscriptions.add(["L3N61"]);
    await change({ ...model, id: "other", dropped: ["L3N61"] });
    expect(client.subscriptions.absent).toEqual(["L3N61"]);
    await change(model);
    expect(client.subscriptions.absent).toEqual([]);
    await expect(client.subscriptions.add([hook])).rejects.toThrow();
    expect(client.subscriptions.wanted).not.toContain(hook);
  });

  it("asks for the model that was chosen when the session is a new one", async () => {
    const { client, clock, server } = prepared((one) => {
      one.initialize = {
        models: ["tiny", "other"].map((id) => ({ id, title: id, loaded: true, default: id === "tiny" })),
      };
      one.hold.add("model/load");
    });
    client.start();
    await settle();
    const loading = client.loadModel("other");
    server().peer.answer(server().held[0] as never, { ...model, id: "other" });
    await settle();
    expect(client.model?.id).toBe("other");
    await expect(loading).rejects.toMatchObject({ code: -32601 }); // this server has no models/list
    server().peer.drop();
    clock.advance(1000);
    await settle();
    expect(server().held[0]?.params).toMatchObject({ model: "other" });
  });

  it("closes a document on both sides", async () => {
    const { client, server } = prepared();
    const document = client.open("a", "one");
    client.start();
    await settle();
    server().hold.add("document/close");
    const closing = client.closeDocument(document);
    expect(server().held[0]?.params).toEqual({ uri: "a" });
    server().peer.answer(server().held[0] as never, {});
    await closing;
    server().tokenize("a");
    expect(document.tokens.length).toBe(0);
    expect(() => client.open("a", "")).not.toThrow();
    expect(() => client.open("a", "")).toThrow("open already");
  });

  it("says that the server is silent, and tries again and again", async () => {
    const { clock, server, network: { connector } } = prepared();
    // The machine still accepts connections, but nobody answers them.
    const pending: AbortSignal[] = [];
    const frozen = new NeuroscopeClient({
      clock,
      connect: (signal) => (pending.push(signal) === 1 ? connector(signal) : new Promise<Transport>(() => undefined)),
    });
    const heard: string[] = [];
    frozen.on("state", (state) => { heard.push(`${connectionText(state)} ${connectionHelp(state) ?? ""}`); });
    frozen.start();
    await settle();
    server().peer.onMessage = () => undefined;
    void frozen.loadModel("other").catch(() => undefined);
    clock.advance(4900);
    expect(frozen.ready).toBe(true);
    clock.advance(600);
    await settle();
    expect(server().peer.closed).toMatchObject({ code: 4000 });
    clock.advance(10_000);
    await settle();
    clock.advance(500);
    const help = "The server has stopped answering. What you type is kept and sent when it is back.";
    expect(heard).toEqual([
      "Connecting ", "Model is loading ", "Connected ",
      `No connection, trying again ${help}`, `Reconnecting ${help}`,
      "No connection, trying again The server does not answer. Is it running, on this address? What you type is kept and sent when it is back.",
      "Reconnecting The server does not answer. Is it running, on this address? What you type is kept and sent when it is back.",
    ]);
    expect(pending.map(({ aborted }) => aborted)).toEqual([false, true, false]);
    frozen.close();
    expect(pending[2]?.aborted).toBe(true);
  });

  it("resumes what it had after a silence, with the text as it is", async () => {
    const { client, clock, server, initialized } = prepared();
    const document = client.open("a", "one");
    client.start();
    await settle();
    server().answer("a");
    server().peer.onMessage = () => undefined;
    document.change([{ from: 3, to: 3, insert: " two" }]);
    clock.advance(6000);
    document.change([{ from: 0, to: 0, insert: "zero " }]);
    await settle();
    expect(initialized[1]).toMatchObject({ resume: { session: "session-1" } });
    expect(server().document("a").text).toBe("zero one two");
    server().answer("a");
    expect(client.isSettled(document)).toBe(true);
  });

  it("tries at once when the network or the person is back, and finds out whether the server is there", async () => {
    const { client, clock, network, presence, server, states } = prepared();
    network.down = true;
    client.start();
    await settle();
    for (let i = 0; i < 8; i++) {
      clock.advance(10_000);
      await settle();
    }
    expect(states.at(-1)).toBe("waiting");
    network.down = false;
    presence.comeBack();
    await settle();
    expect(client.ready).toBe(true);
    const pings: unknown[] = [];
    server().peer.onMessage = ({ method }) => { pings.push(method); };
    presence.comeBack();
    expect(pings).toEqual(["ping"]);
    clock.advance(4000);
    await settle();
    expect(server().peer.closed).toBeNull(); // another connection
    expect(network.peers).toHaveLength(2);
    client.close();
    expect(presence.listeners.size).toBe(0);
  });

  it("waits for the connection with what is asked meanwhile, within the time limit", async () => {
    const { client, clock, network, server } = prepared((one) => { one.hold.add("neurons/top"); });
    network.down = true;
    client.start();
    const top = client.top({ uri: "a", token: 0, k: 1 });
    const impatient = client.top({ uri: "a", token: 0, k: 1 }, { timeoutMs: 100 });
    const fate = impatient.catch((error: unknown) => error);
    await settle();
    clock.advance(100);
    expect(await fate).toBeInstanceOf(TimeoutError);
    network.down = false;
    clock.advance(1000);
    await settle();
    expect(server().held).toHaveLength(1);
    server().peer.answer(server().held[0] as never, { version: 1, token: 0, neurons: [] });
    expect((await top).token).toBe(0);
    // A server that answers pings, but not this.
    const unanswered = client.top({ uri: "a", token: 0, k: 1 }).catch((error: unknown) => error);
    clock.advance(60_000);
    await settle();
    expect(await unanswered).toMatchObject({ name: "TimeoutError", timeoutMs: 60_000 });
    expect(client.ready).toBe(true);
    const settled = client.settled(client.open("b", "text"), { timeoutMs: 2000 }).catch((error: unknown) => error);
    const connected = client.connected({ timeoutMs: 2000 });
    clock.advance(2000);
    expect(await settled).toMatchObject({ message: "the values: no answer within 2 s" });
    await connected;
  });

  it("ends the wait for a version that the server could not evaluate", async () => {
    const { client, server, faults } = prepared();
    const document = client.open("a", "one");
    client.start();
    await client.subscriptions.add(["L0N1"]);
    await settle();
    server().tokenize("a");
    const failed = (version: number): void => {
      server().peer.notify("$/error", { method: "document/change", code: -32603, message: "The pass failed.", data: { uri: "a", version } });
    };
    const first = client.settled(document).catch((error: unknown) => error);
    failed(document.version - 1); // of an older text
    expect(document.failure).toBeNull();
    failed(document.version);
    expect(await first).toBeInstanceOf(RequestError);
    await expect(client.settled(document)).rejects.toThrow("The pass failed.");
    expect([document.waiting, faults.length]).toEqual([false, 2]);
    // A later version starts afresh, and so does a subscription.
    document.change([{ from: 3, to: 3, insert: " two" }]);
    const second = client.settled(document);
    server().answer("a");
    await second;
    failed(document.version);
    expect(document.failure).not.toBeNull();
    await client.subscriptions.add(["L0N2"]);
    const third = client.settled(document);
    server().compute("a");
    await third;
  });

  it("does not care about listeners that throw", async () => {
    const { client, server, states } = prepared();
    const document = client.open("a", "one");
    const spoiled = (): never => { throw new Error("a listener's own fault"); };
    const reported = vi.spyOn(console, "error").mockImplementation(() => undefined);
    client.on("state", spoiled);
    client.on("model", spoiled);
    client.subscriptions.on("change", spoiled);
    for (const event of ["change", "tokens", "values", "done"] as const) document.on(event, spoiled);
    const after: string[] = [];
    document.on("done", () => after.push("done"));
    client.start();
    await client.subscriptions.add(["L0N1"]);
    document.change([{ from: 3, to: 3, insert: " two" }]);
    server().answer("a");
    await client.settled(document);
    expect([states, after]).toEqual([["connecting", "initializing", "ready"], ["done"]]);
    server().peer.drop();
    client.retryNow();
    await settle();
    expect(client.ready).toBe(true);
    expect(reported.mock.calls.length).toBeGreaterThan(8);
    expect(reported.mock.calls.every(([error]) => (error as Error).message === "a listener's own fault")).toBe(true);
    reported.mockRestore();
  });

  it("has another model before it reads what comes behind the answer", async () => {
    const { client, server } = prepared();
    const document = client.open("a", "one two");
    client.start();
    await client.subscriptions.add(["L0N1"]);
    server().answer("a");
    server().hold.add("model/load").add("models/list");
    void client.loadModel("other").catch(() => undefined);
    server().peer.answer(server().held[0] as never, { ...model, id: "other" });
    const tokens = document.tokens.length;
    document.change([{ from: 7, to: 7, insert: " three" }]);
    server().answer("a"); // of the model as it was
    expect(document.tokens.length).toBe(tokens);
    server().document("a").sent = tokenize("one two");
    server().document("a").known.clear();
    server().modelId = "other";
    server().answer("a"); // in the same moment
    expect(client.model?.id).toBe("other");
    expect(document.activations.complete(["L0N1"])).toBe(true);
    await settle();
    expect(document.activations.complete(["L0N1"])).toBe(true);
  });
});
