/** Starts the extension in Visual Studio Code. */
import * as vscode from "vscode";
import { WebSocket } from "ws";
import { serverAt } from "../../src/client";
import { Controller } from "./controller";
import { COMMANDS } from "./host";
import { VsCodeHost } from "./vscode-host";

/** Other extensions get the controller: its client, and what its commands do. */
export function activate(context: vscode.ExtensionContext): Controller {
  const host = new VsCodeHost(context);
  const controller = new Controller(host, { reach: (url, token) => serverAt(url, { token, WebSocket }) });
  context.subscriptions.push(
    controller,
    host,
    ...COMMANDS.map((name) => vscode.commands.registerCommand(`neuroscope.${name}`, (from: unknown) => controller.commands[name](keyOf(from)))),
    vscode.languages.registerHoverProvider("*", {
      provideHover(document, position) {
        const found = controller.explain(document.uri.toString(), document.offsetAt(position));
        if (found === null) return null;
        // A code block: text is never treated as markup.
        const words = new vscode.MarkdownString().appendCodeblock(found.lines.join("\n"), "plaintext");
        return new vscode.Hover(words, new vscode.Range(document.positionAt(found.from), document.positionAt(found.to)));
      },
    }),
  );
  if (vscode.workspace.getConfiguration("neuroscope").get("connectOnStartup") === true) void controller.commands.connect();
  return controller;
}

/** The neuron of the list that a command was called from; menus elsewhere call with other things, such as a file. */
function keyOf(from: unknown): string | undefined {
  return typeof from === "object" && from !== null && "key" in from && typeof from.key === "string" ? from.key : undefined;
}
