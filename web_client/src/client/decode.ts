/**
 * Checks that an incoming message has the shape that the protocol gives it, by the table in `shapes.ts`.
 *
 * Checks only the members that the client relies on and ignores unknown ones, so that a newer server may add some. A
 * message of another shape throws DecodeError, which names the member.
 */
import { notifications, results, shapes } from "../shapes";
import type { Requests, ServerNotifications } from "../wire";
import { DecodeError } from "./errors";

/** What is wrong with a value: where, as the end of a path, and what is expected there. */
type Wrong = readonly [path: string, expected: string];
type Check = (value: unknown) => Wrong | null;

const simple = (expected: string, holds: (value: unknown) => boolean): Check => {
  const wrong: Wrong = ["", expected];
  return (value) => (holds(value) ? null : wrong);
};
const isType = (type: string) => (value: unknown): boolean => typeof value === type;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The check of each type that `scripts/shapes.mjs` knows by a letter, and of those that were needed so far. */
const checks: Record<string, Check> = {
  s: simple("a string", isType("string")),
  b: simple("true or false", isType("boolean")),
  f: simple("a number", isType("number")),
  i: simple("a whole number", Number.isSafeInteger),
  n: simple("a whole number, 0 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 0),
  v: simple("1, the protocol version that this client speaks", (value) => value === 1),
  z: simple("null", (value) => value === null),
  a: simple("a list", Array.isArray),
  o: simple("an object", isObject),
};

function checkOf(type: string): Check {
  return checks[type] ??= compile(type);
}

function compile(type: string): Check {
  const [one = "", other] = type.split("|");
  if (other !== undefined) {
    const [first, second] = [checkOf(one), checkOf(other)];
    return (value) => first(value) && second(value);
  }
  if (/[\]}]$/.test(type)) return all(type.endsWith("]") ? "a" : "o", type.slice(0, -2));
  const words: unknown[] = type.slice(1).split(",");
  return type.startsWith("=") ? simple(`one of ${words.join(", ")}`, (value) => words.includes(value)) : shape(shapes[Number(type)] as string);
}

/** A list, or an object, whose members are all of one type. */
function all(whole: string, type: string): Check {
  const [checkWhole, check] = [checkOf(whole), checkOf(type)];
  return (value) => {
    const members = Array.isArray(value) ? value : Object.values(value ?? {});
    let wrong = checkWhole(value);
    for (let i = 0; i < members.length && wrong === null; i++) {
      const one = check(members[i]);
      if (one !== null) wrong = [`[${i}]${one[0]}`, one[1]];
    }
    return wrong;
  };
}

function shape(text: string): Check {
  const members = text.split(" ").flatMap((group) => {
    const [type, names] = group.split(":") as [string, string];
    const optional = type.endsWith("?");
    const check = checkOf(type.replace("?", ""));
    return names.split(",").map((name) => ({ name, optional, check }));
  });
  return (value) => {
    if (!isObject(value)) return checkOf("o")(value);
    for (const { name, optional, check } of members) {
      const member = value[name];
      if (optional && (member ?? null) === null) continue; // some servers send null for absent members
      const wrong = check(member);
      if (wrong !== null) return [`.${name}${wrong[0]}`, wrong[1]];
    }
    return null;
  };
}

function decoded(type: string, value: unknown): unknown {
  const wrong = checkOf(type)(value);
  if (wrong !== null) throw new DecodeError(wrong[0].replace(/^\./, ""), wrong[1]);
  return value;
}

/** The result of a request. */
export function decodeResult<M extends keyof Requests>(method: M, result: unknown): Requests[M]["result"] {
  return decoded(results[method], result);
}

/** The params of a notification of the server. */
export function decodeParams<M extends keyof ServerNotifications>(method: M, params: unknown): ServerNotifications[M] {
  return decoded(notifications[method], params) as ServerNotifications[M];
}
