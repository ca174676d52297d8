import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../src/client";
import { decodeParams, decodeResult } from "../../src/client/decode";
import { shapes } from "../../src/shapes";

const neuron = {
  key: "L0N1", layer: 0, neuron: 1, hook: "blocks.0.mlp.hook_post",
  statistics: { max: 1, min: -1, mean: 0.1, std: 0.2, density: 0.3, quantiles: { "0.99": 0.5 } },
};
const token = { id: 5, text: "a", from: 0, to: 1 };
const tokens = { uri: "a", version: -3, start: 0, deleteCount: 0, tokens: [token, { ...token, special: null, later: [] }], shift: -2, tokenCount: 2 };
const update = { uri: "a", version: 1, start: 0, count: 2, neurons: ["L0N1"], values: [[1, null]] };

/** A copy of `value` in which `path` leads to `member`. */
function put(value: unknown, path: readonly (string | number)[], member: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return member;
  if (Array.isArray(value)) return value.map((item, i) => (i === first ? put(item, rest, member) : item as unknown));
  return { ...(value as object), [first]: put((value as Record<string, unknown>)[first], rest, member) };
}

describe("a message", () => {
  it("may leave out what is optional, or be null there, and have members that nobody knows", () => {
    expect(decodeParams("document/tokens", tokens)).toBe(tokens);
    expect(decodeResult("neurons/subscribe", { neurons: [neuron, { ...neuron, statistics: null }] })).toBeTruthy();
    expect(decodeParams("$/progress", { token: 3, value: { kind: "end", percentage: null } })).toBeTruthy();
    expect(decodeParams("$/progress", { token: "a", value: { kind: "report", percentage: 1.5 } })).toBeTruthy();
    expect(decodeParams("activations/update", { ...update, values: { dtype: "float32", shape: [1, 2], data: "" } })).toBeTruthy();
    expect(decodeResult("rpc.discover", { anything: 1 })).toBeTruthy();
  });

  it.each([
    [["version"], "1", "version is not a whole number"],
    [["start"], -1, "start is not a whole number, 0 or more"],
    [["tokens"], {}, "tokens is not a list"],
    [["tokens", 1], [], "tokens[1] is not an object"],
    [["tokens", 1, "text"], null, "tokens[1].text is not a string"],
    [["tokens", 0, "special"], 1, "tokens[0].special is not true or false"],
    [[], "a", "the message is not an object"],
  ])("of tokens whose %j is %j says so", (path, member, message) => {
    expect(() => decodeParams("document/tokens", put(tokens, path, member))).toThrow(DecodeError);
    expect(() => decodeParams("document/tokens", put(tokens, path, member))).toThrow(message);
  });

  it.each([
    [["neurons", 0, "statistics", "max"], "x", "neurons[0].statistics.max is not a number"],
    [["neurons", 0, "statistics", "quantiles", "0.99"], "x", "neurons[0].statistics.quantiles[0] is not a number"],
    [["neurons", 0, "statistics", "quantiles"], [], "neurons[0].statistics.quantiles is not an object"],
    [["neurons", 0, "statistics"], undefined, "neurons[0].statistics is not"],
    [["neurons", 0], null, "neurons[0] is not an object"],
  ])("of neurons whose %j is %j says so", (path, member, message) => {
    expect(() => decodeResult("neurons/subscribe", put({ neurons: [neuron] }, path, member))).toThrow(message);
  });

  it.each([
    [3, "values is not"],
    [{ dtype: "float16", shape: [1, 2], data: "" }, "values.dtype is not one of float32"],
    [{ dtype: "float32", shape: [1, -2], data: "" }, "values.shape[1] is not a whole number, 0 or more"],
  ])("of values that are %j says so", (values, message) => {
    expect(() => decodeParams("activations/update", { ...update, values })).toThrow(message);
  });

  it("is checked by a table in which every required member of the OpenRPC document stands, but for those not relied on", () => {
    const source = readFileSync(new URL("../../src/shapes.ts", import.meta.url), "utf8");
    const names = [...source.matchAll(/\/\* \d+ (\w+) \*\//g)].map((found) => found[1] as string);
    const { components } = JSON.parse(readFileSync(new URL("../../openrpc.json", import.meta.url), "utf8")) as {
      components: { schemas: Record<string, { required?: string[] }> };
    };
    const missing = names.flatMap((name, i) => {
      const there = (shapes[i] as string).split(" ").filter((group) => !group.includes("?:")).flatMap((group) => group.split(":")[1]?.split(",") ?? []);
      return (components.schemas[name]?.required ?? []).filter((member) => !there.includes(member)).map((member) => `${name}.${member}`);
    });
    expect(names).toHaveLength(shapes.length);
    expect(missing).toEqual(["sessions", "documents", "documentTokens", "subscriptions", "messagesPerSecond"].map((limit) => `LimitsInfo.${limit}`));
  });
});
