/** The connection of one editor to its server, with the neurons and model of its options, and its problems. No editor
 * here. */
import {
  connectionHelp, connectionText, NeuroscopeClient, type NeuroscopeDocument, parseNeurons, type RequestOptions, serverAt, wellFormed,
} from "../client";
import { Emitter } from "../client/emitter";
import { automatic, type Scale, type TypedRange } from "../colour/scale";
import { Passage, Rows, scaleIn } from "../workbench";
import type { EditorSession, NeuroscopeOptions, Ranges, SessionEvents } from "./api";

/** The document's name on the server. */
const URI = "codemirror";

export class EditorConnection extends Emitter<SessionEvents> implements EditorSession {
  readonly client: NeuroscopeClient;
  readonly document: NeuroscopeDocument;
  readonly source: Passage;
  readonly #rows: Rows;
  #options: NeuroscopeOptions;
  #neurons = "";
  /** Problems of the options and of single neurons. */
  #misread: string | null = null;
  #unloadable: string | null = null;
  #loading: { readonly model: string; readonly abort: AbortController } | null = null;
  readonly #refused = new Map<string, string>();

  /** Throws TypeError for an invalid URL. */
  constructor(options: NeuroscopeOptions, text: string) {
    super();
    this.#options = options;
    this.client = new NeuroscopeClient({ connect: serverAt(options.url, options), name: "neuroscope-codemirror" });
    this.document = this.client.open(URI, wellFormed(text));
    this.#rows = new Rows(this.client);
    this.source = new Passage(this.document, this.client, this.#rows, {
      scale: (key) => this.scale(key), stripes: () => this.#options.stripes ?? true,
    });
    const changed = (): void => { this.emit("change", undefined); };
    this.source.on("change", changed);
    this.client.subscriptions.on("absent", changed);
    this.client.subscriptions.on("refused", ({ key, error }) => {
      this.#refused.set(key, error.message);
      changed();
    });
    this.client.on("model", () => { this.#loadModel(); });
    this.configure(options);
    this.client.start();
  }

  get neurons(): readonly string[] { return this.#rows.keys; }
  get focus(): string | null { return this.#rows.focus; }
  setFocus(key: string): void { this.#rows.setFocus(key); }

  scale(key: string): Scale {
    return scaleIn(this.client.subscriptions, [this.document], key, this.#rows.range(key));
  }

  settled(options: RequestOptions = {}): Promise<void> {
    return this.client.settled(this.document, options);
  }

  get problem(): string | null {
    const { state, subscriptions: { absent } } = this.client;
    if (state.kind === "waiting" || (state.kind === "connecting" && state.cause !== null)) return connectionHelp(state) ?? connectionText(state);
    if (state.kind === "initializing" && state.progress !== null) {
      const { title, percentage } = state.progress;
      return `${title ?? connectionText(state)}${percentage === undefined ? "" : ` (${Math.round(percentage)} %)`}`;
    }
    const problems = [
      ...(this.document.problem === null ? [] : [this.document.problem.message]),
      ...(this.#misread === null ? [] : [this.#misread]),
      ...(this.#unloadable === null ? [] : [this.#unloadable]),
      ...[...this.#refused].map(([key, words]) => `${key}: ${words}`),
      ...(absent.length === 0 ? [] : [`The model has no ${absent.join(", ")}.`]),
    ];
    return problems.length === 0 ? null : problems.join(" ");
  }

  /** Apply other options with the same server. */
  configure(options: NeuroscopeOptions): void {
    this.#options = options;
    const typed = typeof options.neurons === "string" ? options.neurons : options.neurons.join(", ");
    const { keys, problem } = parseNeurons(typed);
    for (const key of keys) this.#rows.setRange(key, rangeOf(options.ranges, key));
    if (typed !== this.#neurons) {
      this.#neurons = typed;
      this.#misread = problem;
      this.#refused.clear();
      this.client.subscriptions.reset(keys, this.client.model);
      this.#rows.setFocus(keys[0] ?? "");
    }
    this.#loadModel();
    this.source.redraw();
  }

  close(): void {
    this.client.close();
  }

  /** Load the model of the options; cancel loading another one. */
  #loadModel(): void {
    const { model, models } = this.client;
    const wanted = this.#options.model ?? models.find((summary) => summary.default)?.id;
    if (model === null || wanted === undefined || wanted === (this.#loading?.model ?? model.id)) return;
    this.#loading?.abort.abort();
    this.#unloadable = null;
    const loading = { model: wanted, abort: new AbortController() };
    this.#loading = loading;
    this.client.loadModel(wanted, { signal: loading.abort.signal }).catch((error: unknown) => {
      // A cancelled load is not a problem, and after a lost connection the next one loads it again.
      if (!loading.abort.signal.aborted && this.client.ready) this.#unloadable = `${wanted} could not be loaded: ${(error as Error).message}`;
    }).finally(() => {
      if (this.#loading === loading) this.#loading = null;
      this.emit("change", undefined);
    });
  }
}

function rangeOf(ranges: "statistics" | "text" | Ranges = "statistics", key: string): TypedRange {
  if (ranges === "statistics") return automatic;
  if (ranges === "text") return { ...automatic, text: true };
  return { min: ranges[key]?.min ?? null, max: ranges[key]?.max ?? null };
}
