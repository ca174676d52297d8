/**
 * A document as lines of pieces, each drawn in one colour: a token, tokens that share a character, or the sign of
 * something that has a value but no character of its own (a line break, a token that the server added).
 */
import type { ExportDocument } from "./snapshot";

export interface Piece {
  /** `special` is a token that the server added, `context` the start of a context without one, `break` a line break. */
  readonly kind: "text" | "break" | "special" | "context";
  /** Empty but for text. */
  readonly text: string;
  /** Whose values it wears; none where no token covers it. */
  readonly tokens: readonly number[];
}

export interface Line {
  readonly pieces: readonly Piece[];
  /** A second or later context of a long document begins with it. */
  readonly context: boolean;
}

interface Cell {
  readonly from: number;
  to: number;
  readonly tokens: number[];
}

/** The text line by line. Every character is in exactly one piece. */
export function linesOf(document: ExportDocument): Line[] {
  const lines: { pieces: Piece[] }[] = [{ pieces: [] }];
  const put = (kind: Piece["kind"], tokens: readonly number[], text = ""): void => {
    lines.at(-1)?.pieces.push({ kind, text, tokens });
    if (kind === "break") lines.push({ pieces: [] });
  };
  let end = 0;
  for (const cell of cellsOf(document)) {
    if (cell.from > end) putText(document.text.slice(end, cell.from), [], put);
    if (cell.to > cell.from) putText(document.text.slice(cell.from, cell.to), cell.tokens, put);
    for (const token of cell.from === cell.to ? cell.tokens : []) {
      const { special, segment } = document.tokens.at(token);
      if (special) put("special", [token]);
      else if (segment) put("context", [token]);
    }
    end = Math.max(end, cell.to);
  }
  if (end < document.text.length) putText(document.text.slice(end), [], put);
  return lines.map(({ pieces }) => ({ pieces, context: pieces[0]?.tokens.some((token) => document.tokens.infos[token]?.segment === true) === true }));
}

function putText(text: string, tokens: readonly number[], put: (kind: Piece["kind"], tokens: readonly number[], text?: string) => void): void {
  text.split("\n").forEach((part, i) => {
    if (i > 0) put("break", tokens);
    if (part !== "") put("text", tokens, part);
  });
}

/** Spans that do not overlap, in order; signs have an empty one. */
function cellsOf({ tokens }: ExportDocument): Cell[] {
  const cells: Cell[] = [];
  let open: Cell | null = null;
  for (let i = 0; i < tokens.length; i++) {
    const { special, segment } = tokens.infos[i] as (typeof tokens.infos)[number];
    const from = tokens.from[i] as number;
    const to = tokens.to[i] as number;
    if (special || segment) {
      cells.push({ from, to: from, tokens: [i] });
      if (special) continue;
    }
    const begin: number = Math.max(from, open?.to ?? 0);
    if (begin < to) {
      open = { from: begin, to, tokens: [i] };
      cells.push(open);
    } else if (open !== null && from < to) {
      open.tokens.push(i); // byte-level BPE: it shares its character with the one before
    }
  }
  return cells;
}

/** What stands for a token that the server added. */
export function signOf(document: ExportDocument, token: number): string {
  return document.tokens.infos[token]?.special === true ? "BOS" : "⋯";
}
