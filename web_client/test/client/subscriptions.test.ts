import { describe, expect, it } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { ScriptedServer, settle } from "../scripted-server";

async function connected(prepare: (server: ScriptedServer) => void = () => undefined) {
  const network = new FakeNetwork();
  const clock = new ManualClock();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => {
    const server = new ScriptedServer(peer);
    prepare(server);
    servers.push(server);
  };
  const client = new NeuroscopeClient({ connect: network.connector, clock });
  client.start();
  await settle();
  const { subscriptions } = client;
  return {
    client,
    clock,
    subscriptions,
    server: () => servers.at(-1) as ScriptedServer,
    keys: () => subscriptions.rows.map(({ key }) => key),
  };
}

describe("subscriptions", () => {
  it("take effect at once here and then on the server", async () => {
    const { subscriptions, server, keys } = await connected();
    const added = subscriptions.add(["L0N1", { layer: 1, neuron: 2 }, "L0N1"]);
    expect(keys()).toEqual(["L0N1", "L1N2"]);
    expect(subscriptions.settled).toBe(false);
    expect(subscriptions.neuron("L1N2")).toBeNull();
    await added;
    await settle();
    expect(server().subscribed).toEqual(["L0N1", "L1N2"]);
    expect(subscriptions.settled).toBe(true);
    expect(subscriptions.neuron("L1N2")?.hook).toBe("blocks.1.mlp.hook_post");
    subscriptions.remove(["L0N1"]);
    await settle();
    expect(server().subscribed).toEqual(["L1N2"]);
  });

  it("keep their rows' order, whatever order the server has", async () => {
    const { subscriptions, keys, server } = await connected();
    await subscriptions.add(["L0N1", "L0N2", "L0N3"]);
    await subscriptions.replace("L0N2", "L0N9");
    await subscriptions.add(["L0N5"], 0);
    subscriptions.reorder(["L0N3", "L0N5", "L0N9", "L0N1"]);
    await settle();
    expect(keys()).toEqual(["L0N3", "L0N5", "L0N9", "L0N1"]);
    expect([...server().subscribed].sort()).toEqual([...keys()].sort());
    await subscriptions.replace("L0N3", "L0N9");
    expect(keys()).toEqual(["L0N5", "L0N9", "L0N1"]);
    expect(() => {
      subscriptions.reorder(["L0N5"]);
    }).toThrow(RangeError);
  });

  it("can be replaced as a whole, without asking for what the model lacks", async () => {
    const { subscriptions, keys, server, client } = await connected();
    await subscriptions.add(["L0N1", "L0N2", "L0N3"]);
    const absent: (readonly string[])[] = [];
    subscriptions.on("absent", (lacking) => { absent.push(lacking); });
    subscriptions.reset(["L0N3", "L9N1", "L0N1", "L0N3"], client.model);
    expect([keys(), subscriptions.wanted, absent]).toEqual([["L0N3", "L0N1"], ["L0N3", "L9N1", "L0N1"], [["L9N1"]]]);
    await settle();
    expect([...server().subscribed].sort()).toEqual(["L0N1", "L0N3"]);
    subscriptions.reset([], null);
    await settle();
    expect([keys(), server().subscribed]).toEqual([[], []]);
  });

  it("subscribe to the next neuron before they leave the last", async () => {
    const { subscriptions, server } = await connected();
    await subscriptions.add(["L2N1"]);
    await settle();
    const order: string[] = [];
    server().peer.onMessage = (message) => {
      order.push(message.method ?? "");
      server().handle(message);
    };
    await subscriptions.replace("L2N1", "L2N2");
    await settle();
    expect(order).toEqual(["neurons/subscribe", "neurons/unsubscribe"]);
  });

  it("skip what was wanted only for a moment", async () => {
    const { subscriptions, server } = await connected();
    await subscriptions.add(["L2N0"]);
    server().hold.add("neurons/subscribe");
    const steps = [1, 2, 3, 4, 5].map((neuron) => subscriptions.replace(`L2N${neuron - 1}`, `L2N${neuron}`));
    await settle();
    server().hold.clear();
    server().held.forEach((message) => {
      server().handle(message);
    });
    await Promise.all(steps);
    await settle();
    expect(server().held.length).toBe(1);
    expect(server().subscribed).toEqual(["L2N5"]);
    expect(subscriptions.settled).toBe(true);
  });

  it("keep the good ones when one is refused, and say which is not", async () => {
    const { subscriptions, server, keys } = await connected();
    const refused: string[] = [];
    subscriptions.on("refused", ({ key, error }) => refused.push(`${key}: ${error.message}`));
    await expect(subscriptions.add(["L0N1", "L9N9", "L0N2"])).rejects.toThrow("There is no neuron L9N9.");
    await settle();
    expect(keys()).toEqual(["L0N1", "L0N2"]);
    expect(server().subscribed).toEqual(["L0N1", "L0N2"]);
    expect(refused).toEqual(["L9N9: There is no neuron L9N9."]);
  });

  it("step to a neighbour even when no more are allowed", async () => {
    const { subscriptions, server, keys } = await connected((one) => {
      one.maximumSubscriptions = 2;
    });
    await subscriptions.add(["L0N1", "L0N2"]);
    await subscriptions.replace("L0N2", "L0N3");
    await settle();
    expect([...server().subscribed].sort()).toEqual(["L0N1", "L0N3"]);
    await expect(subscriptions.add(["L0N4"])).rejects.toMatchObject({ code: -32013 });
    expect(keys()).toEqual(["L0N1", "L0N3"]);
  });

  it("can be wanted before there is a connection, and come back after one is lost", async () => {
    const { client, clock, subscriptions, server } = await connected();
    await subscriptions.add(["L0N1"]);
    server().peer.drop();
    const later = subscriptions.add(["L0N2"]);
    expect(subscriptions.settled).toBe(false);
    clock.advance(1000);
    await later;
    expect(server().subscribed).toEqual(["L0N1", "L0N2"]);
    expect(client.ready).toBe(true);
  });

  it("take over what a resumed session has, and no more than is wanted", async () => {
    const { clock, subscriptions, server, keys } = await connected((one) => {
      one.subscribed = ["L1N1", "L1N2"];
    });
    await settle();
    expect(server().subscribed).toEqual([]);
    await subscriptions.add(["L1N2"]);
    server().peer.drop();
    clock.advance(1000);
    await settle();
    expect(server().subscribed).toEqual(["L1N2"]);
    expect(keys()).toEqual(["L1N2"]);
  });

  it("resolve for those who wait when a neuron is not wanted any more", async () => {
    const { subscriptions, server } = await connected();
    server().hold.add("neurons/subscribe");
    const waiting = subscriptions.add(["L0N1"]);
    subscriptions.remove(["L0N1"]);
    await waiting;
    expect(subscriptions.rows).toEqual([]);
  });

  it("give values to a neuron that was removed and wanted again meanwhile", async () => {
    const { client, subscriptions, server } = await connected();
    const document = client.open("a", "one two");
    await subscriptions.add(["L0N1"]);
    await settle();
    server().answer("a");
    const values = [...document.activations.values("L0N1")];
    server().hold.add("neurons/unsubscribe");
    subscriptions.remove(["L0N1"]);
    const again = subscriptions.add(["L0N1"]);
    server().hold.clear();
    server()
      .held.splice(0)
      .forEach((message) => {
        server().handle(message);
      });
    await again;
    await settle();
    server().compute("a");
    expect([...document.activations.values("L0N1")]).toEqual(values);
    expect(document.activations.complete(client.subscriptions.keys)).toBe(true);
  });

  it("are there at once when they were asked for ahead, and nobody hears of that", async () => {
    const { subscriptions, server, keys } = await connected();
    await subscriptions.add(["L0N1"]);
    await settle();
    let seen = 0;
    subscriptions.on("refused", () => seen++);
    subscriptions.ahead(["L0N2", "L0N3"]);
    expect(subscriptions.settled).toBe(true);
    await settle();
    expect([...server().subscribed].sort()).toEqual(["L0N1", "L0N2", "L0N3"]);
    expect([keys(), subscriptions.settled]).toEqual([["L0N1"], true]);
    // The step to one of them needs no answer; the one that was left stays at hand.
    subscriptions.ahead(["L0N1", "L0N3"]);
    await subscriptions.replace("L0N1", "L0N2");
    expect([keys(), subscriptions.settled]).toEqual([["L0N2"], true]);
    await settle();
    expect([...server().subscribed].sort()).toEqual(["L0N1", "L0N2", "L0N3"]);
    subscriptions.ahead([]);
    expect(subscriptions.settled).toBe(true);
    await settle();
    expect(server().subscribed).toEqual(["L0N2"]);
    // What the server does not have is not asked for again.
    subscriptions.ahead(["L99N1"]);
    await settle();
    expect([server().subscribed, seen, subscriptions.settled]).toEqual([["L0N2"], 0, true]);
    await subscriptions.add(["L0N4"]);
    await settle();
    expect([...server().subscribed].sort()).toEqual(["L0N2", "L0N4"]);
  });

  it("asked for ahead make room at the server's limit, and are not asked for beyond it", async () => {
    const { subscriptions, server, keys } = await connected((server) => { server.maximumSubscriptions = 3; });
    let refused = 0;
    subscriptions.on("refused", () => refused++);
    await subscriptions.add(["L0N1"]);
    subscriptions.ahead(["L0N2", "L0N3"]);
    await settle();
    await subscriptions.add(["L1N1", "L1N2"]);
    await settle();
    expect([[...server().subscribed].sort(), refused]).toEqual([["L0N1", "L1N1", "L1N2"], 0]);
    subscriptions.ahead(["L0N2", "L0N3"]);
    await settle();
    expect([server().subscribed.length, keys(), subscriptions.settled, refused]).toEqual([3, ["L0N1", "L1N1", "L1N2"], true, 0]);
    // What is beyond the limit without them is refused as ever.
    await expect(subscriptions.add(["L1N3"])).rejects.toThrow("Too many");
    await settle();
    expect([[...server().subscribed].sort(), refused]).toEqual([["L0N1", "L1N1", "L1N2"], 1]);
  });

  it("never reject behind everybody's back, whatever the server refuses and whenever the connection goes", async () => {
    // Each of these once ended a Node process: an error inside the treatment of an error.
    for (const answer of ["drop", "refuse"] as const) {
      const { client, clock, subscriptions, server, keys } = await connected((one) => { one.maximumSubscriptions = 2; });
      await subscriptions.add(["L0N1", "L0N2"]);
      server().hold.add("neurons/unsubscribe");
      const replaced = subscriptions.replace("L0N2", "L0N3"); // the limit: first one has to go
      await settle();
      if (answer === "drop") server().peer.drop();
      else server().peer.refuse(server().held[0] as never, -32603, "A fault.");
      server().hold.clear();
      await settle();
      clock.advance(1000);
      await settle();
      if (answer === "refuse") await expect(replaced).rejects.toMatchObject({ code: -32013 });
      else await replaced;
      expect(keys()).toEqual(answer === "drop" ? ["L0N1", "L0N3"] : ["L0N1"]);
      expect(client.ready).toBe(true);
      void subscriptions.add(["L9N9"]); // refused, and nobody waits
      await settle();
    }
  });

  it("stay wanted when the server takes too long to answer, and are asked for again", async () => {
    const { clock, subscriptions, server, keys } = await connected();
    server().hold.add("neurons/subscribe");
    const added = subscriptions.add(["L0N1"]);
    const impatient = subscriptions.add(["L0N2"], 1, { timeoutMs: 1000 }).catch((error: unknown) => error);
    await settle();
    clock.advance(1000);
    await settle();
    expect(await impatient).toMatchObject({ name: "TimeoutError" });
    expect(keys()).toEqual(["L0N1"]);
    clock.advance(59_000);
    await expect(added).rejects.toMatchObject({ name: "TimeoutError", timeoutMs: 60_000 });
    server().hold.clear();
    server().handle(server().held.at(-1) as never);
    await settle();
    expect([keys(), subscriptions.settled]).toEqual([["L0N1"], true]);
  });
});
