/** Commands that open and close parts of the page, and change how they show things. */
import type { Command, RowSort, Workbench } from "../workbench";

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
      id: "heatmap.scale", title: "Heatmap on one scale, or each row on its own", group: "Heatmap", enabled: open,
      run: () => { view.set({ heatmapCommonScale: !view.state.heatmapCommonScale }); },
    },
  ];
}
