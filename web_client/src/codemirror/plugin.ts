/** Connects editors to servers: each view that has the extension has a connection. */
import { Compartment, type EditorState, type Extension, Facet } from "@codemirror/state";
import { EditorView, type PluginValue, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { changesOf, tokenColours, wellFormedInput } from "../editor";
import type { NeuroscopeOptions } from "./api";
import { EditorConnection } from "./connection";
import { say, status } from "./status";

/** The options of an editor; null if it has none. */
export const options = Facet.define<NeuroscopeOptions, NeuroscopeOptions | null>({ combine: ([first]) => first ?? null });

/** The part of the extension that belongs to one connection. */
const colours = new Compartment();

class SessionPlugin implements PluginValue {
  readonly #view: EditorView;
  /** Null if the options do not name a server. */
  session: EditorConnection | null = null;
  #badAddress: string | null = null;
  #alive = true;
  #planned = false;

  constructor(view: EditorView) {
    this.#view = view;
    this.#start(view.state);
  }

  update({ docChanged, changes, startState, state }: ViewUpdate): void {
    if (docChanged) this.session?.document.change(changesOf(changes));
    const [before, now] = [startState.facet(options), state.facet(options)];
    if (before === now || now === null) return;
    if (this.session === null || before === null || !sameServer(before, now)) this.#start(state);
    else this.session.configure(now);
    this.#later(() => { this.#show(); });
  }

  destroy(): void {
    this.#alive = false;
    this.session?.close();
  }

  #start(state: EditorState): void {
    this.session?.close();
    this.session = null;
    this.#badAddress = null;
    const wanted = state.facet(options);
    if (wanted === null) return;
    try {
      const session = new EditorConnection(wanted, state.doc.toString());
      this.session = session;
      session.on("change", () => { if (session === this.session) this.#showLater(); });
      this.#later(() => { if (session === this.session) this.#view.dispatch({ effects: colours.reconfigure(tokenColours(session.source)) }); });
    } catch (error) {
      this.#badAddress = error instanceof Error ? error.message : String(error);
      this.#showLater();
    }
  }

  /** As soon as the editor can be changed: it may be updating. */
  #later(act: () => void): void {
    queueMicrotask(() => { if (this.#alive) act(); });
  }

  #showLater(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#later(() => {
      this.#planned = false;
      this.#show();
    });
  }

  #show(): void {
    const wanted = this.#view.state.facet(options);
    say(this.#view, wanted?.status === false ? null : this.#badAddress ?? this.session?.problem ?? null);
  }
}

function sameServer(one: NeuroscopeOptions, other: NeuroscopeOptions): boolean {
  return String(one.url) === String(other.url) && one.token === other.token && one.WebSocket === other.WebSocket;
}

export const sessionPlugin = ViewPlugin.fromClass(SessionPlugin);

export const sessionExtension: Extension = [
  sessionPlugin,
  colours.of([]),
  wellFormedInput,
  status,
  EditorView.editorAttributes.compute([EditorView.darkTheme], (state): Record<string, string> =>
    state.facet(EditorView.darkTheme) ? { class: "neuro-dark" } : {}),
];
