/**
 * The client library: everything a frontend needs and nothing of a page or an editor.
 *
 *     const client = await connect("http://127.0.0.1:8740/");
 *     await client.subscriptions.add(["L3N42"]);
 *     const document = client.open("note", "Hello");
 *     document.on("done", () => console.log(document.activations.values("L3N42")));
 *     await client.settled(document);
 *     document.change([{ from: 5, to: 5, insert: " world" }]);
 */
export { ActivationTable, type Extent, Freshness } from "./activations";
export { socketAddress } from "./address";
export { applyChanges, type ChangeSet, mapOffset, mapSpans, normalize, wellFormed } from "./changes";
export { type ClientEvents, type ClientOptions, type ConnectionState, NeuroscopeClient } from "./client";
export { type Clock, systemClock, type Timer } from "./clock";
export { connect, type ConnectOptions, serverAt, type ServerOptions } from "./connect";
export { connectionHelp, connectionText } from "./describe";
export { type DocumentEvents, type DocumentLink, type Done, NeuroscopeDocument } from "./document";
export * from "./errors";
export { MOST_AT_ONCE, neuronKey, type NeuronName, neuronName, type NeuronRef, neuronRef, parseNeuron, parseNeurons, type TypedNeurons } from "./neuron";
export type { LivenessOptions } from "./liveness";
export { presence, type Presence } from "./presence";
export { explained } from "./refusal";
export type { RequestOptions } from "./rpc";
export { type SubscribedNeuron, Subscriptions, type SubscriptionEvents } from "./subscriptions";
export { type TokenInfo, TokenList } from "./tokens";
export {
  type CloseReason, type Connector, type Transport, type TransportListener, webSocket, type WebSocketConstructor, type WebSocketLike,
} from "./transport";
export type * from "../wire";
