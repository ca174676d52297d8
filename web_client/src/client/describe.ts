/** Connection states in words. */
import type { ConnectionState } from "./client";
import { DisconnectedError, RefusedError } from "./errors";
import { SILENT } from "./rpc";

export function connectionText(state: ConnectionState): string {
  switch (state.kind) {
    case "closed": return "Closed";
    case "connecting": return state.cause === null ? "Connecting" : "Reconnecting";
    case "initializing": return "Model is loading";
    case "ready": return "Connected";
    case "waiting": return state.cause instanceof RefusedError ? state.cause.message : "No connection, trying again";
  }
}

/** Why there is no connection and what to do, in a sentence or two; null if there is nothing to report. */
export function connectionHelp(state: ConnectionState): string | null {
  if ((state.kind !== "waiting" && state.kind !== "connecting") || state.cause === null || state.cause instanceof RefusedError) return null;
  const { cause } = state;
  if (!(cause instanceof DisconnectedError)) {
    return "The server does not answer. Is it running, on this address? What you type is kept and sent when it is back.";
  }
  const said = cause.reason === "" ? "" : ` (${cause.reason})`;
  switch (cause.code) {
    case SILENT: return "The server has stopped answering. What you type is kept and sent when it is back.";
    case 1001: return "The server was stopped. What you type is kept and sent when it is back.";
    case 1008: return `The server ended the connection${said}.`;
    case 1009: return "The server ended the connection: a message was too large. Shorten the text.";
    case 1011: return "The server ran into an error; its log has the details. What you type is kept.";
    default: return `The connection was lost${said}. What you type is kept and sent when it is back.`;
  }
}
