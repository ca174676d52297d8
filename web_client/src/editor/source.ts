/** What the editor extension shows, and what it reports. Implemented by the page, or by any other frontend. */
import type { TokenList } from "../client/tokens";

/** How many neurons are drawn as stripes, at most. */
export const MOST_STRIPES = 8;

/** One neuron that is drawn beside the one in focus, as a stripe under the tokens. */
export interface Stripe {
  readonly key: string;
  readonly hue: number;
  readonly buckets: Int8Array;
}

/** How a token is aligned with the other text. */
export const Kin = {
  /** Aligned with the same token. */
  same: 0,
  /** Aligned with a different token. */
  replaced: 1,
  /** Not aligned. */
  alone: 2,
} as const;
export type Kin = (typeof Kin)[keyof typeof Kin];

/** One picture of the tokens; arrays are indexed by token. */
export interface TokenPicture {
  readonly tokens: TokenList;
  /** Colour buckets of the neuron in focus (see colour/scale). */
  readonly buckets: Int8Array;
  /** Hue of the neuron in focus (see colour/palette). */
  readonly hue: number;
  /** The others, from the top stripe down; at most `MOST_STRIPES`. */
  readonly stripes: readonly Stripe[];
  /** 1 if the colour belongs to an older text and is drawn faded; null if none does. */
  readonly faded: Uint8Array | null;
  /** A token to mark because a pointer elsewhere is on it. */
  readonly marked: number | null;
  /** `Kin` of each token, if there is another text. */
  readonly kin?: Uint8Array | null;
}

/** Tokens `[from, to)`. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** One line of a token's tooltip. */
export interface TokenValue {
  readonly key: string;
  readonly hue: number;
  /** NaN if there is none yet. */
  readonly value: number;
  readonly bucket: number;
  readonly focused: boolean;
  /** The value at the partner in the other text, and right minus left; null without a partner. */
  readonly compared?: Compared | null;
}

export interface Compared {
  readonly partner: number;
  readonly difference: number;
}

export interface TokenSource {
  readonly picture: TokenPicture;
  /** Every neuron's value at a token, in row order. */
  valuesAt(token: number): readonly TokenValue[];
  /** A further remark about a token; null for none. */
  note?(token: number): string | null;
  /** Calls `listener` when the picture has changed; returns a function that stops it. */
  onPicture(listener: () => void): () => void;
  /** A picture that was read here has been painted. */
  painted?(picture: TokenPicture): void;
  /** The pointer is on this token, or on none. */
  hover(token: number | null): void;
  /** The caret is at this token, or at none; `selection` is what is selected with it. */
  caret(token: number | null, selection: TokenRange | null): void;
}
