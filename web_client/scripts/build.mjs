/**
 * Builds the page into `../ws_server/static`, or into $NEUROSCOPE_STATIC_DIR.
 *
 *     npm run build                 for use
 *     npm run build -- --debug      readable, with a source map
 */
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));
const debug = process.argv.includes("--debug");
const output = process.env.NEUROSCOPE_STATIC_DIR || fileURLToPath(new URL("../../ws_server/static", import.meta.url));

mkdirSync(output, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: { page: "src/app/main.ts" },
  outdir: output,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !debug,
  sourcemap: debug ? "linked" : false,
  legalComments: "linked",
  logLevel: "warning",
});
cpSync(`${root}/public`, output, { recursive: true });
const script = readFileSync(`${output}/page.js`);
console.log(`page.js: ${script.length} bytes, ${gzipSync(script, { level: 9 }).length} gzipped`);
