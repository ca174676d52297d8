import { expect, it } from "vitest";
import { ManualClock } from "../../src/client/testing";
import { Backoff } from "../../src/client/backoff";

it("waits longer each time, up to a bound, with jitter, and starts over after success", () => {
  const clock = new ManualClock();
  const backoff = new Backoff(clock, { firstMs: 100, maximumMs: 1000 });
  clock.random = () => 1 - Number.EPSILON;
  expect([1, 2, 3, 4, 5, 6].map(() => Math.round(backoff.next()))).toEqual([100, 200, 400, 800, 1000, 1000]);
  clock.random = () => 0;
  expect(backoff.next()).toBe(100);
  backoff.reset();
  expect(backoff.next()).toBe(10);
});
