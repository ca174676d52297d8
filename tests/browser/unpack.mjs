// Unpacks the browser of the npm package @sparticuz/chromium, with its libraries and fonts, into TMPDIR.
// The package unpacks into the temporary directory of its process and nowhere else.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";

const archives = new URL("../bin/", import.meta.resolve("@sparticuz/chromium"));
await Promise.all(readdirSync(archives).map((name) => inflate(fileURLToPath(new URL(name, archives)))));
