/** The theme of an element, for drawing on a canvas. */
import type { Theme } from "./palette";

type Preference = Pick<MediaQueryList, "matches" | "addEventListener" | "removeEventListener">;

const nothing = (): void => undefined;

/** Whether the system asks for dark colours; reports changes. Modules are also loaded without a browser. */
export const systemDark: Preference = "matchMedia" in globalThis
  ? matchMedia("(prefers-color-scheme: dark)") : { matches: false, addEventListener: nothing, removeEventListener: nothing };

export function themeOf(element: Element): Theme {
  const { colorScheme } = getComputedStyle(element);
  if (colorScheme === "dark" || colorScheme === "light") return colorScheme;
  return systemDark.matches ? "dark" : "light";
}
