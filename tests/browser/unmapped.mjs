// Writes to standard output the page's script, built from the sources with one thing taken out: spans of tokens do not
// move with the text. It is what the tests of that mapping have to fail on.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = new URL("../../web_client/", import.meta.url);
const { build } = createRequire(root)("esbuild");
const MAPPING = "mapSpans(from, to, changes);";

const { outputFiles: [script] } = await build({
  absWorkingDir: fileURLToPath(root),
  entryPoints: ["src/app/main.ts"],
  bundle: true,
  format: "esm",
  target: ["es2022"],
  write: false,
  plugins: [{
    name: "unmapped",
    setup: ({ onLoad }) => onLoad({ filter: /src[/\\]client[/\\]tokens\.ts$/ }, ({ path }) => {
      const pieces = readFileSync(path, "utf8").split(MAPPING);
      if (pieces.length !== 2) throw new Error(`${path} maps spans in another way now: this script has to follow`);
      return { contents: pieces.join(""), loader: "ts" };
    }),
  }],
});
process.stdout.write(script.text);
