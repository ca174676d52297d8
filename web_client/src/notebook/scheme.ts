/** Whether a notebook is light or dark. Each kind of notebook marks it differently, but all have a background. */

/** Gives `host` and `others` the colour scheme of the background of `host`; returns a function that stops it. */
export function followScheme(host: HTMLElement, ...others: HTMLElement[]): () => void {
  const follow = (): void => {
    const scheme = isDark(host.parentElement) ? "dark" : "light";
    for (const element of [host, ...others]) element.style.colorScheme = scheme;
  };
  const themes = new MutationObserver(follow);
  for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", follow);
  const sizes = new ResizeObserver(follow); // it is put into the page, or shown again
  sizes.observe(host);
  follow();
  return () => {
    themes.disconnect();
    sizes.disconnect();
    system.removeEventListener("change", follow);
  };
}

function isDark(element: Element | null): boolean {
  for (let at = element; at !== null; at = at.parentElement) {
    const [red = 0, green = 0, blue = 0, opacity = 1] = getComputedStyle(at).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    if (opacity > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }
  // The page has no background of its own: it is the browser's.
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
}
