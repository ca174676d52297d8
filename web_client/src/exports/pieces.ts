/**
 * A document as lines of pieces: a token, a character that several tokens share, or the sign of a token without a
 * visible character (a line break, a token that the server added).
 */
import { bucketsOf } from "../colour/scale";
import { type Cell, cellsOf } from "../editor/cells";
import { Kin } from "../editor/source";
import { type ExportDocument, type ExportNeuron, type Snapshot, striped, washed } from "./snapshot";

export interface Piece {
  /** `special` is a token that the server added, `context` the start of a context without one, `break` a line break. */
  readonly kind: "text" | "break" | "special" | "context";
  /** Empty but for text. */
  readonly text: string;
  /** The tokens that colour it, from `first` to `last`; if there are none, `last` is less. */
  readonly first: number;
  readonly last: number;
}

export interface Line {
  readonly pieces: readonly Piece[];
  /** A second or later context of a long document begins with it. */
  readonly context: boolean;
}

type Tokens = Pick<Piece, "first" | "last">;

const NONE: Tokens = { first: 0, last: -1 };

/** The text line by line. Every character is in exactly one piece. */
export function linesOf({ text, tokens }: ExportDocument): Line[] {
  const lines: { pieces: Piece[] }[] = [{ pieces: [] }];
  const put = (kind: Piece["kind"], { first, last }: Tokens, part = ""): void => {
    lines.at(-1)?.pieces.push({ kind, text: part, first, last });
    if (kind === "break") lines.push({ pieces: [] });
  };
  const putText = (from: number, to: number, of: Tokens): void => {
    text.slice(from, to).split("\n").forEach((part, i) => {
      if (i > 0) put("break", of);
      if (part !== "") put("text", of, part);
    });
  };
  const cells = cellsOf(tokens, 0, text);
  let next = 0;
  let end = 0;
  tokens.infos.forEach(({ special, segment }, i) => {
    if (special || segment) put(special ? "special" : "context", { first: i, last: i });
    for (; cells[next]?.first === i; next++) {
      const cell = cells[next] as Cell;
      if (cell.from > end) putText(end, cell.from, NONE);
      putText(cell.from, cell.to, cell);
      end = cell.to;
    }
  });
  if (end < text.length) putText(end, text.length, NONE);
  return lines.map(({ pieces }) => ({ pieces, context: tokens.infos[pieces[0]?.first ?? -1]?.segment === true }));
}

/** The sign of a token that the server added, or of the start of a context. */
export function signOf({ kind }: Piece): string {
  return kind === "special" ? "BOS" : "⋯";
}

/** The alignment of a piece's tokens with the other text; the least aligned counts. */
export function kinOf({ kin }: ExportDocument, { first, last }: Piece): Kin {
  const found = kin?.subarray(first, last + 1).find((one) => one !== Kin.same);
  return (found ?? Kin.same) as Kin;
}

/** Colours of a piece, `#rrggbb`, one for each of its tokens, which share its width; null if there is none. */
export interface Paint {
  /** Behind the text. */
  readonly back: readonly (string | null)[];
  /** By stripe. */
  readonly stripes: readonly (readonly (string | null)[])[];
}

/** Returns the colours of a document's pieces on the page. */
export function painter({ focus, stripes }: Snapshot, document: ExportDocument): (piece: Piece) => Paint {
  const coloured = ({ hue, key, scale }: ExportNeuron, colour: typeof washed): ((piece: Piece) => (string | null)[]) => {
    const buckets = bucketsOf(document.shown.get(key) ?? [], scale);
    return ({ first, last, kind }) => (kind === "context" ? [] : Array.from(buckets.subarray(first, last + 1), (bucket) => colour(hue, bucket)));
  };
  const behind = focus === null ? () => [] : coloured(focus, washed);
  const under = stripes.map((neuron) => coloured(neuron, striped));
  return (piece) => ({ back: behind(piece), stripes: under.map((stripe) => stripe(piece)) });
}
