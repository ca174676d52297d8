/** The commands of the rows: for the palette, the help and the keyboard. */
import type { Command } from "./commands";
import type { Workbench } from "./workbench";

/** Heading of the list's own keys in the help. */
export const LIST = "In the list of neurons";

const group = "Neurons";
const inList = (keys: string): Pick<Command, "local"> => ({ local: { keys, group: LIST } });

export function rowCommands(workbench: Workbench): Command[] {
  const { rows, view } = workbench;
  const several = (): boolean => rows.keys.length > 1;
  /** A command about the row in focus. */
  const focused = (id: string, title: string, run: (key: string) => void, more: Partial<Command> = {}): Command => ({
    id: `rows.${id}`, title, group, enabled: () => rows.focus !== null, run: () => { if (rows.focus !== null) run(rows.focus); }, ...more,
  });
  const focus = (step: number) => (): void => { rows.moveFocus(step); };
  const step = (by: { neurons?: number; layers?: number }) => (key: string): void => { rows.step(key, by); };
  const move = (by: number) => (key: string): void => { rows.move(key, rows.keys.indexOf(key) + by); };
  const sort = (name: string, title: string, order: () => readonly string[]): Command => ({
    id: `rows.sort.${name}`, title: `Sort rows ${title}`, group, enabled: several, run: () => { rows.sort(order()); },
  });
  return [
    { id: "rows.next", title: "Next row", group, keys: "Alt-PageDown", ...inList("ArrowDown"), enabled: several, run: focus(1) },
    { id: "rows.previous", title: "Previous row", group, keys: "Alt-PageUp", ...inList("ArrowUp"), enabled: several, run: focus(-1) },
    focused("neuron.next", "Next neuron in this row", step({ neurons: 1 }), { keys: "Alt-Shift-PageDown", ...inList("ArrowRight") }),
    focused("neuron.previous", "Previous neuron in this row", step({ neurons: -1 }), { keys: "Alt-Shift-PageUp", ...inList("ArrowLeft") }),
    focused("layer.next", "The same neuron of the next layer", step({ layers: 1 }), inList("Shift-ArrowRight")),
    focused("layer.previous", "The same neuron of the previous layer", step({ layers: -1 }), inList("Shift-ArrowLeft")),
    focused("max", "Go to the neuron's strongest token", (key) => { workbench.revealExtreme(key, "max"); }, inList("m")),
    focused("min", "Go to the neuron's lowest token", (key) => { workbench.revealExtreme(key, "min"); }, inList("n")),
    focused("pin", "Pin or unpin", (key) => { rows.pin(key, rows.get(key)?.pinned === false); }, inList("p")),
    focused("hide", "Hide or show in the text", (key) => { rows.hide(key, rows.get(key)?.hidden === false); }, inList("h")),
    {
      id: "rows.showAll", title: "Show all hidden neurons", group, enabled: () => rows.list.some(({ hidden }) => hidden),
      run: () => { for (const { key } of rows.list) rows.hide(key, false); },
    },
    focused("remove", "Remove the row", (key) => { rows.remove(key); }, inList("Delete")),
    {
      id: "rows.undoRemove", title: "Undo the last removal", group, ...inList("Mod-z"),
      enabled: () => rows.removed.length > 0, run: () => { rows.undoRemove(); },
    },
    focused("up", "Move the row up", move(-1), inList("Alt-ArrowUp")),
    focused("down", "Move the row down", move(1), inList("Alt-ArrowDown")),
    sort("max", "by their strongest value", () => byMax(workbench)),
    sort("name", "by layer and number", () => byName(rows.keys)),
    sort("added", "as they were added", () => rows.byAge),
    focused("range.statistics", "Colour range from the neuron's statistics", (key) => { rows.setRange(key, { min: null, max: null }); }),
    focused("range.text", "Colour range from this text", (key) => { rows.setRange(key, { min: null, max: null, text: true }); }),
    {
      id: "stripes.toggle", title: "Stripes of the other neurons", group: "View", keys: "Alt-Shift-s",
      checked: () => view.state.stripes, run: () => { view.toggle("stripes"); },
    },
  ];
}

/** Keys by their largest value on this text, the largest first; those with none last. */
function byMax({ rows, document }: Workbench): string[] {
  const max = new Map(rows.keys.map((key) => [key, document.activations.extent(key)?.max ?? -Infinity]));
  const of = (key: string): number => max.get(key) ?? -Infinity;
  return [...rows.keys].sort((a, b) => (of(a) === of(b) ? 0 : of(b) - of(a)));
}

/** Keys by layer, then number. */
function byName(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
