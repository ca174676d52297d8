import { describe, expect, it } from "vitest";
import { DisconnectedError, RequestError, TimeoutError } from "../../src/client";
import { FakePeer, ManualClock, type Message } from "../../src/client/testing";
import { type RequestOptions, type RpcListener, RpcConnection } from "../../src/client/rpc";
import type { Requests } from "../../src/wire";

function connection(heard: Partial<RpcListener> = {}) {
  const peer = new FakePeer();
  const clock = new ManualClock();
  const faults: Error[] = [];
  const connected = new RpcConnection(peer.transport, {
    notification: () => undefined,
    fault: (error) => faults.push(error),
    closed: () => undefined,
    waiting: () => false,
    visible: () => true,
    ...heard,
  }, clock);
  const rpc = {
    request: <M extends keyof Requests>(method: M, params: Requests[M]["params"], options?: RequestOptions) =>
      connected.request(method, params, (result) => result, options),
  };
  return { peer, rpc, connected, clock, faults };
}

describe("a JSON-RPC connection", () => {
  it("settles each request with its own answer, whatever the order", async () => {
    const { peer, rpc } = connection();
    const first = rpc.request("models/list", {});
    const second = rpc.request("document/close", { uri: "a" });
    const asked = [peer.take("models/list"), peer.take("document/close")] as const;
    expect(asked[1].params).toEqual({ uri: "a" });
    peer.answer(asked[1], { closed: true });
    peer.answer(asked[0], { models: [] });
    expect(await first).toEqual({ models: [] });
    expect(await second).toEqual({ closed: true });
  });

  it("rejects with what the server said", async () => {
    const { peer, rpc } = connection();
    const request = rpc.request("models/list", {});
    peer.refuse(peer.take("models/list"), -32013, "Too much.", { limit: "x" });
    const error = await request.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ code: -32013, message: "Too much.", data: { limit: "x" }, method: "models/list" });
  });

  it("settles every request when the connection goes, and those made after", async () => {
    const reasons: unknown[] = [];
    const { peer, rpc } = connection({ closed: (reason) => reasons.push(reason) });
    const requests = [rpc.request("models/list", {}), rpc.request("models/list", {})];
    peer.drop(1001, "shutdown");
    for (const request of [...requests, rpc.request("models/list", {})]) {
      await expect(request).rejects.toBeInstanceOf(DisconnectedError);
      await expect(request).rejects.toMatchObject({ code: 1001, reason: "shutdown" });
    }
    expect(reasons).toEqual([{ code: 1001, reason: "shutdown" }]);
  });

  it("asks the server to cancel and waits for its word", async () => {
    const { peer, rpc } = connection();
    const abort = new AbortController();
    const cancelled = rpc.request("model/load", { model: "a" }, { signal: abort.signal });
    const done = rpc.request("model/load", { model: "b" }, { signal: abort.signal });
    const [a, b] = [peer.take("model/load"), peer.take("model/load")];
    abort.abort(new Error("enough"));
    expect([peer.take("$/cancelRequest").params, peer.take("$/cancelRequest").params]).toEqual([
      { id: a.id },
      { id: b.id },
    ]);
    peer.refuse(a, -32800, "The request was cancelled.");
    peer.answer(b, { id: "b" });
    await expect(cancelled).rejects.toThrow("enough");
    expect(await done).toEqual({ id: "b" });
    await expect(rpc.request("models/list", {}, { signal: abort.signal })).rejects.toThrow("enough");
    expect(peer.received).toEqual([]);
  });

  it("hears notifications, in batches too", () => {
    const heard: unknown[] = [];
    const { peer } = connection({ notification: (method, params) => heard.push([method, params]) });
    peer.notify("a", { x: 1 });
    peer.sendText(
      JSON.stringify([
        { jsonrpc: "2.0", method: "b" },
        { jsonrpc: "2.0", method: "c", params: { y: 2 } },
      ]),
    );
    expect(heard).toEqual([
      ["a", { x: 1 }],
      ["b", undefined],
      ["c", { y: 2 }],
    ]);
  });

  it("survives frames that are nothing, and listeners that throw", () => {
    const { peer, faults } = connection({
      notification: () => {
        throw new Error("listener");
      },
    });
    for (const frame of [
      "",
      "{",
      "null",
      "7",
      "[]",
      "[null]",
      '{"id":99,"result":1}',
      '{"id":"x","result":1}',
      '{"method":"a"}',
      "{}",
    ])
      peer.sendText(frame);
    expect(faults.length).toBe(9); // the empty batch says nothing at all
    expect(faults.map(({ message }) => message)).toContain("listener");
  });

  it("refuses a request of the server's", () => {
    const { peer } = connection();
    peer.sendText(JSON.stringify({ jsonrpc: "2.0", id: 5, method: "workspace/ask", params: {} }));
    expect(peer.received[0]).toMatchObject({ id: 5, error: { code: -32601 } });
  });

  it("tells of an answer that is an error of no known shape", async () => {
    const { peer, rpc } = connection();
    const request = rpc.request("models/list", {});
    peer.sendText(JSON.stringify({ jsonrpc: "2.0", id: peer.take("models/list").id, error: "bad" }));
    await expect(request).rejects.toMatchObject({ code: -32603 });
  });

  it("rejects what the answer's reader throws", async () => {
    const { peer, connected } = connection();
    const request = connected.request("models/list", {}, () => { throw new TypeError("not a list"); });
    peer.answer(peer.take("models/list"), 7);
    await expect(request).rejects.toThrow("not a list");
  });

  it("ends a request whose time limit is over, asks the server to cancel it, and ignores a late answer", async () => {
    const { peer, rpc, clock, faults } = connection();
    const late = rpc.request("models/list", {}, { timeoutMs: 500 });
    const asked = peer.take("models/list");
    const patient = rpc.request("models/list", {}, { timeoutMs: 501 });
    clock.advance(500);
    await expect(late).rejects.toBeInstanceOf(TimeoutError);
    await expect(late).rejects.toMatchObject({ message: "models/list: no answer within 0.5 s", timeoutMs: 500 });
    expect(peer.take("$/cancelRequest").params).toEqual({ id: asked.id });
    peer.answer(asked, { models: [] });
    peer.answer(peer.take("models/list"), { models: ["in time"] });
    expect(await patient).toEqual({ models: ["in time"] });
    clock.advance(1000);
    expect([faults, peer.received]).toEqual([[], []]);
  });
});

describe("a server's silence", () => {
  /** Times at which pings came, and at which the connection ended, in ms; none is answered unless the test does it. */
  function watched({ waiting = () => false, visible = () => true }: { waiting?: () => boolean; visible?: () => boolean } = {}) {
    const closed: { at: number; code: number; reason: string }[] = [];
    const pings: { at: number; message: Message }[] = [];
    const made = connection({ waiting, visible, closed: (reason) => { closed.push({ at: made.clock.now(), ...reason }); } });
    made.peer.onMessage = (message) => { if (message.method === "ping") pings.push({ at: made.clock.now(), message }); };
    return { ...made, closed, pings, times: () => pings.map(({ at }) => at) };
  }

  it("is noticed a few seconds after a request: a ping, and the end of the connection when it is not answered", async () => {
    const { rpc, clock, closed, pings, times } = watched();
    clock.advance(10_000);
    const request = rpc.request("models/list", {});
    clock.advance(60_000);
    expect(times()).toEqual([12_000]);
    expect(pings[0]?.message).toMatchObject({ method: "ping", params: {} });
    expect(closed).toHaveLength(1);
    expect(closed[0]).toMatchObject({ code: 4000, reason: "no sign of life for 15 s" });
    expect(closed[0]?.at).toBeGreaterThanOrEqual(15_000);
    expect(closed[0]?.at).toBeLessThan(15_200);
    await expect(request).rejects.toMatchObject({ code: 4000 });
  });

  it("is none where anything comes, whatever it is", () => {
    const { peer, rpc, clock, closed, pings, times } = watched();
    void rpc.request("models/list", {});
    clock.advance(2000);
    expect(times()).toEqual([2000]);
    peer.refuse(pings[0]?.message ?? {}, -32601, "unknown method"); // an older server
    clock.advance(1500);
    peer.notify("$/progress", {});
    clock.advance(1999);
    expect(times()).toEqual([2000]);
    clock.advance(1); // the request still waits
    expect(times()).toEqual([2000, 5500]);
    clock.advance(2900);
    peer.sendText("not even JSON");
    clock.advance(1900);
    expect(closed).toEqual([]);
  });

  it("is looked for now and then while nothing waits, if somebody may be looking, and as soon as one is back", () => {
    let visible = true;
    const { peer, connected, clock, closed, pings, times } = watched({ visible: () => visible });
    clock.advance(29_999);
    expect(times()).toEqual([]);
    clock.advance(1);
    peer.answer(pings[0]?.message ?? {}, {});
    visible = false;
    clock.advance(100_000);
    expect(times()).toEqual([30_000]);
    visible = true;
    connected.probe();
    connected.probe(); // one is under way
    expect(times()).toEqual([30_000, 130_000]);
    clock.advance(4000);
    expect(closed).toMatchObject([{ code: 4000 }]);
    connected.probe();
    expect(times()).toHaveLength(2);
  });

  it("lasts longer where much was sent, which a slow line takes time for", () => {
    const { rpc, clock, closed } = watched();
    const opened = rpc.request("document/open", { uri: "a", version: 1, text: "x".repeat(20_000) });
    opened.catch(() => undefined);
    clock.advance(14_900);
    expect(closed).toEqual([]);
    clock.advance(300);
    expect(closed).toHaveLength(1);
  });

  it("does not count the time in which this process was asleep", () => {
    const { rpc, clock, closed, times } = watched();
    rpc.request("models/list", {}).catch(() => undefined);
    clock.advance(2000);
    clock.sleep(60_000);
    clock.advance(2900);
    expect([times(), closed]).toEqual([[2000, 62_000], []]);
    clock.advance(500);
    expect(closed).toHaveLength(1);
  });
});
