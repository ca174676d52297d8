/** Commands that open and close parts of the page, and change their display. */
import type { Command, RowSort, Workbench } from "../workbench";

export function compareCommands(workbench: Workbench): Command[] {
  const { view } = workbench;
  const open = (): boolean => workbench.comparison !== null;
  return [
    { id: "compare.toggle", title: "Compare with another text, or stop comparing", group: "Compare", keys: "Shift-F8", run: () => { view.toggle("compare"); } },
    { id: "compare.copy", title: "Copy the left text to the right", group: "Compare", enabled: open, run: () => { workbench.copyText(); } },
    { id: "compare.swap", title: "Swap the two texts", group: "Compare", enabled: open, run: () => { workbench.swapTexts(); } },
    {
      id: "compare.colours", title: "Colour the right text by its values, or by the difference", group: "Compare", enabled: open,
      run: () => { view.set({ compareColours: view.state.compareColours === "difference" ? "values" : "difference" }); },
    },
  ];
}

export function heatmapCommands({ view }: Workbench): Command[] {
  const open = (): boolean => view.state.heatmap;
  const sort = (heatmapSort: RowSort, title: string): Command => ({
    id: `heatmap.sort-${heatmapSort}`, title, group: "Heatmap", run: () => { view.set({ heatmap: true, heatmapSort }); },
  });
  return [
    { id: "heatmap.toggle", title: "Show or hide the heatmap", group: "Heatmap", keys: "F8", run: () => { view.toggle("heatmap"); } },
    sort("order", "Heatmap rows as listed"),
    sort("max", "Heatmap rows by maximum"),
    sort("similarity", "Heatmap rows by similarity"),
    {
      id: "heatmap.scale", title: "Heatmap on one scale, or one for each row", group: "Heatmap", enabled: open,
      run: () => { view.set({ heatmapCommonScale: !view.state.heatmapCommonScale }); },
    },
  ];
}
