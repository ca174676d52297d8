/**
 * Values as CSV and JSON, exactly as the server sent them: float32 in its shortest form that reads back the same.
 *
 * CSV (RFC 4180): one line per token with `index,id,text,from,to` and one column per neuron, headed by its key; with
 * two documents a first column `document` names them. A missing value is an empty field.
 *
 * JSON: see `ExportedValues`. Both count offsets in UTF-16 units from the start of the text, tokens from 0.
 */
import type { ModelInfo } from "../wire";
import type { ExportDocument, Snapshot } from "./snapshot";

/** The shape of an exported JSON file. */
export interface ExportedValues {
  readonly format: "neuroscope-values";
  readonly version: 1;
  /** As the server described it, see the protocol. */
  readonly model: ModelInfo | null;
  /** The page's rows, in order; `range` holds the values at which the colours are strongest. */
  readonly neurons: readonly {
    readonly key: string;
    readonly range: { readonly min: number; readonly max: number };
    readonly rangeOrigin: string;
    readonly hidden?: true;
  }[];
  /** Key of the neuron that colours the text. */
  readonly focus: string | null;
  readonly documents: readonly {
    readonly name: string;
    readonly text: string;
    /** `special` marks what the server added (BOS), `segment` the first token of a second or later context. */
    readonly tokens: readonly {
      readonly id: number;
      readonly text: string;
      readonly from: number;
      readonly to: number;
      readonly special?: true;
      readonly segment?: true;
    }[];
    /** One number per token, by neuron; null if there is none. */
    readonly values: Readonly<Record<string, readonly (number | null)[]>>;
  }[];
}

export function toJson(snapshot: Snapshot): string {
  const exported: ExportedValues = {
    format: "neuroscope-values",
    version: 1,
    model: snapshot.model,
    neurons: snapshot.neurons.map(({ key, scale, origin, hidden }) => (
      { key, range: { min: scale.min, max: scale.max }, rangeOrigin: origin, ...(hidden ? { hidden } : {}) }
    )),
    focus: snapshot.focus?.key ?? null,
    documents: snapshot.documents.map((document) => ({
      name: document.name,
      text: document.text,
      tokens: document.tokens.infos.map(({ id, text, special, segment }, i) => ({
        id, text, ...span(document, i), ...(special ? { special } : {}), ...(segment ? { segment } : {}),
      })),
      values: Object.fromEntries(snapshot.neurons.map(({ key }) => [key, row(document, key).map(shortest)])),
    })),
  };
  return `${JSON.stringify(exported)}\n`;
}

export function toCsv({ neurons, documents }: Snapshot): string {
  const several = documents.length > 1;
  const head = [...(several ? ["document"] : []), "index", "id", "text", "from", "to", ...neurons.map(({ key }) => quoted(key))];
  const lines = documents.flatMap((document) => {
    const rows = neurons.map(({ key }) => row(document, key).map(shortest));
    return document.tokens.infos.map(({ id, text }, i) => {
      const { from, to } = span(document, i);
      return [...(several ? [quoted(document.name)] : []), i, id, quoted(text), from, to, ...rows.map((values) => values[i] ?? "")];
    });
  });
  return [head, ...lines].map((fields) => `${fields.join(",")}\r\n`).join("");
}

function span({ tokens }: ExportDocument, index: number): { from: number; to: number } {
  return { from: tokens.from[index] as number, to: tokens.to[index] as number };
}

function row(document: ExportDocument, key: string): number[] {
  const values = document.values.get(key);
  return Array.from({ length: document.tokens.length }, (_, i) => values?.[i] ?? NaN);
}

/** A float32 as the shortest number that is read as the same float32; null if it is not finite. */
export function shortest(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return Number(value.toPrecision(9)); // nine digits tell every float32 from its neighbours
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
