/** A person's session with the extension: `node vscode_session.cjs EXTENSION.JS URL TEXT`; prints what was seen, as JSON. */
"use strict";
const Module = require("node:module");
const { make } = require("../support/vscode.cjs");

const [extension, url, text] = process.argv.slice(2);
const settings = { "neuroscope.url": url, "neuroscope.neurons": ["L0N1", "oops", "L1N2"], "neuroscope.connectOnStartup": true, "neuroscope.exclude": ["**/.env"] };
const { module: vscode, hand } = make(settings, { "Neuroscope: Add neuron": "2/3" });
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));

async function main() {
  const editor = hand.open("file:///note.md", text);
  const output = hand.open("output:log", "not a text of a person's");
  hand.activate(output);
  const controller = require(extension).activate(hand.context);
  const registered = [...hand.commands.keys()].sort();
  const run = (name) => hand.commands.get(`neuroscope.${name}`)();
  /** Everything is there and painted. */
  const look = async (view) => {
    const [document] = controller.client.documents;
    await controller.client.settled(document, { signal: AbortSignal.timeout(60_000) });
    const before = view.paints;
    hand.scroll(view);
    await hand.until(() => view.paints > before);
    hand.moveTo(view, view.document.text.length);
    const { tokens, activations } = document;
    return {
      text: view.document.text, sent: document.text, status: hand.shown.status, decorated: hand.decorated(view),
      tokens: tokens.infos.map((_, i) => tokens.at(i)), values: [...activations.values("L0N1")],
    };
  };
  await hand.until(() => hand.shown.status?.text.includes("L0N1"));
  const ignored = controller.client.documents.length;
  hand.activate(editor);
  const seen = [await look(editor)];
  hand.activate(output, editor); // it is still seen
  hand.edit(editor, [{ from: 0, to: 0, insert: "So " }, { from: 4, to: 8, insert: "sea" }, { from: text.length, to: text.length, insert: "\r\nThe end 🙂" }]);
  seen.push(await look(editor));
  hand.edit(editor, [{ from: editor.document.text.length - 2, to: editor.document.text.length, insert: "" }]);
  const other = hand.open("untitled:two", "Another text.");
  hand.activate(other);
  const bare = hand.decorated(editor).length;
  seen.push(await look(other));
  hand.activate(editor);
  seen.push(await look(editor));
  await run("addNeuron");
  const added = [...settings["neuroscope.neurons"]];
  await run("topNeurons");
  const { contents, range } = vscode.hover.provideHover(editor.document, editor.document.positionAt(4));
  const hover = { lines: contents.value.split("\n"), from: editor.document.offsetAt(range.start), to: editor.document.offsetAt(range.end) };
  const list = vscode.tree.getChildren().map((row) => vscode.tree.getTreeItem(row)).map(({ label, description }) => ({ label, description }));
  await look(editor); // coloured by the neuron that was added
  await run("nextStrong");
  const strong = editor.document.offsetAt(editor.selection.active);
  const marks = [...editor.decorations].find(([{ options }]) => options.overviewRulerLane)?.[1].map(({ end }) => editor.document.offsetAt(end)) ?? [];
  const lineBreaks = [...editor.decorations].filter(([{ options }]) => options.light.after).flatMap(([, ranges]) => ranges.map(({ start }) => editor.document.offsetAt(start)));
  hand.activate(hand.open("file:///project/.env", "SECRET=1"), editor);
  const beside = controller.client.documents.map(({ uri }) => uri);
  const { status: unsent } = hand.shown;
  hand.activate(editor);
  await run("disconnect");
  const report = {
    registered, ignored, seen, bare, added, picks: hand.shown.picks, hover, warnings: hand.shown.warnings,
    list, strong, marks, lineBreaks, beside, unsent, log: hand.shown.log, contexts: hand.shown.contexts,
    after: { status: hand.shown.status, decorated: hand.worn(editor), neurons: settings["neuroscope.neurons"] },
  };
  for (const { dispose } of hand.context.subscriptions.map((one) => ({ dispose: () => one.dispose() }))) dispose();
  console.log(JSON.stringify({ ...report, left: hand.commands.size }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
