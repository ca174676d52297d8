import { describe, expect, it } from "vitest";
import { NeuroscopeClient } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { caretWords, Workbench } from "../../src/workbench";
import { ScriptedServer, settle } from "../scripted-server";

async function opened(neurons: string[], content: string) {
  const network = new FakeNetwork();
  let server: ScriptedServer | undefined;
  network.onConnect = (peer) => { server = new ScriptedServer(peer); };
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  const workbench = new Workbench(client, client.open("text", content));
  client.start();
  await settle();
  await client.subscriptions.add(neurons);
  await settle();
  return { workbench, server: server as ScriptedServer };
}

describe("caretWords", () => {
  it("tells the token, the neuron in focus, and others that are strong", async () => {
    const { workbench, server } = await opened(["L0N1", "L0N2", "L0N3"], "one two\n");
    expect(caretWords(workbench, workbench.text)).toBe("");
    server.tokenize("text");
    workbench.text.caret(2);
    expect(caretWords(workbench, workbench.text)).toBe("two: not computed yet");
    server.compute("text");
    const { activations } = workbench.document;
    activations.write("L0N1", 2, [-0.5]);
    activations.write("L0N2", 2, [3]);
    activations.write("L0N3", 2, [0.1]);
    workbench.rows.setRange("L0N2", { min: null, max: 4 });
    workbench.rows.setRange("L0N3", { min: null, max: 4 });
    expect(caretWords(workbench, workbench.text)).toBe("two: L0N1 \u22120.500. Also L0N2 3.000");
    workbench.rows.hide("L0N2", true);
    expect(caretWords(workbench, workbench.text)).toBe("two: L0N1 \u22120.500");
    workbench.text.caret(3);
    expect(caretWords(workbench, workbench.text)).toMatch(/^line break: L0N1 /);
    workbench.text.caret(0);
    expect(caretWords(workbench, workbench.text)).toMatch(/^<bos>: L0N1 /);
  });
});
