/** The options of the extension, and what it offers in return. */
import type { NeuroscopeClient, NeuroscopeDocument, RequestOptions, ServerOptions } from "../client";
import type { Scale } from "../colour/scale";

/** Values at which a neuron's colours are strongest: `min` is at most 0, `max` at least 0; absent ones are automatic.
 * */
export type Ranges = Readonly<Record<string, { readonly min?: number; readonly max?: number }>>;

export interface NeuroscopeOptions extends ServerOptions {
  /** Address of the server's page or of its websocket. */
  readonly url: string | URL;
  /** As `["L2N99", "L1N748"]` or `"L2N99, L3N40-48"`. The first colours the text, the others are stripes under it. */
  readonly neurons: string | readonly string[];
  /** Id of one of the server's models. Default: the server's. */
  readonly model?: string;
  /**
   * Source of the colours' bounds: the neurons' statistics over held-out text (the default; without statistics, the
   * largest value seen), the largest value in the current text, or numbers for each neuron.
   */
  readonly ranges?: "statistics" | "text" | Ranges;
  /** Whether neurons other than the one in focus are drawn as stripes. Default: true. */
  readonly stripes?: boolean;
  /** Whether a line under the text shows problems. Default: true. */
  readonly status?: boolean;
}

export interface SessionEvents {
  /** The connection, the neurons, their values, the focus or the problem may have changed. */
  change: undefined;
}

/** The result of `neuroscopeOf(view)`. */
export interface EditorSession {
  readonly client: NeuroscopeClient;
  /** The editor's text, with its tokens and activations. Make edits in the editor, not here. */
  readonly document: NeuroscopeDocument;
  /** Keys of the neurons that the model has, in order. */
  readonly neurons: readonly string[];
  /** Key of the neuron that colours the text. */
  readonly focus: string | null;
  setFocus(key: string): void;
  /** Values at which a neuron's colours are strongest. */
  scale(key: string): Scale;
  /** What is wrong, in words; null if nothing is. */
  readonly problem: string | null;
  /** Resolves when all values of the current text have come; see `NeuroscopeClient.settled`. */
  settled(options?: RequestOptions): Promise<void>;
  on(name: "change", listener: () => void, options?: { readonly signal?: AbortSignal }): () => void;
}
