/**
 * The client library: everything a frontend needs and nothing of a page or an editor.
 *
 *     const client = new NeuroscopeClient({ connect: webSocket("ws://127.0.0.1:8765/ws") });
 *     const document = client.open("note", "Hello");
 *     document.on("done", () => console.log(document.activations.values("L3N42")));
 *     void client.subscriptions.add(["L3N42"]);
 *     client.start();
 *     document.change([{ from: 5, to: 5, insert: " world" }]);
 */
export { ActivationTable, type Extent, Freshness } from "./activations";
export { applyChanges, type ChangeSet, mapOffset, mapSpans, normalize } from "./changes";
export { type ClientEvents, type ClientOptions, type ConnectionState, NeuroscopeClient } from "./client";
export { type Clock, ManualClock, systemClock, type Timer } from "./clock";
export { type DocumentEvents, type DocumentLink, type Done, NeuroscopeDocument } from "./document";
export * from "./errors";
export { FakeNetwork, FakePeer, type Message } from "./fake";
export { MOST_AT_ONCE, neuronKey, neuronName, type NeuronRef, neuronRef, parseNeuron, parseNeurons, type TypedNeurons } from "./neuron";
export { type SubscribedNeuron, Subscriptions, type SubscriptionEvents } from "./subscriptions";
export { type TokenInfo, TokenList } from "./tokens";
export {
  type CloseReason, type Connector, type Transport, type TransportListener, webSocket, type WebSocketConstructor, type WebSocketLike,
} from "./transport";
export type * from "../wire";
