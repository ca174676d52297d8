/** Commands of the page as a whole, and the keys that its parts handle themselves. */
import { type Command, DEFAULT_TOP, type Shortcut, type Theme, THEMES, type Workbench } from "../workbench";

const THEME_TITLES: Record<Theme, string> = { system: "Same as the system", light: "Light", dark: "Dark" };

export function pageCommands(workbench: Workbench): Command[] {
  const { discovery, notices, view } = workbench;
  const atCaret = (add: () => Promise<unknown>): Pick<Command, "enabled" | "run"> => ({
    enabled: () => workbench.client.ready && discovery.token !== null,
    run: () => { void notices.tellFailure(add()); },
  });
  return [
    { id: "palette.open", title: "Find a command", group: "View", keys: "Mod-k", run: () => { view.toggle("palette"); } },
    { id: "help.open", title: "All shortcuts", group: "View", keys: "?", alsoKeys: "F1", run: () => { view.toggle("help"); } },
    {
      id: "side.discover", title: "Discover neurons", group: "View", keys: "Mod-.",
      checked: () => view.state.side === "discover",
      run: () => { view.set({ side: view.state.side === "discover" ? "neurons" : "discover" }); },
    },
    { id: "text.find", title: "Find in the text", group: "Text", keys: "Mod-f", run: () => { workbench.text.find(); } },
    { id: "neurons.add-next", title: "Add the next strongest neuron at the caret", group: "Neurons", keys: "Alt-Enter", ...atCaret(() => discovery.addNext()) },
    { id: "neurons.add-top", title: `Add the ${DEFAULT_TOP} strongest neurons at the caret`, group: "Neurons", ...atCaret(() => discovery.addTop(DEFAULT_TOP)) },
    ...THEMES.map((theme): Command => ({
      id: `theme.${theme}`, title: THEME_TITLES[theme], group: "Theme",
      checked: () => view.state.theme === theme,
      run: () => { view.set({ theme }); },
    })),
  ];
}

/** Keys of the editor and the lists while they have the focus. */
export const shortcuts: readonly Shortcut[] = [
  { group: "Text", keys: "Mod-z", title: "Undo" },
  { group: "Text", keys: "Mod-Shift-z", title: "Redo" },
  { group: "Text", keys: "Alt-ArrowUp", title: "Move the line up" },
  { group: "Text", keys: "Alt-ArrowDown", title: "Move the line down" },
  { group: "Text", keys: "Mod-Alt-ArrowUp", title: "Add a caret above" },
  { group: "Text", keys: "Mod-Alt-ArrowDown", title: "Add a caret below" },
  { group: "Text", keys: "Mod-d", title: "Select the next occurrence" },
  { group: "Text", keys: "Escape", title: "Back to one caret; close the search" },
  { group: "Text", keys: "Tab", title: "Go to the neurons (inserts no tab)" },
  { group: "Text", keys: "Shift-Tab", title: "Back to the bar above the text" },
  { group: "In the heatmap", keys: "ArrowRight", title: "Next token; likewise other arrows, Home, End and Page keys; further with Ctrl" },
  { group: "In the heatmap", keys: "Enter", title: "Colour the text by the neuron, and go to the token" },
  { group: "In the heatmap", keys: "+", title: "Zoom in (or Ctrl and the wheel)" },
  { group: "In the heatmap", keys: "-", title: "Zoom out" },
  { group: "In the heatmap", keys: "0", title: "Show everything" },
  { group: "In the list of neurons", keys: "Enter", title: "Colour the text by the neuron; add it" },
];
