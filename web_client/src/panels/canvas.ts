/** What drawings on a canvas share: device pixels, and the theme they are seen in. */
import type { Theme } from "../colour/palette";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** The theme of an element's computed style. */
export function themeOf({ colorScheme }: CSSStyleDeclaration): Theme {
  return colorScheme === "dark" || (colorScheme !== "light" && dark.matches) ? "dark" : "light";
}

/** Call `listener` when the system's theme changes; returns what ends that. */
export function onSystemTheme(listener: () => void): () => void {
  dark.addEventListener("change", listener);
  return () => { dark.removeEventListener("change", listener); };
}

/** Give a canvas as many pixels as its element covers on the device. */
export function fitCanvas(canvas: HTMLCanvasElement): void {
  const width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}
