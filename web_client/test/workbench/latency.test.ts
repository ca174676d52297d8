import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LATENCY_PARTS, latencyOf } from "../../src/workbench/latency";

const ms = fc.double({ min: 0, max: 1e5, noNaN: true });

function done(roundTripMs: number | null, queueMs: number, tokenizeMs: number, forwardMs: number, totalMs: number) {
  const timing = { queueMs, tokenizeMs, forwardMs, totalMs };
  return { uri: "text", version: 3, computedTokens: 2, reusedTokens: 40, forwardPasses: 1, timing, roundTripMs };
}

describe("latencyOf", () => {
  it("parts a round trip into what the server tells and the rest", () => {
    expect(latencyOf(done(30, 1, 2, 10, 15), 8)).toEqual({
      version: 3, totalMs: 38, computedTokens: 2, reusedTokens: 40,
      parts: { network: 15, queue: 1, tokens: 2, model: 10, server: 2, paint: 8 },
    });
  });

  it("is of edits only", () => {
    expect(latencyOf(done(null, 1, 2, 10, 15), 8)).toBeNull();
  });

  it("adds up, whatever clocks say", () => {
    fc.assert(fc.property(ms, ms, ms, ms, ms, ms, (trip, queue, tokenize, forward, total, paint) => {
      const latency = latencyOf(done(trip, queue, tokenize, forward, total), paint);
      const parts = LATENCY_PARTS.map((part) => latency?.parts[part] as number);
      expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(latency?.totalMs as number, 4);
    }));
  });
});
