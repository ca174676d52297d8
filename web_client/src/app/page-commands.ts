/** Commands of the page as a whole, and the keys that its parts see to by themselves. */
import { type Command, DEFAULT_TOP, type Shortcut, type Theme, THEMES, type Workbench } from "../workbench";

const THEME_TITLES: Record<Theme, string> = { system: "As the system", light: "Light", dark: "Dark" };

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

/** What the editor and the lists do with keys while they have the keyboard. */
export const shortcuts: readonly Shortcut[] = [
  { group: "Text", keys: "Mod-z", title: "Undo" },
  { group: "Text", keys: "Mod-Shift-z", title: "Redo" },
  { group: "Text", keys: "Alt-ArrowUp", title: "Move the line up" },
  { group: "Text", keys: "Alt-ArrowDown", title: "Move the line down" },
  { group: "Text", keys: "Mod-Alt-ArrowUp", title: "Another caret above" },
  { group: "Text", keys: "Mod-Alt-ArrowDown", title: "Another caret below" },
  { group: "Text", keys: "Mod-d", title: "Select the next that is alike" },
  { group: "Text", keys: "Escape", title: "One caret again; close the search" },
  { group: "Text", keys: "Tab", title: "On to the neurons: in the text it types nothing" },
  { group: "Text", keys: "Shift-Tab", title: "Back to the line over the text" },
  { group: "In the heatmap", keys: "ArrowRight", title: "The next token; other arrow keys, Home, End and Page keys likewise, with Ctrl further" },
  { group: "In the heatmap", keys: "Enter", title: "Colour the text by the neuron, and go to the token" },
  { group: "In the heatmap", keys: "+", title: "Larger; as the wheel with Ctrl" },
  { group: "In the heatmap", keys: "-", title: "Smaller" },
  { group: "In the heatmap", keys: "0", title: "Everything" },
  { group: "In the list of neurons", keys: "Enter", title: "Colour the text by it; add it" },
];
