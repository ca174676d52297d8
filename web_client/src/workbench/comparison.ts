/**
 * Two texts side by side: their aligned tokens, the differences of their values, and a shared cursor.
 *
 * Meanwhile both passages mark tokens without an equal in the other, pointer and caret in one are followed in the
 * other, and the right one can show differences, right minus left, instead of its values.
 */
import { align, type Alignment, NONE } from "../analysis/align";
import { type Departure, differences, furthestFirst, largest } from "../analysis/difference";
import type { TokenInfo } from "../client";
import { Kin } from "../editor/source";
import type { Lens, Passage } from "./passage";

export type { Departure };

export const COMPARE_COLOURS = ["difference", "values"] as const;
/** What colours the right text. */
export type CompareColours = (typeof COMPARE_COLOURS)[number];

/** How many tokens of the two texts are the same, replace each other, or have no partner. */
export interface AlignmentCounts {
  readonly same: number;
  readonly replaced: number;
  readonly alone: number;
}

/** A token of either text and of its partner. */
export interface TokenPair {
  readonly left: number | null;
  readonly right: number | null;
}

export class Comparison {
  #aligned: { readonly left: readonly TokenInfo[]; readonly right: readonly TokenInfo[]; readonly alignment: Alignment } | null = null;
  readonly #differences = new Map<string, Float32Array>();
  #kin: { readonly alignment: Alignment; readonly left: Uint8Array; readonly right: Uint8Array } | null = null;
  readonly #departures = new Map<string, Departure | null>();
  #colours: CompareColours = "difference";
  /** The passage whose cursor is just being followed. */
  #leading: Passage | null = null;
  readonly #stops: readonly (() => void)[];

  constructor(readonly left: Passage, readonly right: Passage) {
    this.#stops = [
      left.on("restate", () => { this.#restated(); right.restate(); }),
      right.on("restate", () => { this.#restated(); left.redraw(); }),
      left.on("cursor", (kind) => { this.#follow(left, right, kind); }),
      right.on("cursor", (kind) => { this.#follow(right, left, kind); }),
      left.on("revealed", (token) => { this.#reveal(left, right, token); }),
      right.on("revealed", (token) => { this.#reveal(right, left, token); }),
    ];
    left.look(this.#lens("left"));
    right.look(this.#lens("right"));
  }

  /** Colour the right text by its values, or by their difference from the left one's. */
  show(colours: CompareColours): void {
    if (colours === this.#colours) return;
    this.#colours = colours;
    this.right.restate();
  }

  /** Separate the passages again. */
  end(): void {
    for (const stop of this.#stops) stop();
    this.left.look(null);
    this.right.look(null);
    this.left.hover(null);
  }

  // ------------------------------------------------------------------ alignment

  /** Partners of all tokens. */
  get alignment(): Alignment {
    const left = this.left.document.tokens.infos;
    const right = this.right.document.tokens.infos;
    if (this.#aligned?.left !== left || this.#aligned.right !== right) {
      const ids = (infos: readonly TokenInfo[]): Int32Array => Int32Array.from(infos, ({ id }) => id);
      this.#aligned = { left, right, alignment: align(ids(left), ids(right)) };
    }
    return this.#aligned.alignment;
  }

  get counts(): AlignmentCounts {
    const count = (kin: Uint8Array, kind: Kin): number => kin.reduce((sum, found) => sum + (found === kind ? 1 : 0), 0);
    const { left, right } = this.#kinships();
    return { same: count(right, Kin.same), replaced: count(right, Kin.replaced), alone: count(left, Kin.alone) + count(right, Kin.alone) };
  }

  /** The token at the pointer or caret, in both texts. */
  get cursor(): TokenPair {
    return { left: this.left.cursor, right: this.right.cursor };
  }

  // ------------------------------------------------------------------ differences

  /** right - left at the right text's tokens, [tokens]; NaN without a partner or a value. */
  differences(key: string): Float32Array {
    const known = this.#differences.get(key);
    if (known !== undefined) return known;
    const found = differences(this.left.document.activations.values(key), this.right.document.activations.values(key), this.alignment);
    this.#differences.set(key, found);
    return found;
  }

  /**
   * Where a neuron's values differ most among tokens that are the same in both texts, since at different tokens most
   * neurons differ. Null if it has no value yet.
   */
  departure(key: string): Departure | null {
    const known = this.#departures.get(key);
    if (known !== undefined) return known;
    const { infos } = this.right.document.tokens;
    const { right } = this.#kinships();
    const values = this.differences(key);
    const token = largest(values, (i) => right[i] === Kin.same && infos[i]?.special === false);
    const found = token === null ? null : { key, token, difference: values[token] as number };
    this.#departures.set(key, found);
    return found;
  }

  /** The departures of neurons, the largest first. */
  departures(keys: readonly string[]): readonly Departure[] {
    return furthestFirst(keys.flatMap((key) => this.departure(key) ?? []));
  }

  /** Whether both texts have all their values. */
  get settled(): boolean {
    return this.left.settled && this.right.settled;
  }

  // ------------------------------------------------------------------ inside

  #restated(): void {
    this.#differences.clear();
    this.#departures.clear();
  }

  #follow(leading: Passage, other: Passage, kind: "pointer" | "caret"): void {
    this.#lead(leading, () => {
      const partner = this.#partner(leading, kind === "pointer" ? leading.hovered : leading.caretToken);
      if (kind === "pointer") other.hover(partner);
      else other.caret(partner);
    });
  }

  #reveal(leading: Passage, other: Passage, token: number): void {
    this.#lead(leading, () => {
      const partner = this.#partner(leading, token);
      if (partner !== null) other.reveal(partner);
    });
  }

  /** The other passage's reaction is not followed back. */
  #lead(leading: Passage, follow: () => void): void {
    if (this.#leading !== null) return;
    this.#leading = leading;
    follow();
    this.#leading = null;
  }

  #partner(of: Passage, token: number | null): number | null {
    const { leftToRight, rightToLeft } = this.alignment;
    const partner = token === null ? NONE : (of === this.left ? leftToRight : rightToLeft)[token] ?? NONE;
    return partner === NONE ? null : partner;
  }

  #kinships(): { readonly left: Uint8Array; readonly right: Uint8Array } {
    const { alignment } = this;
    if (this.#kin?.alignment !== alignment) {
      const [left, right] = [this.left.document.tokens.infos, this.right.document.tokens.infos];
      const kin = (partners: Int32Array, own: readonly TokenInfo[], others: readonly TokenInfo[]): Uint8Array => Uint8Array.from(
        partners, (partner, i) => (partner === NONE ? Kin.alone : own[i]?.id === others[partner]?.id ? Kin.same : Kin.replaced),
      );
      this.#kin = { alignment, left: kin(alignment.leftToRight, left, right), right: kin(alignment.rightToLeft, right, left) };
    }
    return this.#kin;
  }

  #lens(side: "left" | "right"): Lens {
    const [own, other] = side === "left" ? [this.left, this.right] : [this.right, this.left];
    const differs = (): boolean => side === "right" && this.#colours === "difference";
    return {
      values: (key) => (differs() ? this.differences(key) : null),
      late: () => differs() && other.late,
      kin: () => this.#kinships()[side],
      compared: (key, token) => {
        const partner = this.#partner(own, token);
        if (partner === null) return null;
        const [mine, theirs] = [own.value(key, token), other.value(key, partner)];
        return { partner: theirs, difference: side === "right" ? mine - theirs : theirs - mine };
      },
      note: (token) => {
        const partner = this.#partner(own, token);
        if (partner === null) return `no partner in the ${side === "left" ? "right" : "left"} text`;
        const there = other.document.tokens.infos[partner];
        return there === undefined || there.id === own.document.tokens.infos[token]?.id ? null
          : `in the ${side === "left" ? "right" : "left"} text: ${there.text}`;
      },
    };
  }
}
