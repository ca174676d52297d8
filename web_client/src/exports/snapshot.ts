/** What is exported: one moment of the page as plain data. The formats beside this know nothing else. */
import type { TokenList } from "../client/tokens";
import { over, type Rgb, stripeOf, surfaces, washOver } from "../colour/palette";
import { NO_VALUE, type Scale } from "../colour/scale";
import type { ModelInfo } from "../wire";

export interface ExportNeuron {
  readonly key: string;
  readonly hue: number;
  readonly scale: Scale;
  /** Where the scale comes from, in the page's words. */
  readonly origin: string;
  /** It has values, and is not drawn in the text. */
  readonly hidden: boolean;
}

export interface ExportDocument {
  /** What the page calls it, where there are several. */
  readonly name: string;
  readonly text: string;
  /** Spans in UTF-16 units of `text`. */
  readonly tokens: TokenList;
  /** By neuron, one number a token; NaN where there is none. */
  readonly values: ReadonlyMap<string, ArrayLike<number>>;
  /** What the colours show: the values, or how far they are from those of the text beside this one. */
  readonly shown: ReadonlyMap<string, ArrayLike<number>>;
  /** `Kin` of each token, where there is another text beside this one. */
  readonly kin: Uint8Array | null;
  /** What the colours are, where that goes without saying for none but the values. */
  readonly note: string | null;
}

export interface Snapshot {
  readonly model: ModelInfo | null;
  /** Rows of the page, in order. */
  readonly neurons: readonly ExportNeuron[];
  /** The neuron that colours the text's background. */
  readonly focus: ExportNeuron | null;
  /** Those drawn as stripes under the tokens, from the top. */
  readonly stripes: readonly ExportNeuron[];
  readonly documents: readonly ExportDocument[];
}

/** Those that the text wears: the background's neuron first. */
export function drawn({ focus, stripes }: Snapshot): readonly ExportNeuron[] {
  return focus === null ? stripes : [focus, ...stripes];
}

/** What decides the values, in a line. */
export function modelLine(model: ModelInfo | null): string {
  if (model === null) return "no model";
  const revision = model.revision === null ? "" : `@${model.revision.slice(0, 10)}`;
  return `${model.id}${revision}, ${model.dtype}, ${model.prependsBos ? "BOS prepended" : "no BOS"}`;
}

// Exported pictures lie on white paper, whatever theme the page has.
const { page } = surfaces.light;
export const PAPER = hex(page);
export const INK = hex(surfaces.light.text);

/** The colour that a bucket has behind text, as it is seen on paper: `#rrggbb`; null where the paper itself is seen. */
export function washed(hue: number, bucket: number): string | null {
  return bucket === NO_VALUE || bucket === 0 ? null : hex(washOver(hue, bucket, "light"));
}

/** The colour that a bucket has as a stripe. */
export function striped(hue: number, bucket: number): string | null {
  const { ink, opacity } = stripeOf(hue, bucket, "light");
  return opacity === 0 ? null : hex(over(ink, opacity, page));
}

function hex(colour: Rgb): string {
  return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
