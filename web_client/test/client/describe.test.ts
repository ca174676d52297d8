import { describe, expect, it } from "vitest";
import { connectionHelp, connectionText, DisconnectedError, RefusedError } from "../../src/client";

const waiting = (cause: Error) => ({ kind: "waiting", retryMs: 100, cause }) as const;

describe("a lost connection", () => {
  it("is explained with its reason and what happens to the text", () => {
    expect(connectionHelp(waiting(new Error("no connection to ws://a")))).toMatch(/does not answer.*is kept/);
    expect(connectionHelp(waiting(new DisconnectedError(1001, "the server is shutting down")))).toMatch(/was stopped/);
    expect(connectionHelp(waiting(new DisconnectedError(1006, "")))).toBe(
      "The connection was lost. What you type is kept and sent when it is back.");
    expect(connectionHelp(waiting(new DisconnectedError(1008, "too many messages")))).toBe(
      "The server ended the connection (too many messages).");
    expect(connectionHelp(waiting(new DisconnectedError(1009, "")))).toMatch(/Shorten/);
    expect(connectionHelp(waiting(new DisconnectedError(1011, "internal error")))).toMatch(/log/);
  });

  it("is explained in the server's own words if there are any", () => {
    const state = waiting(new RefusedError(403, "Pages of this origin may not connect."));
    expect([connectionText(state), connectionHelp(state)]).toEqual(["Pages of this origin may not connect.", null]);
  });

  it("is nothing to speak of while there is none", () => {
    expect(connectionHelp({ kind: "ready" })).toBeNull();
  });
});
