/**
 * The page as plain data: everything that a link reproduces.
 *
 * Absent members are what a page has by itself. How it travels (address, storage) is not known here.
 */
import type { TypedRange } from "../colour/scale";
import type { ViewState } from "./view";
import type { Workbench } from "./workbench";

export interface NeuronState {
  readonly key: string;
  readonly hue?: number;
  readonly pinned?: true;
  readonly hidden?: true;
  readonly range?: TypedRange;
}

export interface PageState {
  readonly model?: string;
  readonly text: string;
  readonly neurons: readonly NeuronState[];
  readonly focus?: string;
  readonly view?: Partial<Omit<ViewState, "palette" | "help">>;
}

/** What the page shows now. */
export function stateOf({ client, document, rows, view }: Workbench): PageState {
  const { side, heatmap } = view.state;
  return {
    ...(client.model === null ? {} : { model: client.model.id }),
    text: document.text,
    // Those that this model lacks belong to the page too: another may have them.
    neurons: client.subscriptions.wanted.map((key) => {
      const row = rows.get(key);
      const range = rows.range(key);
      return {
        key,
        ...(row === null ? {} : { hue: row.hue }),
        ...(row?.pinned === true ? { pinned: true as const } : {}),
        ...(row?.hidden === true ? { hidden: true as const } : {}),
        ...(range.min === null && range.max === null ? {} : { range }),
      };
    }),
    ...(rows.focus === null ? {} : { focus: rows.focus }),
    view: { side, heatmap },
  };
}

/** Make the page show a state. The text is put in by whoever owns the editor; see `Workbench.replaceText`. */
export function restore(workbench: Workbench, state: PageState): void {
  const { client, rows, view } = workbench;
  if (state.text !== workbench.document.text) workbench.replaceText(state.text);
  for (const { key, hue, pinned = false, hidden = false, range } of state.neurons) {
    rows.dress(key, { pinned, hidden, ...(hue === undefined ? {} : { hue }) });
    if (range !== undefined) rows.setRange(key, range);
  }
  const keys = state.neurons.map(({ key }) => key);
  client.subscriptions.remove(client.subscriptions.wanted.filter((key) => !keys.includes(key)));
  client.subscriptions.add(keys).catch(() => undefined); // refusals appear as notices
  rows.sort(keys.filter((key) => rows.keys.includes(key)));
  if (state.focus !== undefined) rows.setFocus(state.focus);
  if (state.view !== undefined) view.set(state.view);
  if (state.model !== undefined && client.model !== null && state.model !== client.model.id) void workbench.loadModel(state.model);
}
