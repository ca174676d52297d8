import { describe, expect, it } from "vitest";
import { NeuroscopeClient, NeuroscopeError, serverAt, socketAddress, TooLargeError, webSocket, wellFormed } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { ScriptedServer, settle } from "../scripted-server";

function started() {
  const network = new FakeNetwork();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => { servers.push(new ScriptedServer(peer)); };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  return { client, network, server: () => servers.at(-1) as ScriptedServer };
}

/** What became of a promise by now. */
async function fate(promise: Promise<unknown>): Promise<unknown> {
  let known: unknown = "pending";
  promise.then(() => { known = "resolved"; }, (error: unknown) => { known = error; });
  await settle();
  return known;
}

describe("connected", () => {
  it("resolves when the session is there, and rejects when the client is closed", async () => {
    const { client, network } = started();
    expect(await fate(client.connected())).toBeInstanceOf(NeuroscopeError);
    network.down = true;
    client.start();
    const first = client.connected();
    expect(await fate(first)).toBe("pending");
    network.down = false;
    client.retryNow();
    expect(await fate(first)).toBe("resolved");
    client.close();
    expect(await fate(client.connected())).toBeInstanceOf(NeuroscopeError);
  });

  it("stops waiting when told so", async () => {
    const { client, network } = started();
    network.down = true;
    client.start();
    const stop = new AbortController();
    const waiting = client.connected({ signal: stop.signal });
    const reason = new Error("no longer");
    stop.abort(reason);
    expect(await fate(waiting)).toBe(reason);
    expect(await fate(client.connected({ signal: stop.signal }))).toBe(reason);
  });
});

describe("settled", () => {
  it("waits for the last value of the newest text, over a lost connection too", async () => {
    const { client, network, server } = started();
    client.start();
    const document = client.open("note", "One two");
    void client.subscriptions.add(["L1N5"]);
    await settle();
    const settled = client.settled(document);
    server().answer("note");
    document.change([{ from: 3, to: 3, insert: " and" }]);
    expect(await fate(settled)).toBe("resolved"); // it was, before the edit
    const again = client.settled(document);
    server().tokenize("note");
    server().compute("note", 1);
    expect(await fate(again)).toBe("pending");
    network.peer.drop();
    client.retryNow();
    expect(await fate(again)).toBe("pending");
    server().answer("note");
    expect(await fate(again)).toBe("resolved");
    expect(client.isSettled(document)).toBe(true);
  });

  it("rejects with what is wrong with the text, with the signal's reason, and when the client is closed", async () => {
    const { client } = started();
    client.start();
    const huge = client.open("huge", "a".repeat(100_001));
    const note = client.open("note", "One two");
    await settle();
    expect(await fate(client.settled(huge))).toBeInstanceOf(TooLargeError);
    const stop = new AbortController();
    const waiting = [client.settled(note, { signal: stop.signal }), client.settled(note)] as const;
    stop.abort("no longer");
    expect(await fate(waiting[0])).toBe("no longer");
    client.close();
    expect(await fate(waiting[1])).toBeInstanceOf(NeuroscopeError);
  });
});

describe("a signal", () => {
  it("withdraws neurons that were not there before", async () => {
    const { client, server } = started();
    client.start();
    await settle();
    await client.subscriptions.add(["L1N5"]);
    server().hold.add("neurons/subscribe");
    const stop = new AbortController();
    const added = client.subscriptions.add(["L1N5", "L2N6"], 0, { signal: stop.signal });
    expect(client.subscriptions.wanted).toEqual(["L2N6", "L1N5"]);
    stop.abort("no longer");
    expect(await fate(added)).toBe("no longer");
    expect(client.subscriptions.wanted).toEqual(["L1N5"]);
    expect(await fate(client.subscriptions.add(["L2N6"], 0, { signal: stop.signal }))).toBe("no longer");
    expect(client.subscriptions.wanted).toEqual(["L1N5"]);
  });

  it("ends an event's listener", () => {
    const { client } = started();
    const stop = new AbortController();
    const heard: string[] = [];
    client.on("state", ({ kind }) => { heard.push(kind); }, { signal: stop.signal });
    client.on("state", () => { heard.push("never"); }, { signal: AbortSignal.abort() });
    client.start();
    stop.abort();
    client.close();
    expect(heard).toEqual(["connecting"]);
  });
});

describe("addresses", () => {
  it("lead from a page or a websocket to the websocket, with a token", () => {
    expect(socketAddress("http://127.0.0.1:8740")).toBe("ws://127.0.0.1:8740/ws");
    expect(socketAddress(new URL("https://gpu.example/scope/#here"), "s3cret")).toBe("wss://gpu.example/scope/ws?token=s3cret");
    expect(socketAddress("wss://gpu.example/own-name?token=old", "new")).toBe("wss://gpu.example/own-name?token=new");
    expect(() => serverAt("ftp://gpu.example/")).toThrow("not the address of a Neuroscope server");
  });

  it("are not told with their token when nobody is there", async () => {
    class Nobody {
      readyState = 3;
      onopen: ((event: never) => void) | null = null;
      onmessage: ((event: never) => void) | null = null;
      onerror: ((event: never) => void) | null = null;
      onclose: ((event: never) => void) | null = null;
      constructor() { queueMicrotask(() => { this.onclose?.({} as never); }); }
      send(): void { throw new Error("nobody is there"); }
      close(): void { throw new Error("nobody is there"); }
    }
    await expect(webSocket("ws://127.0.0.1:9/ws?token=s3cret", Nobody)(new AbortController().signal))
      .rejects.toThrow(/^no connection to ws:\/\/127\.0\.0\.1:9\/ws$/);
  });
});

it("replaces halves of surrogate pairs that stand alone", () => {
  expect(wellFormed("a\ud83d\ude42b")).toBe("a\ud83d\ude42b");
  expect(wellFormed("\ude42a\ud83d\ud83d\ude42\ude42\ud83d")).toBe("\ufffda\ufffd\ud83d\ude42\ufffd\ufffd");
});
