/**
 * What the server's messages look like, as a table that the client checks them by (`src/client/decode.ts`): one line a shape,
 *
 *     "i:id s:text n:from,to b?:special,segment"
 *
 * names of members by their type, which has a `?` where they may be left out. A type is one of `TYPES` below, `=a,b` for one
 * of these words, the number of another shape, a list (`TYPE[]`), an object of such members (`TYPE{}`), or one of two
 * (`TYPE|TYPE`). It is this terse because every page loads it.
 */

/** s text, b true or false, f a number, i a whole number, n a whole number from 0 on, z null, o any object, a any list. */
const TYPES = { string: "s", boolean: "b", number: "f", integer: "n", null: "z" };

/** Whole numbers that may be negative. */
const SIGNED = new Set(["version", "previousVersion", "shift", "id", "code"]);

/** Where the client relies on more or on less than the document says. */
const EXCEPTIONS = {
  "InitializeResult.protocolVersion": "v", // that of this client
  "LimitsInfo": ["frameBytes", "documentCharacters"], // the limits that it heeds
  "ActivationsUpdate.values": "a|Base64Values", // the rows are checked where they are decoded
  "ErrorNotification.data": null, // read as what it is
  "ProgressValue.percentage": "f",
};

/** The type of a value. */
function typeOf(schema, name, path) {
  if (schema.$ref !== undefined) return schema.$ref.split("/").at(-1);
  if (schema.enum !== undefined || typeof schema.const === "string") return `=${(schema.enum ?? [schema.const]).join()}`;
  // Null goes first: the last alternative is the one that is missed.
  if (schema.anyOf !== undefined) return schema.anyOf.map((one) => typeOf(one, name, path)).sort((one) => (one === "z" ? -1 : 0)).join("|");
  if (schema.type === "array") {
    const item = typeOf(schema.items, name, path);
    if (item.includes("|")) throw new Error(`${path} is a list of alternatives, for which there is no sign`);
    return `${item}[]`;
  }
  if (schema.type === "object") return typeof schema.additionalProperties === "object" ? `${typeOf(schema.additionalProperties, name, path)}{}` : "o";
  if (schema.type === "integer" && SIGNED.has(name)) return "i";
  const type = TYPES[schema.type];
  if (type === undefined) throw new Error(`${path} is ${JSON.stringify(schema)}, for which there is no sign`);
  return type;
}

/** The module `src/shapes.ts`, from the OpenRPC document. */
export function shapesModule({ components: { schemas }, methods }) {
  const shapes = [];
  const numbers = new Map();

  /** The type that refers to a shape, which is put into the table. */
  const numberOf = (name) => {
    if (numbers.has(name)) return numbers.get(name);
    const { properties = {}, required = [] } = schemas[name];
    const byType = new Map();
    for (const [member, schema] of Object.entries(properties)) {
      const path = `${name}.${member}`;
      const type = (path in EXCEPTIONS ? EXCEPTIONS[path] : typeOf(schema, member, path))?.replace(/[A-Z]\w+/, numberOf);
      if (type === undefined || EXCEPTIONS[name]?.includes(member) === false) continue;
      const key = `${type}${required.includes(member) ? "" : "?"}`;
      byType.set(key, [...(byType.get(key) ?? []), member]);
    }
    numbers.set(name, byType.size === 0 ? "o" : `${shapes.length}`);
    if (byType.size > 0) shapes.push({ name, text: [...byType].map(([type, members]) => `${type}:${members.join()}`).join(" ") });
    return numbers.get(name);
  };

  const typed = (schema) => (schema.$ref === undefined ? "o" : numberOf(schema.$ref.split("/").at(-1)));
  const rows = (entries) => entries.map(([name, type]) => `  ${JSON.stringify(name)}: ${JSON.stringify(type)},\n`).join("");
  const results = rows(methods.filter((method) => method["x-sender"] === "client" && method.result)
    .map((method) => [method.name, typed(method.result.schema)]));
  const notifications = rows(methods.filter((method) => method["x-sender"] === "server").map((method) => [method.name, typed(method["x-params"])]));
  return `// Shapes of the server's messages. Generated from openrpc.json by scripts/generate-wire.mjs; do not edit.
import type { Requests, ServerNotifications } from "./wire";

/** Members of each shape, as \`scripts/shapes.mjs\` explains them. */
export const shapes: readonly string[] = [
${shapes.map(({ name, text }, i) => `  /* ${i} ${name} */ ${JSON.stringify(text)},\n`).join("")}];

/** The type of each request's result. */
export const results: Readonly<Record<keyof Requests, string>> = {
${results}};

/** The type of the params of each notification of the server. */
export const notifications: Readonly<Record<keyof ServerNotifications, string>> = {
${notifications}};
`;
}
