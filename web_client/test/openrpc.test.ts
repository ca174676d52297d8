/** The OpenRPC document that the server generates is one: it is valid against OpenRPC's own meta-schema. */
import { readFileSync } from "node:fs";
import * as jsonSchemaPackage from "@json-schema-tools/meta-schema";
import * as openrpcPackage from "@open-rpc/meta-schema";
import Ajv from "ajv";
import { describe, expect, it } from "vitest";

const document = JSON.parse(readFileSync(new URL("../openrpc.json", import.meta.url), "utf8")) as { methods: object[] };

// What these packages export is not what their types say.
const { jsonSchema } = jsonSchemaPackage as unknown as { jsonSchema: object };
const { openrpcDocument } = openrpcPackage as unknown as { openrpcDocument: object };

// Both meta-schemas are of draft 7 but for the name that they give it, which no validator knows.
const ajv = new Ajv({ strict: false, validateFormats: false });
const known = (schema: object): object => ({ ...schema, $schema: "http://json-schema.org/draft-07/schema#" });
ajv.addSchema(known(jsonSchema));
ajv.addSchema({ ...known(jsonSchema), $id: "https://meta.json-schema.tools" }); // it is referred to in both ways
const validate = ajv.compile(known(openrpcDocument));

describe("the OpenRPC document", () => {
  it("is valid", () => {
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each([
    ["no methods", { ...document, methods: undefined }],
    ["a method without a name", { ...document, methods: [{ params: [] }] }],
    ["a param without a schema", { ...document, methods: [{ name: "a", params: [{ name: "b" }] }] }],
  ])("would not be with %s", (_, spoiled) => {
    expect(validate(JSON.parse(JSON.stringify(spoiled)))).toBe(false);
  });
});
