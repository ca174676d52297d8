/**
 * What kernel and browser exchange: the state of `ws_server.notebook.Widget`, and messages about its text.
 *
 * The state is complete at any time, so that a view that is added later, a page that is reloaded, or a notebook that was
 * saved with its widgets shows the same.
 */
import { TokenList } from "../client";
import type { Change } from "../wire";
import type { Spread } from "../colour/scale";

export interface NeuronRow {
  readonly key: string;
  readonly statistics: Spread | null;
}

/** Traits of the widget. Arrays are little-endian. */
export interface WidgetState {
  text: string;
  neurons: string[];
  focus: string | null;
  status: "connecting" | "computing" | "ready" | "waiting" | "refused" | "closed";
  /** What is wrong, as a sentence; empty if nothing is. */
  problem: string;
  /** Id of the model; empty until there is one. */
  model: string;
  /** Of `text`; each change makes it one more. */
  _revision: number;
  _rows: NeuronRow[];
  /** Id, text, 1 if special + 2 if it begins a context. */
  _tokens: [id: number, text: string, flags: number][];
  /** int32 [tokens, 2], in `text`. */
  _spans: DataView;
  /** float32 [rows, tokens]; NaN if there is none yet. */
  _values: DataView;
  /** uint8 [tokens]; 1 where every value is of `text`. */
  _current: DataView;
}

/** Offsets in UTF-16 units of the text before all of them. */
export type Changes = readonly Change[];

/** From the kernel, to all views of the widget. */
export type KernelMessage =
  /** The text has changed by these updates since `revision`. */
  | { readonly kind: "updates"; readonly revision: number; readonly updates: readonly { readonly author: string; readonly changes: Changes }[] }
  /** `author` must start again from this text. */
  | { readonly kind: "text"; readonly author: string; readonly revision: number; readonly text: string };

/** From a view. */
export type ViewMessage =
  /** Changes made on top of `revision`. */
  | { readonly kind: "edit"; readonly author: string; readonly revision: number; readonly updates: readonly Changes[] }
  /** Updates since `revision` have not arrived. */
  | { readonly kind: "missed"; readonly author: string; readonly revision: number };

/** The part of anywidget's model that is used here. */
export interface WidgetModel {
  get<K extends keyof WidgetState>(name: K): WidgetState[K];
  set<K extends keyof WidgetState>(name: K, value: WidgetState[K]): void;
  save_changes(): void;
  send(message: ViewMessage): void;
  on(event: string, listener: (message: never) => void): void;
  off(event: string, listener: (message: never) => void): void;
}

/** The tokens of `text`. */
export function tokensOf(model: WidgetModel): TokenList {
  const spans = new Int32Array(bytesOf(model.get("_spans")));
  const infos = model.get("_tokens");
  if (spans.length !== 2 * infos.length) return TokenList.empty;
  return TokenList.of(infos.map(([id, text, flags], i) => ({
    id, text, from: spans[2 * i] as number, to: spans[2 * i + 1] as number,
    ...((flags & 1) === 0 ? {} : { special: true as const }), ...((flags & 2) === 0 ? {} : { segment: true as const }),
  })));
}

/** Values by neuron, each [tokens]. */
export function valuesOf(model: WidgetModel): ReadonlyMap<string, Float32Array> {
  const values = new Float32Array(bytesOf(model.get("_values")));
  const rows = model.get("_rows");
  const count = model.get("_tokens").length;
  const fits = values.length === rows.length * count;
  return new Map(rows.map(({ key }, i) => [key, fits ? values.subarray(i * count, (i + 1) * count) : new Float32Array(count).fill(NaN)]));
}

export function currentOf(model: WidgetModel): Uint8Array {
  return new Uint8Array(bytesOf(model.get("_current")));
}

/** A copy, since the bytes may not be aligned for wider numbers. */
function bytesOf(data: DataView): ArrayBuffer {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
}

