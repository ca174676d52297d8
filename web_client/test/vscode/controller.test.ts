import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RefusedError, type Connector } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { bucketOf } from "../../src/colour/scale";
import { Controller } from "../../vscode/src/controller";
import { COMMANDS } from "../../vscode/src/host";
import { activations, model, ScriptedServer, settle, tokenize } from "../scripted-server";
import { PlainEditor, PlainHost } from "./plain-host";

const PAINTED = 20; // ms
const note = "file:///note.md";

function prepared(neurons: readonly string[] = ["L1N5", "L2N6"]) {
  const host = new PlainHost();
  host.settings = { ...host.settings, neurons };
  const network = new FakeNetwork();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => { servers.push(new ScriptedServer(peer)); };
  const clock = new ManualClock();
  const reached: (readonly [string, string | undefined])[] = [];
  let connector: Connector = network.connector;
  const controller = new Controller(host, {
    clock,
    reach: (url, token) => {
      if (url === "nonsense") throw new TypeError("nonsense is not the address of a Neuroscope server");
      reached.push([url, token]);
      return (signal) => connector(signal);
    },
  });
  const server = (): ScriptedServer => servers.at(-1) as ScriptedServer;
  const painted = async (): Promise<void> => { await settle(); clock.advance(PAINTED); };
  /** The server's answer to the text as it is, painted. */
  const answered = async (uri = note): Promise<void> => { await settle(); server().answer(uri); await painted(); };
  return {
    host, network, servers, clock, controller, reached, server, painted, answered,
    connectBy: (other: Connector) => { connector = other; },
    run: controller.commands,
  };
}

async function connected(text: string, neurons?: readonly string[]) {
  const all = prepared(neurons);
  const editor = new PlainEditor(note, text);
  all.host.activate(editor);
  await all.run.connect();
  await all.answered();
  return { ...all, editor };
}

/** The expected colours, computed independently: every visible token's bucket on a scale of the widest value seen. */
function expected(text: string, key: string, from = 0, to = text.length) {
  const tokens = tokenize(text);
  const values = activations(key, tokens);
  const widest = Math.max(...values.filter((_, i) => tokens[i]?.special !== true).map(Math.abs));
  return tokens.flatMap((token, i) => {
    const bucket = bucketOf(values[i] as number, { min: -widest, max: widest });
    const [start, end] = [Math.max(token.from, from), Math.min(token.to, to)];
    return start < end && bucket !== 0 ? [{ from: start, to: end, bucket }] : [];
  });
}

it("has the commands of the manifest, and no others", () => {
  const manifest = JSON.parse(readFileSync("vscode/package.json", "utf8")) as { contributes: { commands: { command: string }[] } };
  const named = manifest.contributes.commands.map(({ command }) => command);
  expect(named.sort()).toEqual(COMMANDS.map((name) => `neuroscope.${name}`).sort());
  expect(Object.keys(prepared().run).sort()).toEqual([...COMMANDS].sort());
});

describe("the active editor", () => {
  it("has the colours of the first neuron, then of the next", async () => {
    const { host, editor, run, painted } = await connected("One two three.");
    expect(editor.colours).toEqual(expected(editor.text, "L1N5"));
    host.moveTo(editor, 6);
    expect(host.status.text).toMatch(/^L1N5 [\u2212\d]/);
    await run.nextNeuron();
    await painted();
    expect(editor.colours).toEqual(expected(editor.text, "L2N6"));
    expect(editor.painted.hue).toBe(1);
    expect(host.status.text).toMatch(/^L2N6 /);
    await run.nextNeuron();
    await run.previousNeuron();
    await painted();
    expect(editor.painted.hue).toBe(1);
  });

  it("keeps its colours on their tokens until the answer, in many places and with CRLF", async () => {
    const { host, editor, server, painted, answered } = await connected("One two\r\nthree four\r\nfive.");
    const before = editor.colours;
    host.edit(editor, [{ from: 0, to: 0, insert: "> " }, { from: 9, to: 9, insert: "> " }, { from: 21, to: 21, insert: "> " }]);
    await painted();
    expect(server().document(note).text).toBe("> One two\r\n> three four\r\n> five.");
    const shift = (at: number): number => at + 2 + (at >= 9 ? 2 : 0) + (at >= 21 ? 2 : 0);
    expect(editor.colours.map(({ from, bucket }) => [from, bucket])).toEqual(before.map(({ from, bucket }) => [shift(from), bucket]));
    await answered();
    expect(editor.colours.map(({ from, to }) => [from, to])).toEqual(expected(editor.text, "L1N5").map(({ from, to }) => [from, to]));
    // The ends of lines are made others: one change of the whole text.
    host.edit(editor, [{ from: 0, to: editor.length, insert: editor.text.replaceAll("\r\n", "\n") }]);
    await answered();
    expect(server().document(note).text).toBe("> One two\n> three four\n> five.");
  });

  it("is painted where it is seen", async () => {
    const text = Array.from({ length: 60 }, (_, i) => `line ${i}`).join("\n");
    const { host, editor, painted } = await connected(text);
    host.scrollTo(editor, { from: 100, to: 150 });
    await painted();
    expect(editor.colours).toEqual(expected(text, "L1N5", 100, 150));
    const { paints } = editor;
    host.edit(editor, [{ from: 0, to: 0, insert: "a" }]);
    host.edit(editor, [{ from: 0, to: 1, insert: "" }]);
    await painted();
    expect(editor.paints).toBe(paints + 1); // what comes together is painted together
  });

  it("is another one: the first goes bare, and is closed", async () => {
    const { host, editor: beside, server, answered } = await connected("One two.");
    const other = new PlainEditor("untitled:one", "Other words");
    host.activate(other);
    expect(beside.colours).toEqual([]);
    await answered(other.uri);
    expect([...server().documents.keys()]).toEqual([other.uri]);
    expect(other.colours).toEqual(expected("Other words", "L1N5"));
    host.edit(beside, [{ from: 0, to: 3, insert: "Two" }]); // in the background
    host.activate(null);
    await settle();
    expect([other.colours, [...server().documents.keys()]]).toEqual([[], []]);
    host.activate(beside);
    await answered();
    expect(beside.colours).toEqual(expected("Two two.", "L1N5"));
  });

  it("is coloured in every view, and beside other texts, on one scale", async () => {
    const { host, editor, server, answered, painted } = await connected("One two.");
    const [again, other] = [new PlainEditor(note, editor.text), new PlainEditor("untitled:one", "Other words")];
    host.activate(editor, again, other);
    await answered(other.uri);
    const both = `${editor.text} ${other.text}`;
    const widest = Math.max(...[editor.text, other.text].flatMap((text) => activations("L1N5", tokenize(text)).slice(1).map(Math.abs)));
    expect(widest).toBeGreaterThan(0);
    for (const view of [editor, again, other]) {
      const tokens = tokenize(view.text);
      const values = activations("L1N5", tokens);
      const buckets = tokens.flatMap(({ from, to }, i) => {
        const bucket = bucketOf(values[i] as number, { min: -widest, max: widest });
        return to > from && bucket !== 0 ? [{ from, to, bucket }] : [];
      });
      expect(view.colours, both).toEqual(buckets);
    }
    expect([...server().documents.keys()].sort()).toEqual([note, other.uri].sort());
    host.edit(other, [{ from: 0, to: 5, insert: "More" }]); // in a view that is seen, not turned to
    await answered(other.uri);
    expect(server().document(other.uri).text).toBe("More words");
    host.activate(other, again);
    await painted();
    expect([editor.colours.length, again.colours.length > 0, server().documents.size]).toEqual([0, true, 2]);
  });

  it("shows line breaks, which have no width, and marks its strongest tokens", async () => {
    const { editor } = await connected("One\r\ntwo\n\nthree.");
    const breaks = [...editor.painted.lineEnds].flatMap(([bucket, ends]) => ends.map((at) => ({ at, bucket }))).sort((a, b) => a.at - b.at);
    const coloured = editor.colours.filter(({ from, to }) => /[\r\n]/.test(editor.text.slice(from, to)));
    expect(breaks.length).toBeGreaterThan(0);
    expect(breaks.map(({ at }) => at)).toEqual(
      coloured.flatMap(({ from, to }) => [...editor.text.slice(from, to).matchAll(/\r\n|\r|\n/g)].map(({ index }) => from + index)),
    );
    const strong = expected(editor.text, "L1N5").filter(({ bucket }) => Math.abs(bucket) >= 8);
    expect(strong.length).toBeGreaterThan(0);
    expect(editor.painted.marks).toEqual(strong.map(({ from, to }) => ({ from, to })));
  });

  it("is gone through from one strong token to the next, round and round", async () => {
    const { host, editor, run } = await connected("One two three four five six seven.");
    const ends = expected(editor.text, "L1N5").filter(({ bucket }) => Math.abs(bucket) >= 8).map(({ to }) => to);
    expect(ends.length).toBeGreaterThan(1);
    host.moveTo(editor, 0);
    const seen: number[] = [];
    for (let i = 0; i < ends.length + 1; i++) {
      await run.nextStrong();
      seen.push(editor.cursor);
    }
    expect(seen).toEqual([...ends, ends[0]]);
    await run.previousStrong();
    expect(editor.cursor).toBe(ends.at(-1));
    await run.disconnect();
    await run.nextStrong();
    expect([host.buttons, editor.cursor]).toEqual([["connect"], ends.at(-1)]);
  });

  it("is not sent where the settings exclude it", async () => {
    const { host, run, server, painted } = prepared();
    host.excluded = "The setting neuroscope.exclude keeps this file from being sent.";
    await run.connect();
    await painted();
    expect(server().documents.size).toBe(0);
    expect(host.status).toMatchObject({ icon: "problem", text: "Neuroscope: text not sent", detail: host.excluded });
    await run.topNeurons();
    expect(host.warnings).toEqual([host.excluded]);
  });

  it("is not sent while it is larger than the server takes", async () => {
    const { host, editor, server, clock, answered, painted } = await connected("One two.");
    host.edit(editor, [{ from: 0, to: 0, insert: "word ".repeat(25_000) }]);
    await painted();
    expect(host.status).toMatchObject({ icon: "problem", text: "Neuroscope: text not sent" });
    expect(host.status.detail).toContain("the server takes at most 100000");
    expect([editor.colours, server().document(note).text]).toEqual([[], "One two."]);
    host.edit(editor, [{ from: 0, to: 125_000, insert: "" }]);
    clock.advance(600);
    await answered();
    expect(editor.colours).toEqual(expected("One two.", "L1N5"));
    expect(host.status.icon).toBe("on");
  });

  it("explains its tokens", async () => {
    const { controller, editor } = await connected("One two.");
    const [, , two] = tokenize(editor.text);
    expect(controller.explain(note, 4)).toMatchObject({ from: 3, to: 7, lines: [`·two  token 2, id ${two?.id ?? ""}`, expect.stringMatching(/^L1N5 {2}/), expect.stringMatching(/^L2N6 {2}/)] });
    expect(controller.explain("file:///other", 4)).toBeNull();
    expect(controller.explain(note, 100)).toBeNull();
  });

  it("explains every token that has a part of a character", async () => {
    const { controller, server, network, painted } = await connected("A 🙂.");
    const list = server().document(note).sent;
    const emoji = list.findIndex(({ from, to }) => from <= 2 && to > 2);
    const { from, to } = list[emoji] as { from: number; to: number };
    const parts = [100, 101, 102, 103].map((id) => ({ id, text: "\ufffd", from, to }));
    network.peer.notify("document/tokens", { uri: note, version: server().document(note).version, start: emoji, deleteCount: 1, tokens: parts, shift: 0, tokenCount: list.length + 3 });
    await painted();
    const { lines = [] } = controller.explain(note, from) ?? {};
    expect(lines.filter((line) => line.includes("token")).map((line) => line.split("id ")[1])).toEqual(["100", "101", "102", "103"]);
    expect(lines.filter((line) => line.startsWith("L1N5"))).toHaveLength(4);
  });
});

describe("the connection", () => {
  it("comes back by itself, and colours stay on their tokens meanwhile", async () => {
    const { host, editor, network, servers, run, answered, painted } = await connected("One two.");
    network.down = true;
    network.peer.drop(1006);
    await painted();
    expect(host.status).toMatchObject({ icon: "problem", text: "Neuroscope: no connection", command: "connect" });
    host.edit(editor, [{ from: 0, to: 0, insert: "And " }]);
    await painted();
    expect(editor.colours.map(({ from }) => from)).toEqual(expected("One two.", "L1N5").map(({ from }) => from + 4));
    network.down = false;
    await run.connect(); // now, not when it would try by itself
    await answered();
    expect(servers).toHaveLength(2);
    expect(editor.colours.map(({ from, to }) => [from, to])).toEqual(expected("And One two.", "L1N5").map(({ from, to }) => [from, to]));
    expect(host.status.icon).toBe("on");
  });

  it("is given up, with all that came of it", async () => {
    const { host, editor, network, controller, run } = await connected("One two.");
    await run.disconnect();
    expect([editor.colours, network.peer.closed?.code, host.status.icon]).toEqual([[], 1000, "off"]);
    expect(host.status.command).toBe("connect");
    host.edit(editor, [{ from: 0, to: 0, insert: "And " }]);
    await run.topNeurons();
    expect(host.warnings).toEqual(["There is no connection to a server."]);
    controller.dispose();
    expect(host.listeners).toBe(0);
  });

  it("is to the server of the settings, with the token of that one", async () => {
    const { host, reached, run, network } = prepared();
    host.tokens.set("http://one.example/", "first");
    await Promise.all([run.connect(), run.connect()]);
    await settle();
    host.set({ url: "http://two.example/" });
    await settle();
    expect(reached).toEqual([["http://one.example/", "first"], ["http://two.example/", undefined]]);
    expect(network.peers.map(({ closed }) => closed?.code)).toEqual([1000, undefined]);
    host.set({ url: "nonsense" });
    await settle();
    const words = "nonsense is not the address of a Neuroscope server. The setting neuroscope.url names the server.";
    expect([host.warnings, host.buttons]).toEqual([[words], ["openSettings"]]);
    expect(host.status).toMatchObject({ icon: "problem", detail: words, command: "openSettings" });
    expect(host.connected).toBe(true);
    host.set({ url: "http://three.example/" }); // corrected: it still wants to be connected
    await settle();
    expect(reached.at(-1)).toEqual(["http://three.example/", undefined]);
    expect(host.status.icon).not.toBe("problem");
  });

  it("is turned on and off by one command", async () => {
    const { host, run, painted } = await connected("One two.");
    await run.toggle();
    expect([host.status.icon, host.connected]).toEqual(["off", false]);
    await run.toggle();
    await painted();
    expect([host.status.icon, host.connected]).toEqual(["on", true]);
  });

  it("that cannot be made is reported once, with what can be done", async () => {
    const { host, connectBy, run, painted, clock } = prepared();
    connectBy(() => Promise.reject(new Error("nobody is there")));
    await run.connect();
    await painted();
    clock.advance(60_000);
    await painted();
    expect(host.warnings).toHaveLength(1);
    expect(host.buttons).toEqual(["connect", "openSettings"]);
    expect(host.logged.filter((line) => line.includes("No connection")).length).toBeGreaterThan(1);
  });

  it("asks for a token where one is needed", async () => {
    const { host, connectBy, run, network, reached, painted } = prepared();
    connectBy(() => Promise.reject(new RefusedError(401, "This server asks for its token.")));
    await run.connect();
    await painted();
    expect(host.status).toMatchObject({ text: "Neuroscope: token needed", command: "setToken" });
    expect(host.status.detail).toContain("This server asks for its token.");
    connectBy(network.connector);
    host.answer = ({ secret }) => (secret === true ? " s3cret " : undefined);
    await run.setToken();
    await painted();
    expect(reached.at(-1)).toEqual(["http://one.example/", "s3cret"]);
    expect(host.status.icon).toBe("on");
    host.answer = () => "";
    await run.setToken();
    expect(host.tokens.size).toBe(0);
  });
});

describe("neurons", () => {
  it("are added to the settings when the server has them, and removed", async () => {
    const { host, server, run, painted } = await connected("One two.", ["L1N5"]);
    host.answer = ({ check }) => {
      expect([check?.("rubbish"), check?.(" "), check?.("L1N6, 2/7")]).toEqual([expect.stringContaining("rubbish is not a neuron"), expect.any(String), null]);
      return "L1N6, 2/7, L9N9";
    };
    await run.addNeuron();
    await painted();
    expect(host.settings.neurons).toEqual(["L1N5", "L1N6", "L2N7"]);
    expect(server().subscribed.sort()).toEqual(["L1N5", "L1N6", "L2N7"]);
    expect(host.warnings).toEqual(["There is no neuron L9N9."]);
    expect(host.status.text).toMatch(/^L1N6/);
    host.pick = (title, choices) => (title === "Remove a neuron" ? choices[0]?.label : "L2N7");
    await run.chooseNeuron();
    await run.removeNeuron();
    await painted();
    expect(host.settings.neurons).toEqual(["L1N6", "L2N7"]);
    expect(server().subscribed.sort()).toEqual(["L1N6", "L2N7"]);
    expect(host.status.text).toMatch(/^L2N7/);
  });

  it("can be written before there is a connection", async () => {
    const { host, run } = prepared([]);
    host.answer = () => "L1N5";
    await run.addNeuron();
    await run.nextNeuron();
    expect(host.settings.neurons).toEqual(["L1N5"]);
    expect([host.warnings, host.buttons]).toEqual([["There are no neurons yet."], ["addNeuron"]]);
  });

  it("that are not neurons, or not the model's, are reported in the status", async () => {
    const { host, editor, painted } = await connected("One two.", []);
    expect(host.status).toMatchObject({ text: "Neuroscope: no neuron", command: "addNeuron" });
    host.set({ neurons: ["L1N5", "what"] });
    await painted();
    expect(host.status.detail).toContain("what is not a neuron");
    host.set({ neurons: ["L77N5", "L1N5"] });
    await painted();
    expect(host.status).toMatchObject({ icon: "problem", detail: "The model has no L77N5." });
    expect(editor.painted.layers.size).toBe(0); // L1N5's values are on their way
  });

  it("that cannot be read stay in the settings, whatever is added or removed", async () => {
    const { host, server, run, painted } = await connected("One two.", ["L2N6", "L3N40", "oops"]);
    expect(server().subscribed.sort()).toEqual(["L2N6", "L3N40"]);
    expect(host.status).toMatchObject({ icon: "problem", detail: expect.stringContaining("oops") as string });
    host.answer = () => "L1N5";
    await run.addNeuron();
    expect(host.settings.neurons).toEqual(["L2N6", "L3N40", "oops", "L1N5"]);
    await run.removeNeuron("L3N40");
    expect(host.settings.neurons).toEqual(["L2N6", "oops", "L1N5"]);
    await painted();
    expect(host.neurons.map(({ key }) => key)).toEqual(["L2N6", "L1N5"]);
    host.set({ neurons: "L2N6" });
    await run.addNeuron();
    expect(host.settings.neurons).toEqual(["L2N6", "L1N5"]);
    const wrong = { L2N6: true };
    host.set({ neurons: wrong });
    await run.addNeuron();
    expect(host.settings.neurons).toBe(wrong);
    expect([host.warnings.at(-1), host.buttons]).toEqual([expect.stringContaining("is not a list"), ["openSettings"]]);
  });

  it("at the cursor are requested, and the chosen one is added", async () => {
    const { host, editor, server, network, run, painted } = await connected("One two.", ["L1N5"]);
    await run.topNeurons(); // at the start there is the first token
    server().hold.add("neurons/top");
    host.moveTo(editor, 7);
    host.pick = (title, choices) => {
      expect([title, choices]).toEqual(["Top neurons at ·two", [{ label: "L3N7", description: "2.500" }, { label: "L0N1", description: "1.000" }]]);
      return "L3N7";
    };
    const asked = run.topNeurons();
    await settle();
    const request = server().held.shift();
    expect(request?.params).toEqual({ uri: note, token: 2, k: 20 });
    const neurons = [{ key: "L3N7", layer: 3, neuron: 7, value: 2.5, ratio: null }, { key: "L0N1", layer: 0, neuron: 1, value: 1, ratio: null }];
    network.peer.answer(request ?? {}, { version: 1, token: 2, neurons });
    await asked;
    await painted();
    expect(host.settings.neurons).toEqual(["L1N5", "L3N7"]);
    expect(host.status.text).toMatch(/^L3N7/);
    // Turning to another text gives the question up.
    const late = run.topNeurons();
    await settle();
    host.activate(null);
    network.peer.refuse(server().held.shift() ?? {}, -32800, "cancelled");
    await late;
    expect(host.warnings).toEqual(["unknown method"]);
    await run.topNeurons();
    expect(host.warnings.at(-1)).toBe("There is no token at the cursor.");
  });
});

it("loads the model of the settings, and says if that fails", async () => {
  const { host, server, network, painted } = await connected("One two.");
  server().hold.add("model/load");
  host.set({ model: "large" });
  await painted();
  expect(host.status).toMatchObject({ icon: "busy", detail: "Loading large" });
  network.peer.refuse(server().held.shift() ?? {}, -32010, "There is no model 'large' here.");
  await painted();
  expect(host.status).toMatchObject({ icon: "problem", detail: "large could not be loaded: There is no model 'large' here." });
  host.set({ model: model.id });
  await painted();
  expect(server().held).toEqual([]);
  // A corrected setting is not a problem any more.
  expect(host.status).toMatchObject({ icon: "on", detail: expect.not.stringContaining("large") as string });
});
