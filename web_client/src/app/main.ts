/** Starts the page. */
import { type ModelInfo, NeuroscopeClient, webSocket } from "../client";
import { definePanels } from "../panels";
import { inspector } from "./inspect";
import { fetchOpening, someNeurons } from "./opening";
import { Page } from "./page";
import { Workbench } from "../workbench";

/** An address beside the page, whatever path it is served under; an access token in the page's address goes along. */
function beside(name: string): URL {
  const url = new URL(name, document.baseURI);
  const token = new URLSearchParams(location.search).get("token");
  if (token !== null) url.searchParams.set("token", token);
  return url;
}

async function start(): Promise<void> {
  const socket = beside("ws");
  socket.protocol = socket.protocol === "https:" ? "wss:" : "ws:";
  const client = new NeuroscopeClient({ connect: webSocket(socket.href), name: "neuroscope-web" });
  client.start(); // connecting and fetching go on at the same time
  const opening = await fetchOpening(beside("opening.json"));
  const workbench = new Workbench(client, client.open("neuroscope:text", opening.text));
  if (opening.neurons !== null) {
    client.subscriptions.add(opening.neurons).catch(() => undefined); // refusals appear as notices
  } else {
    const choose = (model: ModelInfo | null): void => {
      if (model === null) return;
      stop();
      if (workbench.rows.keys.length === 0) client.subscriptions.add(someNeurons(model)).catch(() => undefined);
    };
    const stop = client.on("model", choose);
    choose(client.model); // it may have been told while the opening was fetched
  }
  addEventListener("online", () => { client.retryNow(); });
  definePanels();
  customElements.define("neuro-page", Page);
  const page = new Page();
  page.workbench = workbench;
  document.body.append(page);
  Object.defineProperty(window, "neuroscope", { value: inspector(workbench) });
}

void start();
