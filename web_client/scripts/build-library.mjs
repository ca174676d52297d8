/**
 * Builds the npm package `interactive-neuroscope-client` into `dist/`, or into the folder that is named:
 *
 *     npm run build:library [-- FOLDER]
 *     npm publish ./dist
 *
 * Its manifest and README are those in `library/`; its version is that of this package.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));
const output = resolve(process.argv[2] ?? join(root, "dist"));
const entryPoints = { index: "src/client/index.ts", codemirror: "src/codemirror/index.ts", testing: "src/client/testing.ts" };

const manifest = JSON.parse(readFileSync(join(root, "library/package.json"), "utf8"));
manifest.version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;

rmSync(output, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints,
  outdir: output,
  bundle: true,
  splitting: true, // what two entries share is there once: a class is one class
  chunkNames: "chunks/[name]-[hash]",
  external: Object.keys(manifest.peerDependencies),
  format: "esm",
  platform: "neutral",
  target: ["es2022"],
  logLevel: "warning",
});
execFileSync(process.execPath, [
  join(root, "node_modules/typescript/bin/tsc"), ...Object.values(entryPoints).map((entry) => join(root, entry)),
  "--ignoreConfig", "--declaration", "--emitDeclarationOnly", "--rootDir", join(root, "src"), "--outDir", join(output, "types"),
  ...["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable", "--types", "node"],
  ...["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck"],
], { cwd: root, stdio: "inherit" });
keepDeclarations(Object.values(entryPoints).map((entry) => join(output, "types", entry.replace(/^src\/(.*)\.ts$/, "$1.d.ts"))));
writeFileSync(join(output, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
cpSync(join(root, "library/README.md"), join(output, "README.md"));
cpSync(join(root, "../LICENSE"), join(output, "LICENSE"));

/**
 * Keep what these declarations lead to, and no others. Imports get whole file names, as Node's own resolution wants them.
 */
function keepDeclarations(paths) {
  const kept = new Set();
  const keep = (path) => {
    if (kept.has(path)) return;
    kept.add(path);
    const whole = readFileSync(path, "utf8").replace(/(\bfrom\s*|\bimport\()"(\.{1,2}\/[^"]+)"/g, (_, before, specifier) => {
      const name = existsSync(join(dirname(path), `${specifier}.d.ts`)) ? specifier : `${specifier}/index`;
      keep(join(dirname(path), `${name}.d.ts`));
      return `${before}"${name}.js"`;
    });
    writeFileSync(path, whole);
  };
  for (const path of paths) keep(path);
  const all = readdirSync(join(output, "types"), { recursive: true }).map((name) => join(output, "types", name));
  for (const path of all) if (path.endsWith(".d.ts") && !kept.has(path)) rmSync(path);
  for (const path of all.reverse()) if (existsSync(path) && !path.endsWith(".d.ts") && readdirSync(path).length === 0) rmdirSync(path);
}
