/**
 * Builds the extension into `dist/`, or into the folder that is named: all that a .vsix holds.
 *
 *     npm ci --ignore-scripts && npm run package     here, and one level up before that: a .vsix beside this file
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL("./", import.meta.url));
const output = resolve(process.argv[2] ?? join(here, "dist"));

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: ["src/extension.ts"],
  outfile: join(output, "extension.js"),
  bundle: true,
  external: ["vscode", "bufferutil", "utf-8-validate"], // the last two are options of `ws`
  format: "cjs",
  platform: "node",
  target: ["node20"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
const manifest = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
for (const name of ["scripts", "devDependencies", "private"]) delete manifest[name]; // of the folder, not of what is published
manifest.version = JSON.parse(readFileSync(join(here, "../package.json"), "utf8")).version;
manifest.files = ["extension.js", "README.md", "LICENSE", "licences.txt", "icon.png", "icon.svg"];
writeFileSync(join(output, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
cpSync(join(here, "README.md"), join(output, "README.md"));
cpSync(join(here, "../../LICENSE"), join(output, "LICENSE"));
cpSync(join(here, "../node_modules/ws/LICENSE"), join(output, "licences.txt"));
cpSync(join(here, "icon.png"), join(output, "icon.png"));
cpSync(join(here, "icon.svg"), join(output, "icon.svg"));
