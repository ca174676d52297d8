/**
 * The extension's logic: one session with a server, the text of the active editor in it, its colours, the status bar.
 *
 * Knows Visual Studio Code only by the seam of `host.ts`.
 */
import {
  type Clock, connectionHelp, connectionText, type Connector, DisconnectedError, NeuroscopeClient, type NeuroscopeDocument, parseNeurons,
  RefusedError, systemClock, type Timer, wellFormed,
} from "../../src/client";
import { HUES } from "../../src/colour/palette";
import { automatic } from "../../src/colour/scale";
import { formatValue, visibleText } from "../../src/editor/format";
import { scaleIn } from "../../src/workbench/scales";
import type { Command, Host, Span, Status, TextChange, TextEditor } from "./host";
import { follow } from "./mirror";
import { bare, paintOf } from "./picture";

/** Messages of one answer come in a row: they are painted together. */
const PAINT_MS = 15;
const TOP = 20;
const UNAUTHORIZED = 401;

export interface Explanation extends Span {
  /** The token, and each neuron's value at it. No markup. */
  readonly lines: readonly string[];
}

export interface ControllerOptions {
  /** A connector to the server at `url`; throws TypeError for what no server can be at. */
  readonly reach: (url: string, token: string | undefined) => Connector;
  readonly clock?: Clock;
}

/** A connection that a person wanted. */
interface Session {
  readonly server: string;
  readonly client: NeuroscopeClient;
  readonly abort: AbortController;
  /** What the settings name that is no neuron, in words. */
  misread: string | null;
  unloadable: string | null;
  loading: string | null;
}

/** The text of the active editor. */
interface Followed {
  readonly editor: TextEditor;
  readonly document: NeuroscopeDocument;
}

export class Controller {
  readonly #host: Host;
  readonly #reach: ControllerOptions["reach"];
  readonly #clock: Clock;
  readonly #stops: (() => void)[];
  #session: Session | null = null;
  #followed: Followed | null = null;
  #focus: string | null = null;
  #planned: Timer | null = null;
  #asking: AbortController | null = null;
  #connecting = 0;

  constructor(host: Host, { reach, clock = systemClock }: ControllerOptions) {
    this.#host = host;
    this.#reach = reach;
    this.#clock = clock;
    this.#stops = [
      host.onEditor(() => { this.#follow(); }),
      host.onChange((uri, changes) => { this.#edited(uri, changes); }),
      host.onCursor(() => { this.#tell(); }),
      host.onScroll(() => { this.#later(); }),
      host.onSettings(() => { this.#wish(); }),
    ];
    this.#tell();
  }

  /** What each command of the manifest does. */
  readonly commands: Readonly<Record<Command, () => Promise<void>>> = {
    connect: () => this.#connect(),
    disconnect: () => { this.#disconnect(); return Promise.resolve(); },
    addNeuron: () => this.#addNeuron(),
    removeNeuron: () => this.#removeNeuron(),
    chooseNeuron: () => this.#chooseNeuron(),
    nextNeuron: () => { this.#step(1); return Promise.resolve(); },
    previousNeuron: () => { this.#step(-1); return Promise.resolve(); },
    topNeurons: () => this.#topNeurons(),
    setToken: () => this.#setToken(),
  };

  dispose(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#disconnect();
  }

  /** What there is to tell of the token at an offset; null where there is none. */
  explain(uri: string, offset: number): Explanation | null {
    if (this.#session === null || this.#followed === null || this.#followed.editor.uri !== uri) return null;
    const { document } = this.#followed;
    const index = document.tokens.covering(offset);
    if (index < 0) return null;
    const { from, to, text, id } = document.tokens.at(index);
    const values = this.#keys.map((key) => `${key}  ${formatValue(document.activations.values(key)[index] ?? NaN)}`);
    return { from, to, lines: [`${visibleText(text)}  token ${index}, id ${id}`, ...values] };
  }

  /** The session's client, for whoever needs more; null while there is none. */
  get client(): NeuroscopeClient | null {
    return this.#session?.client ?? null;
  }

  // ------------------------------------------------------------------ connection

  async #connect(): Promise<void> {
    if (this.#session !== null) {
      this.#session.client.retryNow();
      return;
    }
    const { url } = this.#host.settings;
    const attempt = ++this.#connecting;
    const token = await this.#host.token(url);
    if (attempt !== this.#connecting) return; // connected, or given up, while the secret was fetched
    let connect: Connector;
    try {
      connect = this.#reach(url, token);
    } catch (error) {
      this.#host.warn(`${(error as Error).message}. The setting neuroscope.url names the server.`);
      return;
    }
    const client = new NeuroscopeClient({ connect, name: "vscode", clock: this.#clock });
    const session: Session = { server: url, client, abort: new AbortController(), misread: null, unloadable: null, loading: null };
    this.#session = session;
    const { signal } = session.abort;
    client.on("state", () => { this.#later(); this.#tell(); }, { signal });
    client.on("model", () => { this.#wishModel(session); }, { signal });
    client.subscriptions.on("change", () => { this.#later(); }, { signal });
    client.subscriptions.on("refused", ({ key, error }) => { this.#host.warn(`${key}: ${error.message}`); }, { signal });
    this.#wish();
    this.#follow();
    client.start();
  }

  #disconnect(): void {
    this.#connecting += 1;
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.#asking?.abort();
    this.#followed?.editor.paint(bare);
    this.#followed = null;
    this.#planned?.cancel();
    this.#planned = null;
    session.abort.abort();
    session.client.close();
    this.#tell();
  }

  async #setToken(): Promise<void> {
    const { url } = this.#host.settings;
    const token = await this.#host.ask({
      title: "Token", prompt: `The token of ${url}, as its link has it after "token=". An empty one forgets it.`, secret: true,
    });
    if (token === undefined) return;
    await this.#host.setToken(url, token.trim() === "" ? undefined : token.trim());
    this.#disconnect();
    await this.#connect();
  }

  // ------------------------------------------------------------------ wishes

  /** Have what the settings name. */
  #wish(): void {
    const session = this.#session;
    if (session === null) return;
    const { url, neurons } = this.#host.settings;
    if (url !== session.server) {
      this.#disconnect();
      void this.#connect();
      return;
    }
    const { keys, problem } = parseNeurons(neurons.join(", "));
    session.misread = problem;
    const { subscriptions, model } = session.client;
    if (keys.join() !== subscriptions.wanted.join()) subscriptions.reset(keys, model);
    this.#wishModel(session);
    this.#later();
    this.#tell();
  }

  #wishModel(session: Session): void {
    const { client } = session;
    const wanted = this.#host.settings.model || client.models.find((summary) => summary.default)?.id;
    if (client.model === null || wanted === undefined || wanted === (session.loading ?? client.model.id)) return;
    session.loading = wanted;
    session.unloadable = null;
    client.loadModel(wanted, { signal: session.abort.signal }).catch((error: unknown) => {
      if (!(error instanceof DisconnectedError)) session.unloadable = `${wanted} could not be loaded: ${(error as Error).message}`;
    }).finally(() => {
      session.loading = null;
      this.#tell();
    });
  }

  /** Neurons that the model has, in order. */
  get #keys(): string[] {
    return this.#session?.client.subscriptions.rows.map(({ key }) => key) ?? [];
  }

  /** Key of the neuron that colours the text. */
  get #focused(): string | null {
    const keys = this.#keys;
    return this.#focus !== null && keys.includes(this.#focus) ? this.#focus : keys[0] ?? null;
  }

  #setFocus(key: string): void {
    this.#focus = key;
    this.#later();
    this.#tell();
  }

  #step(by: number): void {
    const keys = this.#keys;
    const next = keys[(keys.indexOf(this.#focused ?? "") + by + keys.length) % keys.length];
    if (next === undefined) this.#host.warn("There are no neurons yet: add one.");
    else this.#setFocus(next);
  }

  async #addNeuron(): Promise<void> {
    const typed = await this.#host.ask({
      title: "Add neuron", prompt: "As L3N42 or 3/42; several by a range, L3N40-48, or with commas between them.",
      check: (answer) => (answer.trim() === "" ? "Name a neuron, as L3N42." : parseNeurons(answer).problem),
    });
    if (typed !== undefined) await this.#add(parseNeurons(typed).keys);
  }

  /** Add neurons to the settings: those that the server takes, where there is one. */
  async #add(keys: readonly string[]): Promise<void> {
    const [first] = keys;
    if (first === undefined) return;
    const { client } = this.#session ?? {};
    let taken = keys;
    if (client?.model) {
      // What is refused has its warning by then.
      const outcomes = await Promise.allSettled(keys.map((key) => client.subscriptions.add([key])));
      taken = keys.filter((key, i) => outcomes[i]?.status === "fulfilled" && !client.subscriptions.absent.includes(key));
    }
    const before = parseNeurons(this.#host.settings.neurons.join(", ")).keys;
    const added = taken.filter((key) => !before.includes(key));
    if (added.length > 0) await this.#host.setNeurons([...before, ...added]);
    if (taken[0] !== undefined) this.#setFocus(taken[0]);
  }

  async #removeNeuron(): Promise<void> {
    const before = parseNeurons(this.#host.settings.neurons.join(", ")).keys;
    const gone = await this.#choose("Remove a neuron", before);
    if (gone !== undefined) await this.#host.setNeurons(before.filter((key) => key !== gone));
  }

  async #chooseNeuron(): Promise<void> {
    const key = await this.#choose("Colour the text by", this.#keys);
    if (key !== undefined) this.#setFocus(key);
  }

  async #choose(title: string, keys: readonly string[]): Promise<string | undefined> {
    if (keys.length > 0) return this.#host.choose(title, keys.map((label) => ({ label, description: label === this.#focused ? "colours the text" : "" })));
    this.#host.warn("There are no neurons yet: add one.");
    return undefined;
  }

  async #topNeurons(): Promise<void> {
    const { client } = this.#session ?? {};
    if (client?.ready !== true) {
      this.#host.warn("There is no connection to a server.");
      return;
    }
    const document = this.#followed?.document ?? null;
    const token = this.#cursorToken;
    if (document === null || token === null) {
      this.#host.warn("There is no token at the cursor.");
      return;
    }
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const { neurons } = await client.top({ uri: document.uri, token, k: TOP }, { signal: asking.signal });
      if (asking.signal.aborted) return;
      const title = `Top neurons at ${visibleText(document.tokens.infos[token]?.text ?? "")}`;
      const choices = neurons.map(({ key, value }) => ({ label: key, description: formatValue(value ?? NaN) }));
      const key = await this.#host.choose(title, choices);
      if (key !== undefined) await this.#add([key]);
    } catch (error) {
      if (!asking.signal.aborted) this.#host.warn((error as Error).message);
    }
  }

  // ------------------------------------------------------------------ text

  /** Have the active editor's text on the server, and no other. */
  #follow(): void {
    const session = this.#session;
    if (session === null) return;
    const { editor } = this.#host;
    const before = this.#followed;
    if (before?.editor === editor) return;
    this.#asking?.abort();
    before?.editor.paint(bare);
    if (before !== null && editor?.uri === before.editor.uri) {
      this.#followed = { editor, document: before.document }; // another view of the same text
    } else {
      this.#followed = null;
      if (before !== null) session.client.closeDocument(before.document).catch(() => undefined); // gone with the connection
      if (editor !== null) this.#followed = { editor, document: this.#open(session, editor) };
    }
    this.#later();
    this.#tell();
  }

  #open({ client }: Session, editor: TextEditor): NeuroscopeDocument {
    const document = client.open(editor.uri, wellFormed(editor.text));
    const told = (): void => {
      if (this.#followed?.document === document) this.#later();
    };
    for (const event of ["change", "tokens", "values", "done", "problem"] as const) document.on(event, told);
    return document;
  }

  #edited(uri: string, changes: readonly TextChange[]): void {
    if (this.#followed?.editor.uri === uri) follow(this.#followed.document, this.#followed.editor, changes);
  }

  // ------------------------------------------------------------------ what is shown

  #later(): void {
    if (this.#session === null) return;
    this.#planned ??= this.#clock.after(PAINT_MS, () => {
      this.#planned = null;
      this.#paint();
      this.#tell();
    });
  }

  #paint(): void {
    if (this.#session === null || this.#followed === null) return;
    const { editor, document } = this.#followed;
    const { subscriptions } = this.#session.client;
    const key = this.#focused;
    if (key === null || document.problem !== null) {
      editor.paint(bare);
      return;
    }
    const hue = this.#keys.indexOf(key) % HUES;
    editor.paint(paintOf(document, key, scaleIn(subscriptions, [document], key, automatic), hue, editor.visible));
  }

  /** The token before the cursor, as it was typed last; null where there is none. */
  get #cursorToken(): number | null {
    if (this.#followed === null) return null;
    const { editor, document } = this.#followed;
    const index = document.tokens.covering(Math.max(0, editor.cursor - 1));
    return index < 0 ? null : index;
  }

  #tell(): void {
    this.#host.show(this.#status());
  }

  #status(): Status {
    if (this.#session === null) return { icon: "off", text: "Neuroscope", detail: "Not connected.", command: "connect" };
    const { client, misread, unloadable, loading } = this.#session;
    const { state, subscriptions: { absent } } = client;
    if (state.kind === "waiting") {
      const locked = state.cause instanceof RefusedError && state.cause.status === UNAUTHORIZED;
      return {
        icon: "problem", text: locked ? "Neuroscope: token needed" : "Neuroscope: no connection",
        detail: `${this.#session.server}: ${connectionHelp(state) ?? connectionText(state)}`, command: locked ? "setToken" : "connect",
      };
    }
    if (state.kind !== "ready" || loading !== null) {
      const { title, percentage } = (state.kind === "initializing" ? state.progress : null) ?? {};
      const words = loading === null ? title ?? connectionText(state) : `Loading ${loading}`;
      return { icon: "busy", text: "Neuroscope", detail: percentage === undefined ? words : `${words} (${Math.round(percentage)} %)`, command: "disconnect" };
    }
    const document = this.#followed?.document ?? null;
    if (document?.problem != null) {
      return { icon: "problem", text: "Neuroscope: text not sent", detail: document.problem.message, command: "chooseNeuron" };
    }
    const problem = misread ?? unloadable ?? (absent.length === 0 ? null : `The model has no ${absent.join(", ")}.`);
    const detail = problem ?? `${client.model?.id ?? ""} on ${this.#session.server}`;
    const icon = problem === null ? "on" : "problem";
    const key = this.#focused;
    if (key === null) return { icon, text: "Neuroscope: no neuron", detail, command: "addNeuron" };
    const token = this.#cursorToken;
    const value = document === null || token === null ? NaN : document.activations.values(key)[token] ?? NaN;
    return { icon, text: Number.isNaN(value) ? key : `${key} ${formatValue(value)}`, detail, command: "chooseNeuron" };
  }
}
