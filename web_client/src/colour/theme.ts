/** Which theme an element is seen in, for what is drawn on a canvas. */
import type { Theme } from "./palette";

/** Whether the system asks for dark colours; tells of changes. */
export const systemDark = matchMedia("(prefers-color-scheme: dark)");

export function themeOf(element: Element): Theme {
  const { colorScheme } = getComputedStyle(element);
  if (colorScheme === "dark" || colorScheme === "light") return colorScheme;
  return systemDark.matches ? "dark" : "light";
}
