/** The frames in `tests/golden/`, which the Python tests read too: what the server sends is what this client expects. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeParams, decodeResult } from "../src/client/decode";
import { decodeValues } from "../src/client/encoding";
import { notifications } from "../src/shapes";
import type { ActivationsUpdate, Requests, ServerNotifications } from "../src/wire";

interface Frame {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}
interface Golden {
  readonly name: string;
  readonly direction: "client" | "server";
  readonly frame: Frame;
}

const folder = fileURLToPath(new URL("../../tests/golden/", import.meta.url));
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort();
const frames = files.flatMap((file) => {
  const content = JSON.parse(readFileSync(folder + file, "utf8")) as Golden | Golden[];
  const list = Array.isArray(content) ? content : [content];
  return list.map((golden, i) => ({
    ...golden,
    title: `${file}: ${golden.name}`,
    /** Method of the newest request before it that has the same id. */
    asked: list.slice(0, i).findLast(({ direction, frame }) => direction === "client" && frame.id === golden.frame.id)
      ?.frame.method,
  }));
});
const fromServer = frames.filter(({ direction }) => direction === "server");
const document = JSON.parse(readFileSync(new URL("../openrpc.json", import.meta.url), "utf8")) as {
  methods: { name: string }[];
};

describe("golden frames", () => {
  it("are there, for every notification of the server", () => {
    const methods = new Set(fromServer.map(({ frame }) => frame.method));
    expect(Object.keys(notifications).filter((method) => !methods.has(method))).toEqual([]);
  });

  it.each(fromServer.filter(({ frame }) => frame.method !== undefined))("$title", ({ frame }) => {
    expect(decodeParams(frame.method as keyof ServerNotifications, frame.params)).toBe(frame.params);
    if (frame.method === "activations/update") {
      const update = frame.params as ActivationsUpdate;
      expect(decodeValues(update).map(({ length }) => length)).toEqual(update.neurons.map(() => update.count));
    }
  });

  it.each(fromServer.filter(({ frame, asked }) => frame.result !== undefined && asked !== undefined))(
    "$title",
    ({ frame, asked }) => {
      expect(decodeResult(asked as keyof Requests, frame.result)).toBe(frame.result);
    },
  );

  it("name methods that the OpenRPC document has", () => {
    const known = new Set([...document.methods.map(({ name }) => name), "neurons/subscribeAll"]); // the one that is refused
    expect(
      frames.flatMap(({ frame }) => (frame.method === undefined || known.has(frame.method) ? [] : [frame.method])),
    ).toEqual([]);
  });
});
