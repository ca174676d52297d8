import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Latest } from "../../src/workbench/latest";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

interface Asked {
  readonly question: string;
  readonly signal: AbortSignal;
  readonly answer: (answer: string) => Promise<void>;
  readonly refuse: (error: Error) => Promise<void>;
}

function started(patient = false) {
  const asked: Asked[] = [];
  let changes = 0;
  const latest = new Latest<string, string>({
    name: (question) => question, delayMs: 100, patient,
    ask: (question, signal) => new Promise((resolve, reject) => {
      const then = (settle: () => void) => async (): Promise<void> => { settle(); await vi.advanceTimersByTimeAsync(0); };
      asked.push({
        question, signal,
        answer: (answer) => then(() => { resolve(answer); })(),
        refuse: (error) => then(() => { reject(error); })(),
      });
    }),
  });
  latest.on("change", () => { changes += 1; });
  return { latest, asked, changes: () => changes };
}

describe("the latest answer", () => {
  it("is that of the newest question, asked after a moment and once", async () => {
    const { latest, asked } = started();
    latest.want("a");
    vi.advanceTimersByTime(60);
    latest.want("b");
    expect(asked).toEqual([]);
    vi.advanceTimersByTime(40);
    expect(asked.map(({ question }) => question)).toEqual(["b"]); // live: the moment is not put off
    latest.want("b");
    vi.advanceTimersByTime(1000);
    expect(asked).toHaveLength(1);
    expect([latest.answer, latest.current]).toEqual([null, false]);
    await asked[0]?.answer("B");
    expect([latest.answer, latest.current]).toEqual(["B", true]);
  });

  it("drops late answers, and aborts their computation", async () => {
    const { latest, asked, changes } = started();
    latest.want("a");
    vi.advanceTimersByTime(100);
    latest.want("b");
    expect(asked[0]?.signal.aborted).toBe(true);
    await asked[0]?.answer("A");
    expect(latest.answer).toBeNull();
    vi.advanceTimersByTime(100);
    const before = changes();
    await asked[1]?.answer("B");
    expect(changes()).toBe(before + 1);
    latest.want("c");
    expect([latest.answer, latest.current]).toEqual(["B", false]); // shown until there is another
    latest.want("b");
    vi.advanceTimersByTime(1000);
    expect([latest.current, asked.length]).toEqual([true, 2]); // known already
  });

  it("waits for a pause when it is patient", () => {
    const { latest, asked } = started(true);
    for (const question of ["a", "b", "c", "d"]) {
      latest.want(question);
      vi.advanceTimersByTime(60);
    }
    expect(asked).toEqual([]);
    vi.advanceTimersByTime(40);
    expect(asked.map(({ question }) => question)).toEqual(["d"]);
  });

  it("keeps the last answer when there is no further one, and forgets all when told", async () => {
    const { latest, asked } = started();
    latest.want("a");
    vi.advanceTimersByTime(100);
    await asked[0]?.answer("A");
    latest.want("b");
    vi.advanceTimersByTime(100);
    await asked[1]?.refuse(new Error("no"));
    expect([latest.answer, latest.current, latest.problem?.message]).toEqual(["A", false, "no"]);
    latest.want("c");
    expect(latest.problem).toBeNull();
    vi.advanceTimersByTime(100);
    latest.stop();
    expect(asked[2]?.signal.aborted).toBe(true);
    latest.want("d");
    latest.stop();
    vi.advanceTimersByTime(1000);
    expect(asked).toHaveLength(3);
    expect(latest.answer).toBe("A");
    latest.reset();
    expect(latest.answer).toBeNull();
  });
});
