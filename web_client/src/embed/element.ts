/**
 * `<neuro-scope src neurons model text>`: an editor whose tokens are coloured by neurons, for any page.
 *
 * Every attribute can be changed at any time. Each element has its own session.
 */
import { isolateHistory } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { html, LitElement, nothing, type PropertyDeclarations, type PropertyValues, type TemplateResult } from "lit";
import { connectionText, NeuroscopeClient, parseNeurons, type TokenInfo, webSocket } from "../client";
import type { Scale } from "../colour/scale";
import { neuroscope, plainBreaks } from "../editor";
import { type NeuronState, restore, Workbench } from "../workbench";
import { socketAddress } from "./address";
import { editorBasics } from "./basics";
import { look, neuronButton } from "./look";

const DOCUMENT = "neuroscope:text";

/** What an element shows; the detail of its event `settled`. */
export interface Shown {
  /** All values of the current text have come. */
  readonly settled: boolean;
  readonly text: string;
  /** Spans in UTF-16 units of the text. */
  readonly tokens: readonly (TokenInfo & { readonly from: number; readonly to: number })[];
  /** Keys of the neurons, in order. */
  readonly neurons: readonly string[];
  /** Key of the one that colours the text. */
  readonly focus: string | null;
  /** One number per token, by neuron; NaN if there is none yet. */
  readonly values: Readonly<Record<string, readonly number[]>>;
  /** Values at which a neuron's colours are strongest. */
  readonly scales: Readonly<Record<string, Scale>>;
}

/** One connection to one server, and the editor on it. */
interface Running {
  readonly workbench: Workbench;
  readonly view: EditorView;
  readonly stop: () => void;
}

export class NeuroScope extends LitElement {
  static override properties: PropertyDeclarations = {
    src: {}, neurons: {}, model: {}, text: { noAccessor: true },
  };
  static override styles = look;
  /** Address of the server; see `socketAddress`. */
  declare src: string | null;
  /** As in `L3N42, L1N5-7`; the first colours the text, the others are stripes under it. */
  declare neurons: string | null;
  /** Id of the model; the server's default one without it. */
  declare model: string | null;
  readonly #host = document.createElement("div");
  #text = "";
  #running: Running | null = null;
  #problem: string | null = null;
  #frame: number | null = null;
  #announced = "";

  constructor() {
    super();
    this.src = null;
    this.neurons = null;
    this.model = null;
    this.#host.className = "host";
  }

  /** The current text. Setting it is an edit that can be undone; the attribute does not change. */
  get text(): string {
    return this.#running?.workbench.document.text ?? this.#text;
  }

  set text(text: string | null) {
    this.#text = plainBreaks(text ?? "");
    if (this.#running !== null && this.#running.workbench.document.text !== this.#text) {
      this.#running.workbench.replaceText(this.#text);
    }
  }

  /** What is shown: read it on `settled`, or at any time. */
  get shown(): Shown {
    const workbench = this.#running?.workbench;
    if (workbench === undefined) return { settled: false, text: this.#text, tokens: [], neurons: [], focus: null, values: {}, scales: {} };
    const { rows: { keys, focus }, settled, document: { text, tokens, activations } } = workbench;
    const byNeuron = <T>(of: (key: string) => T): Record<string, T> => Object.fromEntries(keys.map((key) => [key, of(key)]));
    return {
      settled, text, neurons: keys, focus,
      tokens: tokens.infos.map((_, i) => tokens.at(i)),
      values: byNeuron((key) => Array.from(activations.values(key))),
      scales: byNeuron((key) => workbench.scale(key)),
    };
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.#start(); // was elsewhere before
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
  }

  protected override firstUpdated(): void {
    this.#start();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!this.isConnected) return;
    if (changed.has("src") && changed.get("src") !== undefined) this.#start(); // undefined: the first time
    else if (this.#running !== null && (changed.has("neurons") || changed.has("model"))) this.#configure(this.#running.workbench);
  }

  override render(): TemplateResult {
    const workbench = this.#running?.workbench;
    return html`
      <div class="bar">
        ${workbench?.rows.list.map(({ key, hue }) => neuronButton({
          key, hue, focused: key === workbench.rows.focus, value: workbench.cursor === null ? null : workbench.value(key, workbench.cursor),
        }, () => { workbench.rows.setFocus(key); }))}
        ${this.#status()}
      </div>
      ${this.#host}`;
  }

  /** Problems or progress, otherwise the model's name. */
  #status(): TemplateResult {
    const workbench = this.#running?.workbench;
    const state = workbench?.client.state ?? { kind: "closed" as const };
    const { loading } = workbench ?? {};
    const progress = state.kind === "initializing" ? state.progress : loading?.progress;
    const share = progress?.percentage === undefined ? "" : ` (${Math.round(progress.percentage)} %)`;
    const notices = workbench?.notices.list.map(({ title, text }) => (title === undefined ? text : `${title}: ${text}`)) ?? [];
    const said = this.#problem ?? workbench?.document.problem?.message
      ?? (notices.length === 0 ? null : notices.join(" "))
      ?? (loading == null ? null : `${progress?.title ?? `Loading ${loading.model}`}${share}`)
      ?? (state.kind === "ready" ? workbench?.client.model?.id ?? "" : `${connectionText(state)}${share}`);
    return html`<p class="status" role="status" data-testid="status" data-state=${state.kind}>${said}
      ${state.kind === "waiting" ? html`<button class="quiet" @click=${() => { workbench?.client.retryNow(); }}>Try now</button>` : nothing}</p>`;
  }

  /** Connect, or connect again, with the current text. */
  #start(): void {
    this.#stop();
    this.#problem = null;
    this.requestUpdate();
    let address: string;
    try {
      address = socketAddress(this.src, document.baseURI, import.meta.url);
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      return;
    }
    const client = new NeuroscopeClient({ connect: webSocket(address), name: "neuro-scope" });
    const workbench = new Workbench(client, client.open(DOCUMENT, this.#text));
    const view = new EditorView({
      parent: this.#host,
      root: this.renderRoot as ShadowRoot,
      state: EditorState.create({
        doc: this.#text,
        extensions: [
          editorBasics,
          neuroscope(workbench.document, workbench.text),
        ],
      }),
    });
    const stops = [
      workbench.on("change", () => { this.#later(); }),
      workbench.text.on("replace", (text) => {
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, annotations: isolateHistory.of("full") });
      }),
      client.on("model", () => { this.#configure(workbench); }),
    ];
    this.#running = {
      workbench, view,
      stop: () => {
        for (const stop of stops) stop();
        view.destroy();
        client.close();
      },
    };
    this.#configure(workbench);
    client.start();
  }

  #stop(): void {
    if (this.#running === null) return;
    this.#text = this.#running.workbench.document.text;
    this.#running.stop();
    this.#running = null;
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }

  /** Show the neurons and load the model that the attributes name. */
  #configure(workbench: Workbench): void {
    const { keys, problem } = parseNeurons(this.neurons ?? "");
    this.#problem = problem;
    const { client, rows, loading } = workbench;
    const neurons = keys.map((key): NeuronState => {
      const row = rows.get(key);
      return row === null ? { key } : { key, hue: row.hue };
    });
    const [first] = keys;
    void restore(workbench, { neurons, ...(first === undefined ? {} : { focus: first }) });
    const model = this.model ?? client.models.find((summary) => summary.default)?.id;
    if (client.model !== null && model !== undefined && model !== (loading?.model ?? client.model.id)) void workbench.loadModel(model);
    this.#later();
  }

  /** Render in the next frame, and announce when all values have come. */
  #later(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.requestUpdate();
      this.#announce();
    });
  }

  #announce(): void {
    const workbench = this.#running?.workbench;
    if (workbench?.settled !== true) return;
    const now = JSON.stringify([workbench.document.version, workbench.client.model?.id, workbench.rows.keys]);
    if (now === this.#announced) return;
    this.#announced = now;
    this.dispatchEvent(new CustomEvent<Shown>("settled", { detail: this.shown }));
  }
}
