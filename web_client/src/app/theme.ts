/** The page's theme: stored in the browser, and applied to the whole page. */
import { THEMES, type Workbench } from "../workbench";

const STORED = "neuroscope.theme";

/** Apply the stored theme, and apply and store each new choice. */
export function followTheme(workbench: Workbench): void {
  const { view } = workbench;
  let applied: string | null = null;
  const apply = (): void => {
    const { theme } = view.state;
    if (theme === applied) return;
    document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
    if (applied !== null) store(theme);
    applied = theme;
    workbench.redraw(); // canvases do not follow style sheets
  };
  const stored = recall();
  view.set({ theme: THEMES.find((theme) => theme === stored) ?? "system" });
  apply();
  view.on("change", apply);
}

function recall(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function store(theme: string): void {
  try {
    localStorage.setItem(STORED, theme);
  } catch {
    // Storage may be forbidden; the choice then lasts until the page is left.
  }
}
