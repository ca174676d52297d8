// A frontend of somebody else, in strict TypeScript: no DOM types, declarations checked too.
import {
  connect, type ConnectionState, DisconnectedError, type Done, NeuroscopeClient, type NeuronsTopResult, serverAt, type TokenInfo,
} from "interactive-neuroscope-client";
import { FakeNetwork, ManualClock, type Message } from "interactive-neuroscope-client/testing";
import { WebSocket } from "ws";

export async function strongest(url: string, signal: AbortSignal): Promise<readonly string[]> {
  const client: NeuroscopeClient = await connect(url, { WebSocket, signal, token: "a-token", name: "consumer" });
  const stop: () => void = client.on("state", (state: ConnectionState) => {
    if (state.kind === "waiting") console.log(state.retryMs.toFixed(), state.cause.message);
  }, { signal });
  const document = client.open("draft", "text");
  document.on("done", (done: Done) => { console.log(done.roundTripMs?.toFixed(), done.timing.totalMs.toFixed()); });
  await client.subscriptions.add(["L1N5", { layer: 2, neuron: 42 }], 0, { signal });
  await client.settled(document, { signal });
  const first: TokenInfo & { readonly from: number } = document.tokens.at(0);
  const values: Float32Array = document.activations.values("L1N5");
  const top: NeuronsTopResult = await client.top({ uri: document.uri, token: values.length - 1, k: 8 }, { signal });
  stop();
  return [first.text, ...top.neurons.map(({ key }) => key)];
}

export function faked(): Message {
  const network = new FakeNetwork();
  const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
  client.start();
  return network.peer.take("initialize");
}

export const connector = serverAt("http://127.0.0.1:8740/");

/** Types that are lost would let all of this pass. */
export function misuse(client: NeuroscopeClient, error: unknown): void {
  // @ts-expect-error -- there is no such event
  client.on("stat", () => undefined);
  // @ts-expect-error -- offsets are numbers
  client.open("draft", "").change([{ from: "0", to: 0, insert: "" }]);
  // @ts-expect-error -- a code is a number
  if (error instanceof DisconnectedError) error.code.trim();
}
