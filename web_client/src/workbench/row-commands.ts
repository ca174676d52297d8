/** What can be done with the rows, as commands: for the palette, the help and the keyboard. */
import type { Command } from "./commands";
import type { Workbench } from "./workbench";

/** Where the rows have keys of their own; its heading in the help. */
export const LIST = "In the list of neurons";

const inList = (keys: string): NonNullable<Command["local"]> => ({ keys, group: LIST });

/** Add them; returns what takes them away again. */
export function addRowCommands(workbench: Workbench): () => void {
  const { rows, view } = workbench;
  const group = "Neurons";
  const focused = (): boolean => rows.focus !== null;
  /** A command about the row in focus. */
  const forFocus = (id: string, title: string, run: (key: string) => void, more: Partial<Command> = {}): Command => ({
    id: `rows.${id}`, title, group, enabled: focused, run: () => { if (rows.focus !== null) run(rows.focus); }, ...more,
  });
  const several = (): boolean => rows.keys.length > 1;
  const row = (): ReturnType<typeof rows.get> => (rows.focus === null ? null : rows.get(rows.focus));

  return workbench.commands.add(
    { id: "rows.next", title: "Colour the text by the next neuron of the list", group, keys: "Alt-PageDown", local: inList("ArrowDown"), enabled: several, run: () => { rows.moveFocus(1); } },
    { id: "rows.previous", title: "Colour the text by the previous neuron of the list", group, keys: "Alt-PageUp", local: inList("ArrowUp"), enabled: several, run: () => { rows.moveFocus(-1); } },
    forFocus("neuron.next", "Step to the next neuron of the layer", (key) => { rows.step(key, { neurons: 1 }); }, { keys: "Alt-Shift-PageDown", local: inList("ArrowRight") }),
    forFocus("neuron.previous", "Step to the previous neuron of the layer", (key) => { rows.step(key, { neurons: -1 }); }, { keys: "Alt-Shift-PageUp", local: inList("ArrowLeft") }),
    forFocus("layer.next", "Step to the same number in the next layer", (key) => { rows.step(key, { layers: 1 }); }, { local: inList("Shift-ArrowRight") }),
    forFocus("layer.previous", "Step to the same number in the previous layer", (key) => { rows.step(key, { layers: -1 }); }, { local: inList("Shift-ArrowLeft") }),
    forFocus("toMax", "Go to the neuron's strongest token", (key) => { workbench.revealExtreme(key, "max"); }, { local: inList("m") }),
    forFocus("toMin", "Go to the neuron's lowest token", (key) => { workbench.revealExtreme(key, "min"); }, { local: inList("n") }),
    forFocus("pin", "Pin the neuron to the top, or let it go", (key) => { rows.pin(key, row()?.pinned === false); }, { local: inList("p") }),
    forFocus("hide", "Hide the neuron in the text, or show it", (key) => { rows.hide(key, row()?.hidden === false); }, { local: inList("h") }),
    { id: "rows.showAll", title: "Show all hidden neurons", group, enabled: () => rows.list.some(({ hidden }) => hidden), run: () => { for (const { key } of rows.list) rows.hide(key, false); } },
    forFocus("remove", "Remove the neuron", (key) => { rows.remove(key); }, { local: inList("Delete") }),
    { id: "rows.undoRemove", title: "Bring back what was removed last", group, local: inList("Mod-z"), enabled: () => rows.removed.length > 0, run: () => { rows.undoRemove(); } },
    forFocus("up", "Move the row up", (key) => { rows.move(key, rows.keys.indexOf(key) - 1); }, { local: inList("Alt-ArrowUp") }),
    forFocus("down", "Move the row down", (key) => { rows.move(key, rows.keys.indexOf(key) + 1); }, { local: inList("Alt-ArrowDown") }),
    { id: "rows.sort.max", title: "Sort rows by their strongest value", group, enabled: several, run: () => { rows.sort(byMax(workbench)); } },
    { id: "rows.sort.name", title: "Sort rows by layer and number", group, enabled: several, run: () => { rows.sort(byName(rows.keys)); } },
    { id: "rows.sort.added", title: "Sort rows as they were added", group, enabled: several, run: () => { rows.sort(rows.byAge); } },
    forFocus("range.statistics", "Colour range from the neuron's statistics", (key) => { rows.setRange(key, { min: null, max: null }); }),
    forFocus("range.text", "Colour range from this text", (key) => { rows.setRange(key, { min: null, max: null, text: true }); }),
    { id: "stripes.toggle", title: "Show or hide the stripes of the other neurons", group: "View", keys: "Alt-Shift-s", run: () => { view.toggle("stripes"); } },
  );
}

/** Keys by their largest value on this text, the largest first; those with none last. */
function byMax({ rows, document }: Workbench): string[] {
  const max = (key: string): number => document.activations.extent(key)?.max ?? -Infinity;
  return [...rows.keys].sort((a, b) => (max(b) > max(a) ? 1 : max(b) < max(a) ? -1 : 0));
}

/** Keys by layer, then number. */
function byName(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
