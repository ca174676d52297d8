/** Where the time of an edit went, from the key to the colours on the screen. */
import type { Done } from "../client";

/** In the order in which they come. */
export const LATENCY_PARTS = ["network", "queue", "tokens", "model", "server", "paint"] as const;
export type LatencyPart = (typeof LATENCY_PARTS)[number];

export interface Latency {
  /** Version of the text. */
  readonly version: number;
  readonly totalMs: number;
  readonly parts: Readonly<Record<LatencyPart, number>>;
  readonly computedTokens: number;
  readonly reusedTokens: number;
}

/**
 * The latency of an answered edit: the server's own figures, the rest of the round trip (the network), and `paintMs`,
 * from the last answer to the frame that shows it. Null if it was not an edit of ours.
 */
export function latencyOf({ version, roundTripMs, computedTokens, reusedTokens, timing }: Done, paintMs: number): Latency | null {
  if (roundTripMs === null) return null;
  const { queueMs, tokenizeMs, forwardMs } = timing;
  const known = queueMs + tokenizeMs + forwardMs;
  const serverMs = Math.max(timing.totalMs, known);
  return {
    version, computedTokens, reusedTokens,
    totalMs: Math.max(roundTripMs, serverMs) + paintMs,
    parts: {
      network: Math.max(0, roundTripMs - serverMs), queue: queueMs, tokens: tokenizeMs, model: forwardMs,
      server: serverMs - known, paint: paintMs,
    },
  };
}
