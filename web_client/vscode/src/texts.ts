/** The texts that are seen, on one server: opened when a view of them appears, closed with their last view. */
import { type NeuroscopeClient, type NeuroscopeDocument, wellFormed } from "../../src/client";
import type { TextChange, TextEditor } from "./host";
import { follow } from "./mirror";

export class Texts {
  readonly #client: NeuroscopeClient;
  readonly #changed: (document: NeuroscopeDocument) => void;
  readonly #documents = new Map<string, NeuroscopeDocument>();
  #views: readonly TextEditor[] = [];

  /** `changed` is called when there is something new to show of a document. */
  constructor(client: NeuroscopeClient, changed: (document: NeuroscopeDocument) => void) {
    this.#client = client;
    this.#changed = changed;
  }

  /** The views that are followed. */
  get views(): readonly TextEditor[] { return this.#views; }

  get documents(): readonly NeuroscopeDocument[] { return [...this.#documents.values()]; }

  of(uri: string | undefined): NeuroscopeDocument | null {
    return uri === undefined ? null : this.#documents.get(uri) ?? null;
  }

  /** Follow these views and no others; returns those that are followed no longer. */
  show(views: readonly TextEditor[]): TextEditor[] {
    const gone = this.#views.filter((view) => !views.includes(view));
    this.#views = views;
    const uris = new Set(views.map(({ uri }) => uri));
    for (const [uri, document] of this.#documents) {
      if (uris.has(uri)) continue;
      this.#documents.delete(uri);
      this.#client.closeDocument(document).catch(() => undefined); // gone with the connection
    }
    for (const view of views) if (!this.#documents.has(view.uri)) this.#documents.set(view.uri, this.#open(view));
    return gone;
  }

  edited(uri: string, changes: readonly TextChange[]): void {
    const document = this.of(uri);
    const view = this.#views.find((one) => one.uri === uri);
    if (document !== null && view !== undefined) follow(document, view, changes);
  }

  #open(view: TextEditor): NeuroscopeDocument {
    const document = this.#client.open(view.uri, wellFormed(view.text));
    for (const event of ["change", "tokens", "values", "done", "problem"] as const) document.on(event, () => { this.#changed(document); });
    return document;
  }
}
