/** Starts the page. */
import { explained, NeuroscopeClient, webSocket } from "../client";
import { definePanels, type EditorPanel } from "../panels";
import { rowCommands, Workbench } from "../workbench";
import { Address } from "./address";
import { exportCommands } from "./exporting";
import { find } from "./found";
import { inspector } from "./inspect";
import { decodeFragment, LinkError } from "./link";
import { Memory, storages } from "./memory";
import { fetchOpening } from "./opening";
import { Page } from "./page";
import { pageCommands, shortcuts } from "./page-commands";
import { shareCommands } from "./sharing";
import { Showing } from "./showing";
import { openDroppedFiles, textCommands } from "./texts";
import { followTheme } from "./theme";
import { compareCommands, heatmapCommands } from "./viewing";

/** An address beside the page, at any base path; keeps an access token of the page's address. */
function beside(name: string): URL {
  const url = new URL(name, document.baseURI);
  const token = new URLSearchParams(location.search).get("token");
  if (token !== null) url.searchParams.set("token", token);
  return url;
}

async function start(): Promise<void> {
  const endpoint = beside("ws");
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const client = new NeuroscopeClient({ connect: explained(webSocket(socket.href), endpoint), name: "neuroscope-web" });
  client.start(); // connects while the sample is fetched
  const memory = new Memory(storages(), location.pathname);
  const [opening, found] = await Promise.all([fetchOpening(beside("opening.json")), find(location, memory)]);
  const workbench = new Workbench(client, client.open("neuroscope:text", found.state.text ?? opening.text));
  const showing = new Showing(workbench, opening);
  const address = new Address(memory, () => showing.describe(), () => {
    workbench.notices.notify("The browser has no room to keep this text for the next visit.");
  });
  definePanels();
  customElements.define("neuro-page", Page);
  const page = new Page();
  page.workbench = workbench;
  workbench.commands.add(
    ...rowCommands(workbench),
    ...textCommands(workbench),
    ...heatmapCommands(workbench),
    ...compareCommands(workbench),
    ...shareCommands(workbench, showing, address),
    ...exportCommands(workbench, () => page.renderRoot.querySelector<EditorPanel>("neuro-editor")?.columns ?? null),
  );
  openDroppedFiles(workbench);
  workbench.commands.add(...pageCommands(workbench));
  workbench.commands.tell(...shortcuts);
  followTheme(workbench);
  document.body.append(page);
  Object.defineProperty(window, "neuroscope", { value: inspector(workbench) });

  if (found.problem !== null) workbench.notices.notify(found.problem);
  workbench.on("change", () => { address.touch(); });
  address.touch();
  addEventListener("hashchange", () => {
    decodeFragment(location.hash.slice(1)).then(
      (state) => showing.replace(() => showing.show(state), "The link was opened."),
      (error: unknown) => { if (error instanceof LinkError) workbench.notices.notify(error.message); else throw error; },
    ).finally(() => { address.refute(); });
  });
  await showing.open(found.state);
}

start().catch((error: unknown) => {
  document.body.append(`Neuroscope could not start: ${String(error)}`);
  throw error;
});
