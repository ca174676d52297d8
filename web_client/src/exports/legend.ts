/** The texts of legends. */
import { formatValue } from "../editor/format";
import type { ExportDocument } from "./snapshot";

/** Explains the marks of tokens that the other text does not have. */
export const ACCENT = "#0b7265";

export const kinText = "Overlined: a different token in the other text; dotted: no partner there.";

/** A bound without trailing zeros. */
export function formatBound(value: number): string {
  return formatValue(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A document's name, and what its colours show if not its values. */
export function titleOf({ name, note }: ExportDocument): string {
  return note === null ? name : `${name}: ${note}`;
}
