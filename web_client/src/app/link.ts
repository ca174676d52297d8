/**
 * The state of the page as one line of text: after the `#` of a link, and in the browser's storage.
 *
 *     model=gpt2&text=The+cat+sat&neurons=L9N652;pinned,L3N42;max=2.5&focus=L9N652&v=1     while that is short
 *     z=<the same, deflated, in base64url>&v=1                                             when it is long
 *
 * `v` comes last, so that a truncated link is recognised. Nothing after `#` is sent to a server.
 */
import { fromBase64Url, pipe, toBase64Url } from "./bytes";
import { HUES } from "../colour/palette";
import { isAutomatic, type TypedRange } from "../colour/scale";
import { plainBreaks } from "../editor/characters";
import { type NeuronState, type PageState, type SharedView, sharedView, usualView } from "../workbench";

/** The content of a link; absent members stay as they are. */
export type LinkState = Partial<PageState>;

/** A link that cannot be opened; the message is for people. */
export class LinkError extends Error {
  override name = "LinkError";
}

const VERSION = "1";
/** Mail programs and chats break or truncate longer addresses. */
const LONGEST_PLAIN = 1500;
/** Chromium allows 2 MB of address, other programs far less. */
export const LONGEST_LINK = 500_000;
/** A small link may inflate to gigabytes. */
const LONGEST_INFLATED = 20_000_000;
/** A server's default limit. */
const MOST_NEURONS = 1024;

// ------------------------------------------------------------------ to text

/** A state as a readable line. */
export function encodePlain(state: LinkState): string {
  const parts: [name: string, value: string | undefined][] = [
    ["model", state.model],
    ["text", state.text],
    ["compare", state.compare],
    ["neurons", state.neurons?.map(encodeNeuron).join(",")],
    ["focus", state.focus],
    ["view", encodeView(state.view)],
    ["v", VERSION],
  ];
  return parts.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${name === "text" || name === "compare" ? escapeText(name, value) : escape(value)}`])).join("&");
}

/** The part of a link after `#` for an encoded state; null if it is too long for an address. */
export async function fragmentOf(plain: string): Promise<string | null> {
  if (plain.length <= LONGEST_PLAIN && encodeURI(plain).length <= LONGEST_PLAIN) return plain;
  const packed = await pipe(new TextEncoder().encode(plain), new CompressionStream("deflate-raw"));
  const fragment = `z=${toBase64Url(packed)}&v=${VERSION}`;
  return fragment.length <= LONGEST_LINK ? fragment : null;
}

/** `L3N42;hue=2;pinned;min=-1.5` */
function encodeNeuron({ key, hue, pinned, hidden, range }: NeuronState): string {
  const marks = [
    key.replace(/[%,;]/g, encodeURIComponent), // hooks of other models may have any name
    hue === undefined ? "" : `hue=${hue}`,
    pinned === true ? "pinned" : "",
    hidden === true ? "hidden" : "",
    range?.min == null ? "" : `min=${range.min}`,
    range?.max == null ? "" : `max=${range.max}`,
    range?.text === true ? "thistext" : "",
  ];
  return marks.filter((mark) => mark !== "").join(";");
}

/** Words for the differences from a new page: `discover,heatmap,nostripes`; `neurons` if there are none. */
function encodeView(view: PageState["view"]): string | undefined {
  if (view === undefined) return undefined;
  const names = Object.keys(usualView) as (keyof SharedView)[];
  const changed = names.filter((name) => view[name] !== undefined && view[name] !== usualView[name]);
  return changed.length === 0 ? usualView.side : changed.map((name) => wordOf(name, view[name] ?? usualView[name])).join(",");
}

/** One choice as a word; no two have the same. */
export function wordOf(name: string, choice: string | boolean): string {
  return typeof choice === "string" ? choice : choice ? name : `no${name}`;
}

const escapedTexts = new Map<string, { readonly text: string; readonly escaped: string }>();

/** `escape` with a cache per name: a page is encoded much more often than its texts change, and they may be long. */
function escapeText(name: string, text: string): string {
  const last = escapedTexts.get(name);
  const found = last?.text === text ? last : { text, escaped: escape(text) };
  escapedTexts.set(name, found);
  return found.escaped;
}

/**
 * Escape characters that end a value, that programs leave out of links they find in a text, and invisible ones. Letters
 * of every script stay; the browser encodes them in its own way.
 */
function escape(value: string): string {
  return value
    .replace(/\p{Surrogate}/gu, "\ufffd")
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|[%&+#"'<>()[\]{}|\\^`*_]/gu, percent)
    .replaceAll(" ", "+");
}

function percent(character: string): string {
  const escaped = encodeURIComponent(character);
  return escaped === character ? `%${character.charCodeAt(0).toString(16).toUpperCase()}` : escaped;
}

// ------------------------------------------------------------------ to a state

/** Read what `encodePlain` wrote. Throws LinkError. */
export function decodePlain(line: string): LinkState {
  return readState(fields(line));
}

/** Read the part of a link after `#`. Throws LinkError. */
export async function decodeFragment(fragment: string): Promise<LinkState> {
  const all = fields(fragment);
  const packed = all.get("z");
  return packed === null ? readState(all) : decodePlain(await inflate(packed));
}

async function inflate(packed: string): Promise<string> {
  try {
    const bytes = await pipe(fromBase64Url(packed), new DecompressionStream("deflate-raw"), LONGEST_INFLATED);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new LinkError("This link is damaged.");
  }
}

function fields(line: string): URLSearchParams {
  const all = new URLSearchParams(line);
  const version = all.get("v");
  if (version === null) throw new LinkError("This link is incomplete, or not a Neuroscope link.");
  if (version !== VERSION) throw new LinkError("This link was made by another version of Neuroscope.");
  return all;
}

function readState(all: URLSearchParams): LinkState {
  const [model, text, compare, neurons, focus, view] = ["model", "text", "compare", "neurons", "focus", "view"]
    .map((name) => all.get(name) ?? undefined);
  return {
    ...(model === undefined ? {} : { model }),
    ...(text === undefined ? {} : { text: plainBreaks(text) }),
    ...(compare === undefined ? {} : { compare: plainBreaks(compare) }),
    ...(neurons === undefined ? {} : { neurons: readNeurons(neurons) }),
    ...(focus === undefined ? {} : { focus }),
    ...(view === undefined ? {} : { view: readView(view) }),
  };
}

function readNeurons(value: string): NeuronState[] {
  const read = value.split(",").filter((part) => part !== "").map(readNeuron);
  if (read.length > MOST_NEURONS) throw new LinkError(`This link names more than ${MOST_NEURONS} neurons.`);
  return [...new Map(read.map((neuron) => [neuron.key, neuron])).values()];
}

/** Marks of a later version of the page are ignored. */
function readNeuron(value: string): NeuronState {
  const [name = "", ...marks] = value.split(";");
  const numbers = new Map(marks.map((mark) => mark.split("=", 2) as [string, string | undefined]));
  const number = (mark: string, fits: (value: number) => boolean): number | null => {
    const found = Number(numbers.get(mark) ?? NaN);
    return Number.isFinite(found) && fits(found) ? found : null;
  };
  const hue = number("hue", (found) => Number.isInteger(found) && found >= 0 && found < HUES);
  const range: TypedRange = {
    min: number("min", (found) => found <= 0), max: number("max", (found) => found >= 0), ...(marks.includes("thistext") ? { text: true } : {}),
  };
  return {
    key: readKey(name),
    ...(hue === null ? {} : { hue }),
    ...(marks.includes("pinned") ? { pinned: true as const } : {}),
    ...(marks.includes("hidden") ? { hidden: true as const } : {}),
    ...(isAutomatic(range) ? {} : { range }),
  };
}

function readKey(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new LinkError(`This link is damaged: ${name} is not a neuron.`);
  }
}

function readView(value: string): SharedView {
  const words = value.split(",");
  return sharedView((name, choices) => choices.find((choice) => words.includes(wordOf(name, choice))) ?? choices[0]);
}
