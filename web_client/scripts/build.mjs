/**
 * Builds the page, the element `<neuro-scope>` and the view of the notebook widget into `../ws_server/static`, or into $NEUROSCOPE_STATIC_DIR.
 *
 *     npm run build                 for use
 *     npm run build -- --debug      readable, with a source map
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));
const debug = process.argv.includes("--debug");
const output = process.env.NEUROSCOPE_STATIC_DIR || fileURLToPath(new URL("../../ws_server/static", import.meta.url));

mkdirSync(output, { recursive: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { page: "src/app/main.ts", "neuro-scope": "src/embed/main.ts", notebook: "src/notebook/main.ts" },
  outdir: output,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: !debug,
  sourcemap: debug ? "linked" : false,
  legalComments: "none", // the licences go beside it as a whole
  metafile: true,
  logLevel: "warning",
});
cpSync(`${root}/public`, output, { recursive: true });
writeFileSync(`${output}/licences.txt`, licences(Object.keys(metafile.inputs)));
for (const name of ["page.js", "neuro-scope.js", "notebook.js"]) {
  const script = readFileSync(`${output}/${name}`);
  console.log(`${name}: ${script.length} bytes, ${gzipSync(script, { level: 9 }).length} gzipped`);
}

/** The licence texts of the packages that went into the bundle, which their terms ask to be passed on. */
function licences(inputs) {
  const packages = new Set(inputs.flatMap((input) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []));
  return [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${root}/${folder}/package.json`, "utf8"));
    const file = readdirSync(`${root}/${folder}`).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? "" : readFileSync(`${root}/${folder}/${file}`, "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}
