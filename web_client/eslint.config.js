import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

const BESIDE_VSCODE = ["**/exports/**", "**/panels/**", "**/codemirror/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"];

export default tseslint.config(
  { ignores: ["**/node_modules", "**/dist", "src/wire.ts"] },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./test/tsconfig.json", "./vscode/tsconfig.json"], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // Numbers in messages are what they look like.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // `as T` says that an index is in range, where `!` would say the same with less.
      "@typescript-eslint/non-nullable-type-assertion-style": "off",
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly" } },
  },
  // The rooms import one way: wire - client - analysis - colour - editor - workbench - exports - panels - app and embed;
  // codemirror stands beside exports, notebook above embed.
  rooms("src/analysis/**", ["**/client/**", "**/colour/**", "**/editor/**", "**/workbench/**", "**/codemirror/**", "**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"]),
  rooms("src/client/**", ["**/analysis/**", "**/colour/**", "**/editor/**", "**/workbench/**", "**/codemirror/**", "**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"]),
  rooms("src/colour/**", ["**/client/**", "**/editor/**", "**/workbench/**", "**/codemirror/**", "**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"]),
  rooms("src/workbench/**", ["**/codemirror/**", "**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"]),
  rooms("src/codemirror/**", ["**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**"]),
  // The extension for Visual Studio Code stands beside codemirror, and knows the editor by its seam alone, but for two files.
  rooms("vscode/src/**", [...BESIDE_VSCODE, "vscode"]),
  rooms("vscode/src/{extension,vscode-host}.ts", BESIDE_VSCODE),
  rooms("src/exports/**", ["**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**", "@codemirror/**"]),
  rooms("src/editor/**", ["**/workbench/**", "**/codemirror/**", "**/exports/**", "**/panels/**", "**/app/**", "**/embed/**", "**/notebook/**", "lit", "lit/**"]),
);

function rooms(files, group) {
  return {
    files: [files],
    rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: [{ group, message: "This room stands below that one." }] }] },
  };
}
