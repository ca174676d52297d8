/**
 * The page as plain data: everything that a link reproduces.
 *
 * Absent members are a page's defaults. Knows nothing about addresses and storage.
 */
import { HUES } from "../colour/palette";
import { automatic, isAutomatic, type TypedRange } from "../colour/scale";
import { type SharedView, sharedView } from "./view";
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
  /** The text that it is compared with, if any. */
  readonly compare?: string;
  readonly neurons: readonly NeuronState[];
  readonly focus?: string;
  readonly view?: Partial<SharedView>;
}

/** What the page shows now. */
export function stateOf({ client, comparison, document, rows, view }: Workbench): PageState {
  // Neurons that this model lacks are included: another model may have them.
  const { wanted } = client.subscriptions;
  const bare = wanted.map((key): NeuronState => {
    const look = rows.look(key);
    const range = rows.range(key);
    return {
      key,
      ...(look?.pinned === true ? { pinned: true } : {}),
      ...(look?.hidden === true ? { hidden: true } : {}),
      ...(isAutomatic(range) ? {} : { range }),
    };
  });
  const hues = wanted.map((key) => rows.look(key)?.hue);
  const asByItself = withHues(bare).every(({ hue }, i) => hue === hues[i]);
  return {
    ...(client.model === null ? {} : { model: client.model.id }),
    text: document.text,
    ...(comparison === null ? {} : { compare: comparison.right.document.text }),
    neurons: asByItself ? bare : bare.map((neuron, i) => ({ ...neuron, ...(hues[i] === undefined ? {} : { hue: hues[i] }) })),
    ...(rows.focus === null ? {} : { focus: rows.focus }),
    view: sharedView((name) => view.state[name]),
  };
}

/**
 * Make the page show a state; absent members stay as they are. Resolves when its model is loaded, or has failed to
 * load.
 *
 * The model comes before its neurons. The text is set by an edit, so that it can be undone.
 */
export async function restore(workbench: Workbench, state: Partial<PageState>): Promise<void> {
  const { client, rows, view } = workbench;
  if (state.text !== undefined && state.text !== workbench.document.text) workbench.replaceText(state.text);
  if (state.compare !== undefined) workbench.compareWith(state.compare);
  if (state.view !== undefined) view.set(state.view);
  if (state.model !== undefined && client.model !== null && state.model !== client.model.id) await workbench.loadModel(state.model);
  if (state.neurons !== undefined) {
    for (const { key, hue, pinned = false, hidden = false, range = automatic } of withHues(state.neurons)) {
      rows.dress(key, { hue, pinned, hidden });
      rows.setRange(key, range);
    }
    client.subscriptions.reset(state.neurons.map(({ key }) => key), client.model);
    rows.sort(rows.keys);
  }
  if (state.focus !== undefined) rows.setFocus(state.focus);
}

/** Each neuron with a hue: its own, or else the first of the least used. */
function withHues(neurons: readonly NeuronState[]): (NeuronState & { readonly hue: number })[] {
  const uses = new Array<number>(HUES).fill(0);
  for (const { hue } of neurons) if (hue !== undefined) uses[hue] = (uses[hue] ?? 0) + 1;
  return neurons.map((neuron) => {
    if (neuron.hue !== undefined) return { ...neuron, hue: neuron.hue };
    const hue = uses.indexOf(Math.min(...uses));
    uses[hue] = (uses[hue] ?? 0) + 1;
    return { ...neuron, hue };
  });
}
