import { describe, expect, it } from "vitest";
import { DisconnectedError, RequestError } from "../../src/client";
import { FakePeer } from "../../src/client/testing";
import { type RpcListener, RpcConnection } from "../../src/client/rpc";

function connection(heard: Partial<RpcListener> = {}) {
  const peer = new FakePeer();
  const faults: Error[] = [];
  const rpc = new RpcConnection(peer.transport, {
    notification: () => undefined,
    fault: (error) => faults.push(error),
    closed: () => undefined,
    ...heard,
  });
  return { peer, rpc, faults };
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
});
