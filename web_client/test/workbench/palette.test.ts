import { describe, expect, it } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock, type Message } from "../../src/client/testing";
import { Workbench } from "../../src/workbench";
import { label, type Offer, Palette, parseTop } from "../../src/workbench/palette";
import { model, ScriptedServer, settle } from "../scripted-server";

async function opened(more: Partial<typeof model> = {}) {
  const network = new FakeNetwork();
  let server: ScriptedServer | undefined;
  network.onConnect = (peer) => {
    server = new ScriptedServer(peer);
    const models = ["tiny", "big"].map((id) => ({ id, title: `The ${id} one`, loaded: true, default: id === "tiny" }));
    server.initialize = { model: { ...model, ...more }, models };
    server.hold.add("neurons/top").add("model/load");
  };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  const workbench = new Workbench(client, client.open("text", "one two three"));
  client.start();
  await settle();
  if (server === undefined) throw new Error("nobody connected");
  server.answer("text");
  const ran: string[] = [];
  const command = (id: string, group: string, title: string) => ({ id, group, title, run: () => ran.push(id) });
  workbench.commands.add(
    command("palette.open", "View", "Commands"),
    { ...command("theme.dark", "Theme", "Dark"), checked: () => true },
    { ...command("export.csv", "Export", "Values as CSV"), enabled: () => false },
    { ...command("share.link", "Share", "Copy link"), keys: "Mod-l" },
    command("export.png", "Export", "Picture as PNG"),
  );
  const palette = new Palette(workbench);
  const titles = (query: string): string[] => palette.offers(query).flatMap(({ offers }) => offers.map(label));
  const first = (query: string): Offer => palette.offers(query)[0]?.offers[0] as Offer;
  return { workbench, client, server, palette, titles, first, ran };
}

describe("the palette", () => {
  it("offers everything by groups, what was run last before the rest", async () => {
    const { palette, first, ran } = await opened();
    const groups = (): [string | null, string[]][] => palette.offers(" ").map(({ title, offers }) => [title, offers.map((one) => one.title)]);
    expect(groups()).toEqual([
      ["Theme", ["Dark"]], ["Export", ["Values as CSV", "Picture as PNG"]], ["Share", ["Copy link"]], ["Model", ["The tiny one", "The big one"]],
    ]);
    expect(palette.run(first("png"))).toBe(true);
    expect(palette.run(first("link"))).toBe(true);
    expect(palette.run(first("csv"))).toBe(false);
    expect(ran).toEqual(["export.png", "share.link"]);
    expect(groups()).toEqual([
      ["Recent", ["Copy link", "Picture as PNG"]], ["Theme", ["Dark"]], ["Export", ["Values as CSV"]], ["Model", ["The tiny one", "The big one"]],
    ]);
  });

  it("finds by letters of group and title, lately run ones first, and marks what it found", async () => {
    const { palette, titles, first } = await opened();
    expect(titles("export")[0]).toBe("Export: Picture as PNG"); // the other cannot be run
    expect(titles("thdk")).toEqual(["Theme: Dark"]);
    expect(titles("xyz")).toEqual([]);
    expect(first("dark")).toMatchObject({ id: "theme.dark", checked: true, at: [7, 8, 9, 10] });
    expect(first("link").keys).toBe("Mod-l");
    expect(titles("e")[0]).not.toBe("Share: Copy link");
    palette.run(first("link"));
    expect(titles("li")[0]).toBe("Share: Copy link");
    expect(titles("commands")).toEqual([]); // the palette itself is open already
  });

  it("takes neurons, and says what is wrong with them", async () => {
    const { workbench, palette, titles, first } = await opened();
    palette.run(first("L3N42"));
    await settle();
    expect(workbench.rows.keys).toEqual(["L3N42"]);
    expect(titles("3/42")[0]).toBe("Neurons: Colour the text by L3N42");
    expect(titles("L1N4-7")[0]).toBe("Neurons: Add 4 neurons: L1N4, L1N5, L1N6, L1N7");
    expect(titles("L1N4-48")[0]).toBe("Neurons: Add 45 neurons: L1N4, L1N5 … L1N48");
    palette.run(first("1/4-5, L3N42"));
    await settle();
    expect([workbench.rows.keys, workbench.rows.focus]).toEqual([["L3N42", "L1N4", "L1N5"], "L1N4"]);
    const refused = first("L3N64");
    expect(refused).toMatchObject({ enabled: false, title: "This model has layers 0 to 3, with neurons 0 to 63." });
    expect(palette.run(refused)).toBe(false);
    expect(first("L0N0-999")).toMatchObject({ enabled: false, title: "That names 1000 neurons; name at most 256 at once." });
    expect(first("L1N2 L1")).toMatchObject({ enabled: false });
    expect(titles("l")[0]).not.toContain("Neurons"); // may become anything
  });

  it("takes the strongest neurons here", async () => {
    const { workbench, server, palette, first } = await opened({ hasStatistics: true });
    expect(first("top 8 here")).toMatchObject({ enabled: false, title: "There is no token at the caret." });
    workbench.text.caret(2);
    expect(first("top")).toMatchObject({ enabled: true, title: "Add the 8 strongest neurons at token 2" });
    expect(first("top 3 by ratio in layer 2").title).toBe("Add the 3 strongest neurons at token 2, by share of their maximum, of layer 2");
    expect(first("top 3 L9")).toMatchObject({ enabled: false, title: "This model has layers 0 to 3." });
    palette.run(first("top 1 L2"));
    const [asked] = server.held as [Message];
    expect(asked.params).toEqual({ uri: "text", token: 2, k: 1, by: "activation", layers: [2] });
    server.peer.refuse(asked, -32603, "The forward pass failed.");
    await settle();
    expect(workbench.notices.list.map(({ text }) => text)).toEqual(["The forward pass failed."]);
    expect((await opened()).first("top 3 ratio").enabled).toBe(false);
  });

  it("offers the other models", async () => {
    const { server, palette, first } = await opened();
    expect(first("tiny").checked).toBe(true);
    palette.run(first("model big"));
    expect(server.held.map(({ method, params }) => [method, (params as { model: string }).model])).toEqual([["model/load", "big"]]);
  });
});

it("reads what may be said of the strongest", () => {
  expect(parseTop("top 8 here")).toEqual({ count: 8 });
  expect(parseTop(" Top12")).toEqual({ count: 12 });
  expect(parseTop("top")).toEqual({ count: 8 });
  expect(parseTop("top 5 neurons at the caret in layer 3 by share")).toEqual({ count: 5, layer: 3, by: "ratio" });
  expect(parseTop("top 9999")).toEqual({ count: 256 });
  for (const other of ["top 0", "stop 8", "top eight", "top 8 there", "topology", "top -1", ""]) expect(parseTop(other)).toBeNull();
});
