/** The exported state of the page, as plain data; the only input of the formats. */
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
  /** Its name on the page, if there are several. */
  readonly name: string;
  readonly text: string;
  /** Spans in UTF-16 units of `text`. */
  readonly tokens: TokenList;
  /** By neuron, one number per token; NaN if there is none. */
  readonly values: ReadonlyMap<string, ArrayLike<number>>;
  /** What the colours show: the values, or their difference from the other text's. */
  readonly shown: ReadonlyMap<string, ArrayLike<number>>;
  /** `Kin` of each token, if there is another text. */
  readonly kin: Uint8Array | null;
  /** What the colours show if not the values. */
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

/** Those drawn in the text: the background's neuron first. */
export function drawn({ focus, stripes }: Snapshot): readonly ExportNeuron[] {
  return focus === null ? stripes : [focus, ...stripes];
}

/** Everything that the values depend on, in a line. */
export function modelLine(model: ModelInfo | null): string {
  if (model === null) return "no model";
  const revision = model.revision === null ? "" : `@${model.revision.slice(0, 10)}`;
  return `${model.id}${revision}, ${model.dtype}, ${model.prependsBos ? "BOS prepended" : "no BOS"}`;
}

// Exported pictures are on white, in any theme.
const { page } = surfaces.light;
export const PAPER = hex(page);
export const INK = hex(surfaces.light.text);

/** A bucket's opaque colour behind text on white: `#rrggbb`; null if it is transparent. */
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
