/** What legends say. */
import { formatValue } from "../editor/format";
import type { ExportDocument } from "./snapshot";

/** Marks what has no equal in the other text. */
export const ACCENT = "#0b7265";

export const kinText = "Overlined: a different token in the other text; dotted: no partner there.";

/** A bound without the zeros at its end that say nothing. */
export function formatBound(value: number): string {
  return formatValue(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A document's name, and what its colours are where that is not its values. */
export function titleOf({ name, note }: ExportDocument): string {
  return note === null ? name : `${name}: ${note}`;
}
