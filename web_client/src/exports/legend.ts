/** How legends write the ends of a scale. */
import { formatValue } from "../editor/format";

/** A bound without the zeros at its end that say nothing. */
export function formatBound(value: number): string {
  return formatValue(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
