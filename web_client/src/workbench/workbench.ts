/**
 * The page's state: a client, its text, perhaps a second one, the rows of its neurons, which parts are open.
 *
 * Panels read it and call its methods; `change` reports that something changed. One text's state is in its `Passage`,
 * that of two in their `Comparison`; the workbench forwards the methods of the page's own text. No DOM here.
 */
import { originOf, type Scale } from "../colour/scale";
import { type Done, type NeuroscopeClient, type NeuroscopeDocument, type ProgressValue, RequestError } from "../client";
import { Emitter } from "../client/emitter";
import type { TokenRange } from "../editor/source";
import { Commands } from "./commands";
import { Comparison } from "./comparison";
import { Discovery } from "./discovery";
import { Notices } from "./notices";
import { Palette } from "./palette";
import { Passage } from "./passage";
import { Rows } from "./rows";
import { scaleIn } from "./scales";
import { View } from "./view";

/** The second document's name on the server. */
const OTHER = "neuroscope:other";

export interface WorkbenchEvents {
  /** An edit is on the screen with all its values. Not a `change`: nothing else is different. */
  latency: undefined;
  change: undefined;
}

export class Workbench extends Emitter<WorkbenchEvents> {
  readonly rows: Rows;
  readonly view = new View();
  readonly commands = new Commands();
  readonly notices = new Notices();
  readonly text: Passage;
  #comparison: Comparison | null = null;
  #edited: Passage;
  /** The second text, kept while it is not shown for the next comparison. */
  #other: Passage | null = null;
  readonly discovery: Discovery;
  readonly palette = new Palette(this);
  /** The notice that offers to undo the last removal. */
  #undoNotice: number | null = null;
  #absentNotice: { readonly id: number; readonly keys: string } | null = null;
  #loading: { readonly model: string; readonly progress: ProgressValue | null; readonly abort: AbortController } | null = null;

  constructor(readonly client: NeuroscopeClient, document: NeuroscopeDocument) {
    super();
    const changed = (): void => { this.#changed(); };
    this.rows = new Rows(client);
    this.text = this.#passage(document);
    this.#edited = this.text;
    this.discovery = new Discovery(this);
    this.text.on("change", changed); // on changes of rows and of the connection, too
    this.rows.on("point", changed);
    this.rows.on("removed", (keys) => { this.#offerUndo(keys); });
    this.view.on("change", () => {
      const { compare, compareColours } = this.view.state;
      this.#compare(compare);
      this.#comparison?.show(compareColours);
      this.redraw();
    });
    this.notices.on("change", changed);
    client.on("model", () => { this.redraw(); });
    client.on("models", changed);
    client.on("fault", (error) => {
      // The server's messages are for people; anything else goes to the console.
      if (this.passages.some(({ document }) => document.problem?.message === error.message)) return; // shown already
      if (error instanceof RequestError) this.notices.notify(error.message);
      else console.info(`neuroscope: ${error.message}`);
    });
    client.subscriptions.on("refused", ({ key, error }) => {
      if (!this.rows.isAdding(key)) this.notices.notify(`${key}: ${error.message}`);
    });
    client.subscriptions.on("absent", (keys) => { this.#tellAbsent(keys); });
  }

  // ------------------------------------------------------------------ colours

  scale(key: string): Scale {
    return scaleIn(this.client.subscriptions, this.passages.map(({ document }) => document), key, this.rows.range(key));
  }

  /** Where a neuron's scale comes from, in words. */
  origin(key: string): string {
    return originOf(this.client.subscriptions.neuron(key)?.statistics ?? null, this.rows.range(key));
  }

  // ------------------------------------------------------------------ two texts

  /** The comparison; null if there is none. `view.compare` starts and ends it. */
  get comparison(): Comparison | null {
    return this.#comparison;
  }

  /** The page's texts, from left to right. */
  get passages(): readonly Passage[] {
    return this.#comparison === null ? [this.text] : [this.text, this.#comparison.right];
  }

  /** The text that was edited last. */
  get edited(): Passage {
    return this.passages.includes(this.#edited) ? this.#edited : this.text;
  }

  /** Compare the text with another. */
  compareWith(text: string): void {
    this.view.set({ compare: true });
    if (this.#other?.document.text !== text) this.#other?.replaceText(text);
  }

  /** Swap the two texts, by an edit of each, which can be undone. */
  swapTexts(): void {
    if (this.#comparison === null) return;
    const { left, right } = this.#comparison;
    const [one, other] = [left.document.text, right.document.text];
    left.replaceText(other);
    right.replaceText(one);
  }

  /** Replace the right text by the left one. */
  copyText(): void {
    if (this.#comparison !== null) this.#comparison.right.replaceText(this.document.text);
  }

  // ------------------------------------------------------------------ the page's own text

  get document(): NeuroscopeDocument {
    return this.text.document;
  }

  /** Value of a neuron at a token; NaN where there is none. */
  value(key: string, token: number): number {
    return this.text.value(key, token);
  }

  /** The pointer is on this token of the text, or on none. */
  hover(token: number | null): void {
    this.text.hover(token);
  }

  get hovered(): number | null {
    return this.text.hovered;
  }

  /** The token to give values for: the one under the pointer, else the one at the caret. */
  get cursor(): number | null {
    return this.text.cursor;
  }

  /** The token at the caret. */
  get caretToken(): number | null {
    return this.text.caretToken;
  }

  /** The tokens that are selected; null when none is. */
  get selection(): TokenRange | null {
    return this.text.selection;
  }

  /** Bring a token into view, and the caret to its end. */
  reveal(token: number): void {
    this.text.reveal(token);
  }

  /** Colour the text by a neuron, and go to its largest or smallest value there. */
  revealExtreme(key: string, which: "max" | "min"): void {
    this.rows.setFocus(key);
    const extent = this.document.activations.extent(key);
    if (extent !== null) this.reveal(which === "max" ? extent.maxAt : extent.minAt);
  }

  /** Replace the whole text; with an editor, as an edit that can be undone. */
  replaceText(text: string): void {
    this.text.replaceText(text);
  }

  /** The answer is late: what is shown belongs to an older text. */
  get late(): boolean {
    return this.text.late;
  }

  /** The last change that was answered completely. */
  get lastDone(): Done | null {
    return this.edited.lastDone;
  }

  // ------------------------------------------------------------------ state

  /** Every wanted value of the newest text is here. */
  get settled(): boolean {
    return this.passages.every(({ settled }) => settled);
  }

  /** The model that is being loaded on request. */
  get loading(): { readonly model: string; readonly progress: ProgressValue | null } | null {
    return this.#loading;
  }

  /** Change to another model; a second call cancels the first. */
  async loadModel(id: string): Promise<void> {
    this.#loading?.abort.abort();
    const abort = new AbortController();
    const current = (): boolean => this.#loading?.abort === abort;
    this.#loading = { model: id, progress: null, abort };
    this.notices.clear(); // they are about the previous model
    this.#changed();
    try {
      await this.client.loadModel(id, {
        signal: abort.signal,
        onProgress: (progress) => {
          if (current()) this.#loading = { model: id, progress, abort };
          this.#changed();
        },
      });
    } catch (error) {
      if (!abort.signal.aborted) {
        const message = error instanceof Error ? error.message : String(error);
        console.info(`neuroscope: ${message}`);
        const title = this.client.models.find((model) => model.id === id)?.title ?? id;
        this.notices.notify(reasonOf(message), { title: `${title} could not be loaded` });
      }
    } finally {
      if (current()) this.#loading = null;
      this.#changed();
    }
  }

  cancelLoading(): void {
    this.#loading?.abort.abort();
  }

  /** The theme changed: draw everything again. */
  redraw(): void {
    for (const passage of this.passages) passage.redraw();
  }

  // ------------------------------------------------------------------ inside

  #changed(): void {
    this.emit("change", undefined);
  }

  #passage(document: NeuroscopeDocument): Passage {
    const passage = new Passage(document, this.client, this.rows, { scale: (key) => this.scale(key), stripes: () => this.view.state.stripes });
    document.on("change", () => { this.#edited = passage; });
    // It is shown as long as it lasts.
    let problem: Error | null = null;
    document.on("problem", (now) => {
      const text = (now ?? problem)?.message;
      for (const notice of this.notices.list) if (notice.text === text) this.notices.dismiss(notice.id);
      problem = now;
    });
    passage.on("latency", () => { this.emit("latency", undefined); });
    return passage;
  }

  /** Start or end the comparison. The first starts with a copy of the text. */
  #compare(wanted: boolean): void {
    if (wanted === (this.#comparison !== null)) return;
    if (this.#comparison !== null) {
      this.#comparison.end();
      void this.client.closeDocument(this.#comparison.right.document).catch(() => undefined); // gone with the connection
      this.#comparison = null;
      return;
    }
    if (this.#other === null) {
      this.#other = this.#passage(this.client.open(OTHER, this.document.text));
      this.#other.on("change", () => { if (this.#comparison !== null) this.#changed(); });
    } else {
      this.client.reopen(this.#other.document);
    }
    this.#comparison = new Comparison(this.text, this.#other);
  }

  #offerUndo(keys: readonly string[]): void {
    if (this.#undoNotice !== null) this.notices.dismiss(this.#undoNotice);
    const what = keys.length === 1 ? keys[0] as string : `${keys.length} neurons`;
    this.#undoNotice = keys.length === 0 ? null
      : this.notices.notify(`${what} removed`, { action: { title: "Undo", run: () => { this.rows.undoRemove(); } } });
  }

  /** One notice for all neurons that the model lacks, while it lacks them. */
  #tellAbsent(absent: readonly string[]): void {
    const keys = absent.join(", ");
    if (keys === (this.#absentNotice?.keys ?? "")) return;
    if (this.#absentNotice !== null) this.notices.dismiss(this.#absentNotice.id);
    const count = absent.length === 1 ? "1 neuron is" : `${absent.length} neurons are`;
    this.#absentNotice = keys === "" ? null : { id: this.notices.notify(`${count} not in this model: ${keys}`), keys };
  }
}

const LONGEST_REASON = 140;

/** The first sentence of the reason why a model could not be loaded. */
function reasonOf(message: string): string {
  const reason = message.replace(/^.*? could not be loaded: /s, "");
  const line = reason.split("\n", 1)[0] ?? "";
  const sentence = /^.*?[.!?](?=\s|$)/.exec(line)?.[0] ?? line;
  const short = sentence.length > LONGEST_REASON ? `${sentence.slice(0, LONGEST_REASON - 1).trimEnd()}…` : sentence;
  return short.charAt(0).toUpperCase() + short.slice(1);
}
