/**
 * The extension's logic: one session with a server, the visible texts, their colours, the status, the list.
 *
 * Knows Visual Studio Code only through the interface in `host.ts`.
 */
import {
  type Clock, type Connector, DisconnectedError, NeuroscopeClient, type NeuroscopeDocument, parseNeurons, systemClock, type Timer,
} from "../../src/client";
import { HUES } from "../../src/colour/palette";
import { automatic, type Scale } from "../../src/colour/scale";
import { formatValue, visibleText } from "../../src/editor/format";
import { scaleIn } from "../../src/workbench/scales";
import type { Command, Host, NeuronRow, Span, Status } from "./host";
import { readNeurons, withNeurons, withoutNeuron } from "./neurons-setting";
import { bare, paintOf, strongSpans } from "./picture";
import { statusOf } from "./status";
import { Texts } from "./texts";

/** Messages of one answer come in a row: they are painted together. */
const PAINT_MS = 15;
const TOP = 20;

export interface Explanation extends Span {
  /** The tokens, and each neuron's value at each of them. No markup. */
  readonly lines: readonly string[];
}

export interface ControllerOptions {
  /** A connector to the server at `url`; throws TypeError for an invalid address. */
  readonly reach: (url: string, token: string | undefined) => Connector;
  readonly clock?: Clock;
}

/** A session with one server, connected or not. */
interface Session {
  readonly server: string;
  readonly client: NeuroscopeClient;
  readonly texts: Texts;
  readonly abort: AbortController;
  /** Whether the user has been warned that there is no connection. */
  warned: boolean;
  /** The model that is being loaded. */
  loading: { readonly id: string } | null;
  /** Why the model of the settings could not be loaded, as a sentence. */
  unloadable: string | null;
}

export class Controller {
  readonly #host: Host;
  readonly #reach: ControllerOptions["reach"];
  readonly #clock: Clock;
  readonly #stops: (() => void)[];
  /** Whether the user wants to be connected; obstacles may be temporary. */
  #wanted = false;
  /** Why there is no session although one is wanted, as a sentence. */
  #obstacle: string | null = null;
  #session: Session | null = null;
  #focus: string | null = null;
  #planned: Timer | null = null;
  #asking: AbortController | null = null;
  /** The text that the pending question is about. */
  #asked: NeuroscopeDocument | null = null;
  #beginning = 0;

  constructor(host: Host, { reach, clock = systemClock }: ControllerOptions) {
    this.#host = host;
    this.#reach = reach;
    this.#clock = clock;
    this.#stops = [
      host.onEditor(() => { this.#follow(); }),
      host.onChange((uri, changes) => { this.#session?.texts.edited(uri, changes); }),
      host.onCursor(() => { this.#tell(); }),
      host.onScroll(() => { this.#later(); }),
      host.onSettings(() => { this.#settingsChanged(); }),
    ];
    host.setConnected(false);
    this.#tell();
  }

  /** What each command of the manifest does. Some take the key of a neuron from the list. */
  readonly commands: Readonly<Record<Command, (key?: string) => Promise<void>>> = {
    connect: () => this.#connect(),
    disconnect: () => { this.#disconnect(); return Promise.resolve(); },
    toggle: () => (this.#wanted ? this.commands.disconnect() : this.commands.connect()),
    addNeuron: () => this.#addNeuron(),
    removeNeuron: (key) => this.#removeNeuron(key),
    chooseNeuron: (key) => this.#chooseNeuron(key),
    nextNeuron: () => { this.#step(1); return Promise.resolve(); },
    previousNeuron: () => { this.#step(-1); return Promise.resolve(); },
    topNeurons: () => this.#topNeurons(),
    nextStrong: () => { this.#toStrong(1); return Promise.resolve(); },
    previousStrong: () => { this.#toStrong(-1); return Promise.resolve(); },
    setToken: () => this.#setToken(),
    openSettings: () => this.#host.openSettings("neuroscope"),
    openLog: () => { this.#host.openLog(); return Promise.resolve(); },
  };

  dispose(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#disconnect();
  }

  /** The description of the character at an offset: each of its tokens; null if it has none. */
  explain(uri: string, offset: number): Explanation | null {
    const document = this.#session?.texts.of(uri) ?? null;
    const tokens = document?.tokens.overlapping(offset, offset + 1) ?? null;
    if (document === null || tokens === null) return null;
    const indices = Array.from({ length: tokens.to - tokens.from }, (_, i) => tokens.from + i).filter((i) => (document.tokens.to[i] as number) > offset);
    const infos = indices.map((index) => ({ index, ...document.tokens.at(index) }));
    const lines = infos.flatMap(({ index, text, id }) => [
      `${visibleText(text)}  token ${index}, id ${id}`,
      ...this.#keys.map((key) => `${key}  ${formatValue(document.activations.values(key)[index] ?? NaN)}`),
    ]);
    if (lines.length === 0) return null;
    return { from: Math.min(...infos.map(({ from }) => from)), to: Math.max(...infos.map(({ to }) => to)), lines };
  }

  /** The session's client; null without a session. */
  get client(): NeuroscopeClient | null {
    return this.#session?.client ?? null;
  }

  // ------------------------------------------------------------------ connection

  async #connect(): Promise<void> {
    if (this.#session !== null) {
      this.#session.client.retryNow();
      return;
    }
    this.#wanted = true;
    this.#host.setConnected(true);
    await this.#begin();
  }

  #disconnect(): void {
    this.#wanted = false;
    this.#obstacle = null;
    this.#end();
    this.#host.setConnected(false);
    this.#tell();
  }

  /** Start a session with the server of the settings, if its address is valid. */
  async #begin(): Promise<void> {
    const { url } = this.#host.settings;
    const attempt = ++this.#beginning;
    const token = await this.#host.token(url);
    if (attempt !== this.#beginning || !this.#wanted) return; // begun, or given up, while the secret was fetched
    let connect: Connector;
    try {
      connect = this.#reach(url, token);
    } catch (error) {
      this.#obstacle = `${(error as Error).message}. The setting neuroscope.url names the server.`;
      this.#host.warn(this.#obstacle, "openSettings");
      this.#tell();
      return;
    }
    this.#obstacle = null;
    this.#host.log(`Connecting to ${url}`);
    const client = new NeuroscopeClient({ connect, name: "vscode", clock: this.#clock });
    const texts = new Texts(client, () => { this.#later(); });
    const session: Session = { server: url, client, texts, abort: new AbortController(), warned: false, loading: null, unloadable: null };
    this.#session = session;
    const { signal } = session.abort;
    client.on("state", () => { this.#stateChanged(session); }, { signal });
    client.on("model", () => { this.#wantModel(session); }, { signal });
    client.on("fault", (error) => { this.#host.log(error.message); }, { signal });
    client.subscriptions.on("change", () => { this.#later(); }, { signal });
    client.subscriptions.on("refused", ({ key, error: { message } }) => { this.#warn(message.includes(key) ? message : `${key}: ${message}`); }, { signal });
    this.#wantNeurons(session);
    this.#follow();
    client.start();
  }

  #end(): void {
    this.#beginning += 1;
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.#asking?.abort();
    for (const view of session.texts.views) view.paint(bare);
    this.#planned?.cancel();
    this.#planned = null;
    session.abort.abort();
    session.client.close();
    this.#host.log(`Left ${session.server}`);
  }

  #stateChanged(session: Session): void {
    const { state } = session.client;
    if (state.kind === "ready") {
      session.warned = true; // from here on the status bar says enough
      this.#host.log(`Connected to ${session.server}`);
    }
    if (state.kind === "waiting") {
      this.#host.log(`No connection to ${session.server}: ${state.cause.message}`);
      const { detail, command } = this.#status();
      if (!session.warned) this.#host.warn(detail, command, "openSettings");
      session.warned = true;
    }
    this.#later();
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

  // ------------------------------------------------------------------ settings

  /** Apply the settings. */
  #settingsChanged(): void {
    if (this.#wanted && this.#session?.server !== this.#host.settings.url) {
      this.#end();
      void this.#begin();
    }
    const session = this.#session;
    if (session === null) return;
    this.#wantNeurons(session);
    this.#wantModel(session);
    this.#follow();
    this.#later();
    this.#tell();
  }

  #wantNeurons({ client: { subscriptions, model } }: Session): void {
    const { keys } = readNeurons(this.#host.settings.neurons);
    if (keys.join() !== subscriptions.wanted.join()) subscriptions.reset(keys, model);
  }

  #wantModel(session: Session): void {
    const { client } = session;
    const wanted = this.#host.settings.model || client.models.find((summary) => summary.default)?.id;
    if (client.model === null || wanted === undefined) return;
    if (wanted === (session.loading?.id ?? client.model.id)) {
      if (session.loading === null) session.unloadable = null;
      return;
    }
    const loading = { id: wanted };
    session.loading = loading;
    session.unloadable = null;
    this.#host.log(`Loading the model ${wanted}`);
    client.loadModel(wanted, { signal: session.abort.signal }).catch((error: unknown) => {
      // Another one may be wanted by now.
      if (session.loading !== loading || error instanceof DisconnectedError || session.abort.signal.aborted) return;
      session.unloadable = `${wanted} could not be loaded: ${(error as Error).message}`;
      this.#host.log(session.unloadable);
    }).finally(() => {
      if (session.loading !== loading) return;
      session.loading = null;
      this.#tell();
    });
  }

  // ------------------------------------------------------------------ neurons

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
    if (next === undefined) this.#warn("There are no neurons yet.", "addNeuron");
    else this.#setFocus(next);
  }

  async #addNeuron(): Promise<void> {
    const typed = await this.#host.ask({
      title: "Add neuron", prompt: "As L3N42 or 3/42; several by a range, L3N40-48, or with commas between them.",
      check: (answer) => (answer.trim() === "" ? "Name a neuron, as L3N42." : parseNeurons(answer).problem),
    });
    if (typed !== undefined) await this.#add(parseNeurons(typed).keys);
  }

  /** Add neurons to the settings; if connected, only those that the server accepts. */
  async #add(keys: readonly string[]): Promise<void> {
    const { client } = this.#session ?? {};
    let taken = keys;
    if (client?.model) {
      // Refused ones have had their warning.
      const outcomes = await Promise.allSettled(keys.map((key) => client.subscriptions.add([key])));
      taken = keys.filter((key, i) => outcomes[i]?.status === "fulfilled" && !client.subscriptions.absent.includes(key));
    }
    if (taken[0] === undefined) return;
    await this.#setNeurons(withNeurons(this.#host.settings.neurons, taken));
    this.#setFocus(taken[0]);
  }

  async #removeNeuron(key?: string): Promise<void> {
    const gone = key ?? await this.#choose("Remove a neuron", readNeurons(this.#host.settings.neurons).keys);
    if (gone !== undefined) await this.#setNeurons(withoutNeuron(this.#host.settings.neurons, gone));
  }

  /** Write the setting; null if it could not be edited. */
  async #setNeurons(neurons: readonly unknown[] | null): Promise<void> {
    if (neurons === null) this.#warn(readNeurons(this.#host.settings.neurons).problem ?? "", "openSettings");
    else await this.#host.setNeurons(neurons);
  }

  async #chooseNeuron(key?: string): Promise<void> {
    const chosen = key ?? await this.#choose("Colour the text by", this.#keys);
    if (chosen !== undefined) this.#setFocus(chosen);
  }

  async #choose(title: string, keys: readonly string[]): Promise<string | undefined> {
    if (keys.length > 0) return this.#host.choose(title, keys.map((label) => ({ label, description: label === this.#focused ? "colours the text" : "" })));
    this.#warn("There are no neurons yet.", "addNeuron");
    return undefined;
  }

  async #topNeurons(): Promise<void> {
    const { client } = this.#session ?? {};
    if (client?.ready !== true) {
      this.#warn("There is no connection to a server.", "connect");
      return;
    }
    const document = this.#document;
    const token = this.#cursorToken;
    if (document === null || token === null) {
      this.#warn(this.#host.excluded ?? "There is no token at the cursor.");
      return;
    }
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.#asked = document;
    try {
      const { neurons } = await client.top({ uri: document.uri, token, k: TOP }, { signal: asking.signal });
      if (asking.signal.aborted) return;
      const title = `Top neurons at ${visibleText(document.tokens.infos[token]?.text ?? "")}`;
      const choices = neurons.map(({ key, value }) => ({ label: key, description: formatValue(value ?? NaN) }));
      const key = await this.#host.choose(title, choices);
      if (key !== undefined) await this.#add([key]);
    } catch (error) {
      if (!asking.signal.aborted) this.#warn((error as Error).message);
    }
  }

  /** Move the cursor behind the next or previous strong token; wraps around. */
  #toStrong(by: 1 | -1): void {
    const { editor } = this.#host;
    const document = this.#document;
    const key = this.#focused;
    if (editor === null || document === null || key === null) {
      this.#warn("There is no neuron whose strong tokens could be looked for.", this.#wanted ? "addNeuron" : "connect");
      return;
    }
    const ends = strongSpans(document, key, this.#scale(key)).map(({ to }) => to);
    const next = by > 0 ? ends.find((end) => end > editor.cursor) ?? ends[0] : ends.findLast((end) => end < editor.cursor) ?? ends.at(-1);
    if (next === undefined) this.#warn(`No token of this text is strong in ${key}.`);
    else editor.moveTo(next);
  }

  // ------------------------------------------------------------------ texts

  /** Keep exactly the visible texts open on the server. */
  #follow(): void {
    const { texts } = this.#session ?? {};
    if (texts === undefined) return;
    for (const view of texts.show(this.#host.editors)) view.paint(bare);
    if (this.#document !== this.#asked) this.#asking?.abort();
    this.#later();
    this.#tell();
  }

  /** The active text; null if there is none, or it is not on the server. */
  get #document(): NeuroscopeDocument | null {
    return this.#session?.texts.of(this.#host.editor?.uri) ?? null;
  }

  /** The last token before the cursor; null if there is none. */
  get #cursorToken(): number | null {
    const document = this.#document;
    const { editor } = this.#host;
    if (document === null || editor === null) return null;
    const at = Math.max(0, editor.cursor - 1);
    const found = document.tokens.overlapping(at, at + 1);
    return found === null ? null : found.to - 1;
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
    if (this.#session === null) return;
    const { texts } = this.#session;
    const key = this.#focused;
    const hue = this.#keys.indexOf(key ?? "") % HUES;
    for (const view of texts.views) {
      const document = texts.of(view.uri);
      view.paint(key === null || document?.problem !== null ? bare : paintOf(document, key, this.#scale(key), hue, view.visible));
    }
  }

  /** One scale for all visible texts, so that they can be compared. */
  #scale(key: string): Scale {
    const { client, texts } = this.#session as Session;
    return scaleIn(client.subscriptions, texts.documents, key, automatic);
  }

  #tell(): void {
    this.#host.show(this.#status());
    this.#host.list(this.#rows);
  }

  get #rows(): NeuronRow[] {
    const document = this.#document;
    const token = this.#cursorToken;
    const focused = this.#focused;
    return this.#keys.map((key) => {
      const value = document === null || token === null ? NaN : document.activations.values(key)[token] ?? NaN;
      const extent = document?.activations.extent(key) ?? null;
      return { key, focused: key === focused, description: `${formatValue(value)}${extent === null ? "" : `  max ${formatValue(extent.max)}`}` };
    });
  }

  #status(): Status {
    const document = this.#document;
    const token = this.#cursorToken;
    const key = this.#focused;
    return statusOf({
      obstacle: this.#obstacle,
      server: this.#session?.server ?? "",
      client: this.#session?.client ?? null,
      loading: this.#session?.loading?.id ?? null,
      problem: readNeurons(this.#host.settings.neurons).problem ?? this.#session?.unloadable ?? null,
      text: document?.problem?.message ?? this.#host.excluded,
      neuron: key,
      value: document === null || token === null || key === null ? NaN : document.activations.values(key)[token] ?? NaN,
    });
  }

  #warn(words: string, ...buttons: Command[]): void {
    this.#host.log(words);
    this.#host.warn(words, ...buttons);
  }
}
