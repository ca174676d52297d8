/**
 * Writes, from the server's OpenRPC document, `src/wire.ts`, the protocol's messages as TypeScript types, and `src/shapes.ts`,
 * the table by which the client checks what a server sends.
 *
 *     python -m ws_server.protocol.openrpc | npm run generate -- -      # from standard input, which is kept as openrpc.json
 *     npm run generate                                                 # from openrpc.json
 *     npm run generate -- --check                                      # exit 1 when one of them is stale
 */
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";
import { shapesModule } from "./shapes.mjs";

const root = new URL("../", import.meta.url);
const documentFile = new URL("openrpc.json", root);

/** Property titles would become aliases of their own (`Uri1`, `Uri2`, ...): only definitions have names worth keeping. */
function withoutTitles(schema) {
  if (Array.isArray(schema)) return schema.map(withoutTitles);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([name, value]) => !(name === "title" && typeof value === "string"))
      .map(([name, value]) => [name, withoutTitles(value)]),
  );
}

const typeName = (schema) => schema?.$ref?.split("/").at(-1) ?? "unknown";

/** An interface that maps method names to their types. */
function methodTable(name, comment, methods, type) {
  const rows = methods.map((method) => `  ${JSON.stringify(method.name)}: ${type(method)};`);
  return `/** ${comment} */\nexport interface ${name} {\n${rows.join("\n")}\n}\n`;
}

async function generate(document) {
  const definitions = Object.fromEntries(
    Object.entries(document.components.schemas).map(([name, schema]) => [name, { ...withoutTitles(schema), title: name }]),
  );
  const schema = JSON.parse(JSON.stringify({ title: "Definitions", type: "object", definitions })
    .replaceAll("#/components/schemas/", "#/definitions/"));
  const types = await compile(schema, "Definitions", {
    bannerComment: "", additionalProperties: false, unreachableDefinitions: true, style: { printWidth: 120 }, ignoreMinAndMaxItems: true,
  });
  const { methods } = document;
  const fromClient = methods.filter((method) => method["x-sender"] === "client");
  const params = (method) => typeName(method["x-params"]);
  return [
    `// The messages of protocol version 1. Generated from openrpc.json by scripts/generate-wire.mjs; do not edit.\n`,
    types
      .replace(/export interface Definitions \{\s*\}\n/, "")
      .replace(/\/\*\*\n \* This interface was referenced by `Definitions`'s JSON-Schema\n \* via the `definition` .*\n \*\/\n/g, "")
      .replace(/ \*\n \* This interface was referenced by `Definitions`'s JSON-Schema\n \* via the `definition` .*\n/g, "")
      .trim() + "\n",
    methodTable("Requests", "Requests of the client.", fromClient.filter((method) => method.result),
      (method) => `{ params: ${params(method)}; result: ${typeName(method.result.schema)} }`),
    methodTable("ClientNotifications", "Notifications of the client.", fromClient.filter((method) => !method.result), params),
    methodTable("ServerNotifications", "Notifications of the server.",
      methods.filter((method) => method["x-sender"] === "server"), params),
  ].join("\n");
}

const options = process.argv.slice(2);
const source = options.includes("-") ? readFileSync(0, "utf8") : readFileSync(documentFile, "utf8");
const document = JSON.parse(source);
const generated = { "src/wire.ts": await generate(document), "src/shapes.ts": shapesModule(document) };
if (options.includes("--check")) {
  const stale = [
    ...Object.entries(generated).flatMap(([name, text]) => (readFileSync(new URL(name, root), "utf8") === text ? [] : [name])),
    ...(JSON.stringify(JSON.parse(readFileSync(documentFile, "utf8"))) === JSON.stringify(document) ? [] : ["openrpc.json"]),
  ];
  if (stale.length > 0) {
    console.error(`${stale.join(" and ")} no longer match the server's messages. Run from the project's root:\n`
      + "  python -m ws_server.protocol.openrpc | npm --prefix web_client run generate -- -");
    process.exit(1);
  }
} else {
  for (const [name, text] of Object.entries(generated)) writeFileSync(new URL(name, root), text);
  if (options.includes("-")) writeFileSync(documentFile, source);
}
