/** Connection states in words. */
import { type ConnectionState, RefusedError } from "../client";

export function connectionText(state: ConnectionState): string {
  switch (state.kind) {
    case "closed": return "Closed";
    case "connecting": return state.attempt <= 1 ? "Connecting" : "Reconnecting";
    case "initializing": return "Model is loading";
    case "ready": return "Connected";
    case "waiting": return state.cause instanceof RefusedError ? state.cause.message : "No connection, trying again";
  }
}
