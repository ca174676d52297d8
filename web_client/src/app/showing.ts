/** Makes the page show a given state, and describes the state that it shows. */
import type { ModelSummary } from "../wire";
import type { NeuroscopeClient } from "../client";
import { restore, stateOf, usualView, type Workbench } from "../workbench";
import { decodePlain, encodePlain, type LinkState } from "./link";
import { type Opening, someNeurons } from "./opening";

export class Showing {
  readonly #workbench: Workbench;
  readonly #opening: Opening;
  /** The requested model, until it is loaded. */
  #coming: string | null = null;
  /** No neurons were given: they are chosen when the model is known. */
  #undecided = false;
  #between = 0;

  constructor(workbench: Workbench, opening: Opening) {
    this.#workbench = workbench;
    this.#opening = opening;
  }

  /** The page as `encodePlain` writes it; null while it changes from one state to another. */
  describe(): string | null {
    if (this.#between > 0) return null;
    const { neurons, ...state } = stateOf(this.#workbench);
    return encodePlain({ ...state, ...(this.#coming === null ? {} : { model: this.#coming }), ...(this.#undecided ? {} : { neurons }) });
  }

  /**
   * Open the page with a state; the server's sample supplies absent members. Everything that needs no model is shown at
   * once, the rest when the model is known. Resolves when all is shown.
   */
  async open({ model, ...rest }: LinkState): Promise<void> {
    const workbench = this.#workbench;
    const { client } = workbench;
    this.#coming = model ?? null;
    // With neither neurons nor model, the neurons are the sample's; with another model they would be wrong.
    const neurons = rest.neurons ?? (model === undefined ? this.#opened() : null);
    this.#undecided = neurons === null;
    await restore(workbench, { ...rest, ...(neurons === null ? {} : { neurons }) });
    await known(client);
    const id = this.#find(model);
    if (id !== null && id !== client.model?.id) {
      await workbench.loadModel(id);
      if (rest.focus !== undefined) workbench.rows.setFocus(rest.focus); // the first model may have lacked it
    }
    this.#coming = null;
    if (this.#undecided && client.subscriptions.wanted.length === 0) await this.#choose();
    this.#undecided = false;
  }

  /** Show a state; absent members stay as they are. */
  async show({ model, ...rest }: LinkState): Promise<void> {
    const id = this.#find(model);
    this.#between++;
    try {
      await restore(this.#workbench, { ...rest, ...(id === null ? {} : { model: id }) });
    } finally {
      this.#between--;
    }
  }

  /** Show another state, with a notice that offers the way back. */
  async replace(by: () => Promise<void>, notice: string): Promise<void> {
    const before = this.describe();
    await by();
    if (before === null || before === this.describe()) return;
    this.#workbench.notices.notify(notice, { action: { title: "Undo", run: () => void this.show(decodePlain(before)) } });
  }

  /** Show the page as it opens with neither link nor stored state. */
  async startOver(): Promise<void> {
    const model = this.#workbench.client.models.find((one) => one.default)?.id;
    await this.show({ ...(model === undefined ? {} : { model }), text: this.#opening.text, view: usualView });
    await this.#choose();
  }

  /** The server's id of a model; null, with a notice, if it does not have it. */
  #find(wanted: string | undefined): string | null {
    const { client, notices } = this.#workbench;
    if (wanted === undefined) return null;
    const found = findModel(client.models, wanted);
    if (found === null) {
      const shown = client.models.find(({ id }) => id === client.model?.id)?.title ?? client.model?.id ?? "none";
      notices.notify(`The page was made with the model ${wanted.slice(0, 100)}, which this server does not have. It is shown with ${shown}.`);
    }
    return found?.id ?? null;
  }

  /** Add the neurons of the server's sample if they belong to this model, otherwise some others. */
  async #choose(): Promise<void> {
    const { client } = this.#workbench;
    if (client.model === null) return;
    const isDefault = client.models.find(({ id }) => id === client.model?.id)?.default === true;
    const neurons = (isDefault ? this.#opened() : null) ?? rowsOf(someNeurons(client.model));
    await restore(this.#workbench, { neurons, ...(neurons[0] === undefined ? {} : { focus: neurons[0].key }) });
  }

  #opened(): NonNullable<LinkState["neurons"]> | null {
    return this.#opening.neurons === null ? null : rowsOf(this.#opening.neurons);
  }
}

function rowsOf(keys: readonly string[]): NonNullable<LinkState["neurons"]> {
  return keys.map((key) => ({ key }));
}

/** Resolves when the session has a model. */
async function known(client: NeuroscopeClient): Promise<void> {
  if (client.model !== null) return;
  await new Promise<void>((resolve) => {
    const stop = client.on("model", (model) => {
      if (model === null) return;
      stop();
      resolve();
    });
  });
}

/** The model with that name, or else the only one that matches without organisation or revision. */
export function findModel(models: readonly ModelSummary[], wanted: string): ModelSummary | null {
  const exact = models.find(({ id }) => id === wanted);
  if (exact !== undefined) return exact;
  const like = models.filter(({ id }) => {
    const [one, other] = [parts(id), parts(wanted)];
    return one.name === other.name && agree(one.organisation, other.organisation) && agree(one.revision, other.revision);
  });
  return like.length === 1 ? like[0] ?? null : null;
}

function agree(one: string | undefined, other: string | undefined): boolean {
  return one === undefined || other === undefined || one === other;
}

/** `Organisation/name@revision`, in lower case. */
function parts(id: string): { organisation: string | undefined; name: string; revision: string | undefined } {
  const [path = "", revision] = id.split("@", 2);
  const names = path.toLowerCase().split("/");
  return { name: names.at(-1) ?? "", organisation: names.at(-2), revision };
}
